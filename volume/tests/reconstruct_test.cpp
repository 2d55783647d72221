// Volumes found again from directories and mount table.
#include "volume/reconstruct.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/block_device.hpp"
#include "volume/local_volume.hpp"
#include "volume/paths.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/loop_disk.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;

class Reconstruct : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-found-XXXXXX";
    top_ = fs::canonical(mkdtemp(name)).string();
    root_ = top_ + "/root";
  }
  void TearDown() override { fs::remove_all(top_); }
  std::string volume(const std::string& uid, const std::string& plugin, const std::string& name) {
    const std::string path = volume_dir(root_, uid, plugin, name);
    fs::create_directories(path);
    return path;
  }
  void mounted(const std::string& path, const std::string& type, MountEntry details = {}) {
    fs::create_directories(path);
    mounts_.table.push_back({path, type});
    mounts_.details[path] = std::move(details);
  }
  FoundVolumes find() {
    auto found = find_volumes(root_, mounts_);
    EXPECT_TRUE(found.ok());
    return found.ok() ? *found : FoundVolumes{};
  }

  std::string top_, root_;
  FakeMounts mounts_;
};

TEST_F(Reconstruct, WithoutPodsThereIsNothing) {
  EXPECT_THAT(find().volumes, IsEmpty());
  EXPECT_THAT(find().unreadable, IsEmpty());
}

TEST_F(Reconstruct, EachVolumeIsToldWithWhetherItIsMounted) {
  const std::string data = volume("a", "kubernetes.io/empty-dir", "data");
  const std::string share = volume("a", "kubernetes.io/nfs", "share");
  const std::string csi = volume("b", "kubernetes.io/csi", "pv-1");
  const std::string gone = volume("b", "kubernetes.io/csi", "pv-2");
  mounted(share, "nfs4", {.source = "server:/x"});
  mounted(csi + "/mount", "ext4", {.device = "8:32", .source = "/dev/sdc"});
  const auto found = find();
  EXPECT_THAT(found.unreadable, IsEmpty());
  EXPECT_THAT(
      found.volumes,
      testing::ElementsAre(FoundVolume{.uid = "a", .plugin = "kubernetes.io/empty-dir", .name = "data", .path = data},
                           FoundVolume{.uid = "a",
                                       .plugin = "kubernetes.io/nfs",
                                       .name = "share",
                                       .path = share,
                                       .mounted = true,
                                       .device = "server:/x"},
                           FoundVolume{.uid = "b",
                                       .plugin = "kubernetes.io/csi",
                                       .name = "pv-1",
                                       .path = csi,
                                       .mounted = true,
                                       .device = "/dev/sdc"},
                           FoundVolume{.uid = "b", .plugin = "kubernetes.io/csi", .name = "pv-2", .path = gone}));
}

TEST_F(Reconstruct, DisksAreFoundByTheGlobalMountThatShowsTheSame) {
  const std::string iscsi = root_ + "/plugins/kubernetes.io/iscsi/iface-default/192.0.2.1:3260-iqn.a:b-lun-0";
  const std::string fc = root_ + "/plugins/kubernetes.io/fc/wwn-lun-1";
  mounted(iscsi, "ext4", {.device = "8:16", .source = "/dev/sdb"});
  mounted(fc, "xfs", {.device = "8:48", .source = "/dev/sdd"});
  mounted(volume("a", "kubernetes.io/iscsi", "pv-i"), "ext4", {.device = "8:16", .source = "/dev/sdb"});
  mounted(volume("a", "kubernetes.io/fc", "pv-f"), "xfs", {.device = "8:48", .source = "/dev/sdd"});
  mounted(volume("b", "kubernetes.io/fc", "pv-x"), "xfs", {.device = "8:64", .source = "/dev/sde"});
  const auto found = find();
  ASSERT_EQ(found.volumes.size(), 3u);
  EXPECT_EQ(found.volumes[0].name, "pv-f");
  EXPECT_EQ(found.volumes[0].global_dir, fc);
  EXPECT_EQ(found.volumes[1].global_dir, iscsi);
  EXPECT_EQ(found.volumes[2].global_dir, "") << "mounted, but by nothing of ours";
  EXPECT_TRUE(found.volumes[2].mounted);
}

