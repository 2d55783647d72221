#include "volume/csi/names.hpp"

#include <gtest/gtest.h>

#include "base/sha256.hpp"
#include "volume/csi/paths.hpp"

namespace keelson::volume {
namespace {

TEST(CsiNames, AreHashesOfWhatAVolumeIs) {
  EXPECT_EQ(base::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(csi_attachment_name("a", "b", "c"), "csi-" + base::sha256_hex("abc"));
  EXPECT_EQ(csi_inline_handle("uid", "data"), "csi-" + base::sha256_hex("uiddata"));
  EXPECT_EQ(csi_unique_name("disk.example", "vol-1"), "kubernetes.io/csi/disk.example^vol-1");
}

TEST(CsiPaths, AreThoseOfTheKubelet) {
  const std::string sha = base::sha256_hex("vol-1");
  EXPECT_EQ(csi_target_path("/r", "u", "pv"), "/r/pods/u/volumes/kubernetes.io~csi/pv/mount");
  EXPECT_EQ(csi_volume_dir("/r", "u", "csi.vsphere.vmware.com-[ds] a/b.vmdk"),
            "/r/pods/u/volumes/kubernetes.io~csi/csi.vsphere.vmware.com-[ds] a~b.vmdk");
  EXPECT_EQ(csi_staging_path("/r", "disk.example", "vol-1"),
            "/r/plugins/kubernetes.io/csi/disk.example/" + sha + "/globalmount");
  const CsiBlockPaths block = csi_block_paths("/r", "pv");
  EXPECT_EQ(block.devices, "/r/plugins/kubernetes.io/csi/volumeDevices/pv/dev");
  EXPECT_EQ(block.data, "/r/plugins/kubernetes.io/csi/volumeDevices/pv/data");
  EXPECT_EQ(block.staging, "/r/plugins/kubernetes.io/csi/volumeDevices/staging/pv");
  EXPECT_EQ(csi_block_publish_path("/r", "u", "pv"), "/r/plugins/kubernetes.io/csi/volumeDevices/publish/pv/u");
  EXPECT_EQ(csi_device_link("/r", "u", "pv"), "/r/pods/u/volumeDevices/kubernetes.io~csi/pv");
}

}  // namespace
}  // namespace keelson::volume
