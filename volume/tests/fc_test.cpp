// Fibre Channel with a /sys and a /dev of our own.
#include "volume/fc.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/fake_programs.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

void put(const std::string& path, const std::string& text) {
  ASSERT_TRUE(base::make_directories(path.substr(0, path.rfind('/')), 0755).ok());
  ASSERT_TRUE(base::write_file(path, text, 0644).ok());
}

class Fc : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-fc-XXXXXX";
    top_ = fs::canonical(mkdtemp(name)).string();
    fs::create_directories(top_ + "/dev/disk/by-path");
    fs::create_directories(top_ + "/dev/disk/by-id");
    put(top_ + "/sys/class/scsi_host/host0/scan", "");
    put(top_ + "/sys/class/scsi_host/host1/scan", "");
    devices_ = ScsiDevices(top_ + "/sys", top_ + "/dev");
    disk_.wwns = {"500a0982991b8dc5", "500a0982891b8dc5"};
    disk_.lun = 2;
  }
  void TearDown() override { fs::remove_all(top_); }
  void disk(const std::string& name, const std::string& link) {
    put(top_ + "/dev/" + name, "");
    put(top_ + "/sys/block/" + name + "/device/delete", "");
    put(top_ + "/sys/block/" + name + "/dev", "8:16\n");
    fs::create_symlink("../../" + name, top_ + "/dev/disk/" + link);
  }
  void multipath(const std::vector<std::string>& disks) {
    put(top_ + "/dev/dm-1", "");
    put(top_ + "/sys/block/dm-1/dev", "253:1\n");
    for (const auto& name : disks) put(top_ + "/sys/block/dm-1/slaves/" + name, "");
  }
  FcHost host() { return {top_ + "/root", programs_, devices_, mounts_}; }
  std::string scanned() const { return *base::read_file(top_ + "/sys/class/scsi_host/host1/scan"); }

  std::string top_;
  ScsiDevices devices_;
  FcDisk disk_;
  FakePrograms programs_;
  FakeMounts mounts_;
};

TEST_F(Fc, ADiskIsFoundByItsWwnAfterAScan) {
  disk("sdb", "by-path/pci-0000:41:00.0-fc-0x500a0982891b8dc5-lun-2");
  disk("sdc", "by-path/pci-0000:41:00.0-fc-0x500a0982891b8dc5-lun-20");
  EXPECT_EQ(attach_fc(disk_, host()).value(), top_ + "/dev/sdb");
  EXPECT_EQ(scanned(), "- - -");
}

TEST_F(Fc, OtherNamesDoNotFit) {
  disk("sdb", "by-path/pci-0000:41:00.0-fc-0x500a0982891b8dc5-lun-21");
  disk("sdc", "by-path/xfc-0x500a0982891b8dc5-lun-2");
  EXPECT_EQ(attach_fc(disk_, host()).error().to_string(), "no fc disk found: 500a0982991b8dc5-500a0982891b8dc5-lun-2");
  disk("sdd", "by-path/fc-0x500a0982991b8dc5-lun-2");
  EXPECT_EQ(attach_fc(disk_, host()).value(), top_ + "/dev/sdd") << "without a PCI address, as on s390";
}

TEST_F(Fc, AMultipathDeviceIsPreferredAndNeedsNoScan) {
  disk("sdb", "by-path/pci-1-fc-0x500a0982991b8dc5-lun-2");
  disk("sdc", "by-path/pci-2-fc-0x500a0982891b8dc5-lun-2");
  multipath({"sdc"});
  EXPECT_EQ(attach_fc(disk_, host()).value(), top_ + "/dev/dm-1");
  EXPECT_EQ(scanned(), "");
}

TEST_F(Fc, AWwidIsALinkByIdWithoutBlanks) {
  api::core::FCVolumeSource source;
  source.add_wwids("VENDOR disk 1");
  const auto by_id = fc_disk(source);
  ASSERT_TRUE(by_id.ok());
  EXPECT_THAT(by_id->wwids, ElementsAre("VENDOR_disk_1"));
  disk("sdb", "by-id/scsi-VENDOR_disk_1");
  EXPECT_EQ(attach_fc(*by_id, host()).value(), top_ + "/dev/sdb");
  EXPECT_EQ(fc_global_dir("/r", *by_id, FcUse::file_system), "/r/plugins/kubernetes.io/fc/VENDOR_disk_1");
}