TEST_F(Reconstruct, WhatCannotBeReadIsToldBesideTheRest) {
  volume("a", "kubernetes.io/empty-dir", "data");
  fs::create_directories(root_ + "/pods/a/volumes/kubernetes.io~nfs");
  ASSERT_TRUE(base::write_file(root_ + "/pods/a/volumes/kubernetes.io~nfs/file", "x", 0600).ok());
  ASSERT_TRUE(base::write_file(root_ + "/pods/a/volumes/stray", "x", 0600).ok());
  fs::create_directories(root_ + "/pods/a/volumeDevices/kubernetes.io~fc/no-link");
  ASSERT_TRUE(base::write_file(root_ + "/pods/stray", "x", 0600).ok());
  const auto found = find();
  std::vector<std::string> names, paths;
  for (const auto& volume : found.volumes) names.push_back(volume.name);
  for (const auto& unreadable : found.unreadable) paths.push_back(unreadable.path.substr(root_.size()));
  EXPECT_THAT(names, testing::ElementsAre("data", "file"));
  EXPECT_THAT(paths, testing::UnorderedElementsAre("/pods/a/volumes/kubernetes.io~nfs/file", "/pods/a/volumes/stray",
                                                   "/pods/a/volumeDevices/kubernetes.io~fc/no-link",
                                                   "/pods/stray/volumes", "/pods/stray/volumeDevices"));
}

TEST_F(Reconstruct, ALinkToADeviceIsFoundWithItsGlobalDirectory) {
  fs::create_directories(root_ + "/pods/a/volumeDevices/kubernetes.io~fc");
  fs::create_symlink("/dev/gone", root_ + "/pods/a/volumeDevices/kubernetes.io~fc/pv");
  const auto found = find();
  ASSERT_EQ(found.volumes.size(), 1u);
  EXPECT_TRUE(found.volumes[0].block);
  EXPECT_FALSE(found.volumes[0].mounted);
  EXPECT_EQ(found.volumes[0].device, "/dev/gone");
  EXPECT_EQ(found.volumes[0].path, root_ + "/pods/a/volumeDevices/kubernetes.io~fc/pv");
}

// Through a link to the root directory, with the kernel's own table.
TEST_F(Reconstruct, RealMountsAreFoundAgain) {
  LoopDisk disk(8u << 20);
  if (!disk.ready()) GTEST_SKIP() << disk.why_not();
  in_own_mount_namespace([&] {
    HostPrograms programs;
    LinuxMounts mounts(programs);
    HostLoopDevices loops;
    fs::create_directories(top_ + "/elsewhere");
    fs::create_directory_symlink(top_ + "/elsewhere", root_);
    const LocalVolume local{.pv = "pv-1", .path = disk.device()};
    FsGroupProgress progress;
    if (mount_local_device(root_, local, programs, mounts).failure) return 1;
    if (mount_for_pod(*local_pod_mount(root_, "a", local), progress, mounts).failure) return 2;
    const BlockMap block{disk.device(), local_global_map(root_, "pv-2"), "b",
                         volume_device(root_, "b", local_plugin, "pv-2")};
    const bool mapped = map_block_device(block, mounts, loops).ok();
    const auto found = find_volumes(root_, mounts);
    (void)unmap_block_device(block, mounts, loops);
    if (!mapped) return 3;
    if (!found.ok() || found->volumes.size() != 2 || !found->unreadable.empty()) return 4;
    const FoundVolume& pv = found->volumes[0];
    if (!pv.mounted || pv.path != volume_dir(root_, "a", local_plugin, "pv-1")) return 5;
    if (pv.global_dir != local_mount_dir(root_, "pv-1") || pv.device != disk.device()) return 6;
    const FoundVolume& device = found->volumes[1];
    if (!device.block || !device.mounted || device.global_dir != block.global_dir) return 7;
    return device.device == disk.device() ? 0 : 8;
  });
}

}  // namespace
}  // namespace keelson::volume