TEST_F(Fc, ASpecNeedsOneOfTheTwo) {
  api::core::FCVolumeSource source;
  EXPECT_THAT(fc_disk(source).error().to_string(), HasSubstr("no fc disk information found"));
  source.add_targetwwns("1");
  EXPECT_FALSE(fc_disk(source).ok()) << "no lun";
  source.set_lun(0);
  EXPECT_EQ(fc_disk(source).value(), (FcDisk{{"1"}, 0, {}}));
  source.add_targetwwns("../up");
  EXPECT_FALSE(fc_disk(source).ok());
}

TEST_F(Fc, IsMountedOnceAndTakenOutAgain) {
  programs_.on("blkid", exits(0, "TYPE=ext4\n"));
  const std::string global = fc_global_dir(top_ + "/root", disk_, FcUse::file_system);
  EXPECT_EQ(global, top_ + "/root/plugins/kubernetes.io/fc/500a0982991b8dc5-500a0982891b8dc5-lun-2");
  disk("sdb", "by-path/pci-1-fc-0x500a0982991b8dc5-lun-2");
  const std::string device = top_ + "/dev/sdb";
  EXPECT_FALSE(mount_fc_device(disk_, device, "", {}, host()).failure);
  EXPECT_FALSE(mount_fc_device(disk_, device, "", {}, host()).failure);
  EXPECT_EQ(mounts_.mounted.size(), 1u);

  mounts_.details[global].device = "8:16";
  EXPECT_THAT(take_out_fc(device, host()).error().to_string(), HasSubstr("is still mounted at " + global));
  EXPECT_EQ(unmount_fc(global, host()).value(), device);
  EXPECT_FALSE(fs::exists(global));
  EXPECT_EQ(unmount_fc(global, host()).value(), "") << "a second time is success";
  ASSERT_TRUE(take_out_fc(device, host()).ok());
  EXPECT_EQ(programs_.calls.back(), "blockdev --flushbufs " + device);
  EXPECT_EQ(*base::read_file(top_ + "/sys/block/sdb/device/delete"), "1");
  fs::remove(device);
  EXPECT_TRUE(take_out_fc(device, host()).ok()) << "gone is success";
}

TEST_F(Fc, ABusyMultipathDeviceIsTriedAgain) {
  disk("sdb", "by-path/pci-1-fc-0x500a0982991b8dc5-lun-2");
  disk("sdc", "by-path/pci-2-fc-0x500a0982891b8dc5-lun-2");
  multipath({"sdb", "sdc"});
  programs_.on_each("multipath -f", {exits(1, "", "map in use"), exits(0)});
  const std::string device = top_ + "/dev/dm-1";
  EXPECT_EQ(take_out_fc(device, host()).error().to_string(),
            "failed to flush multipath device " + device + ": exit status 1: map in use");
  EXPECT_EQ(*base::read_file(top_ + "/sys/block/sdb/device/delete"), "");
  ASSERT_TRUE(take_out_fc(device, host()).ok());
  for (const char* name : {"sdb", "sdc"}) {
    EXPECT_EQ(*base::read_file(top_ + "/sys/block/" + name + "/device/delete"), "1") << name;
  }
}

TEST_F(Fc, AFailedMountLeavesNoDirectory) {
  programs_.on("blkid", exits(8));
  EXPECT_TRUE(mount_fc_device(disk_, top_ + "/dev/sdb", "", {}, host()).failure);
  EXPECT_FALSE(fs::exists(fc_global_dir(top_ + "/root", disk_, FcUse::file_system)));
}

TEST_F(Fc, TheDeviceOfABlockVolumeIsFoundByItsDirectory) {
  const std::string global = fc_global_dir(top_ + "/root", disk_, FcUse::block);
  EXPECT_THAT(global, HasSubstr("/plugins/kubernetes.io/fc/volumeDevices/500a"));
  EXPECT_EQ(fc_block_device(global, host()).value(), "");
  disk("sdb", "by-path/pci-1-fc-0x500a0982991b8dc5-lun-2");
  EXPECT_EQ(fc_block_device(global, host()).value(), top_ + "/dev/sdb");
  EXPECT_FALSE(fc_block_device("/x/lun-1", host()).ok());
}

TEST(FcNames, AreReadBack) {
  EXPECT_EQ(parse_fc_global_dir("/x/a-b-lun-7"), (FcDisk{{"a", "b"}, 7, {}}));
  EXPECT_EQ(parse_fc_global_dir("/x/a"), (FcDisk{{}, 0, {"a"}}));
  EXPECT_EQ(parse_fc_global_dir("/x/a-b"), (FcDisk{{}, 0, {"a", "b"}}));
  for (const char* path : {"/x/lun-1", "/x/a-lun-b"}) EXPECT_FALSE(parse_fc_global_dir(path)) << path;
}

}  // namespace
}  // namespace keelson::volume
