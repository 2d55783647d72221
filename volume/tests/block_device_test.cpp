// Devices for pods: bound, linked and locked, and given back in order.
#include "volume/block_device.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/local_volume.hpp"
#include "volume/paths.hpp"
#include "volume/tests/fake_loops.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/loop_disk.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BlockDevice : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-block-XXXXXX";
    top_ = mkdtemp(name);
    root_ = top_ + "/root";
    // What is no device will do where nothing is really mounted.
    ASSERT_TRUE(base::write_file(top_ + "/sdb", "", 0600).ok());
    fs::create_symlink("sdb", top_ + "/by-name");
  }
  void TearDown() override { fs::remove_all(top_); }
  BlockMap map_for(const std::string& uid, const std::string& device = "") const {
    return {device.empty() ? top_ + "/by-name" : device, local_global_map(root_, "pv-1"), uid,
            volume_device(root_, uid, local_plugin, "pv-1")};
  }
  std::string place(const std::string& uid) const {
    return root_ + "/plugins/kubernetes.io~local-volume/volumeDevices/pv-1/" + uid;
  }

  std::string top_, root_;
  FakeMounts mounts_;
  FakeLoops loops_;
};

TEST_F(BlockDevice, IsBoundLinkedAndLockedAndTheWayBackLeavesNothing) {
  const auto map = map_for("uid-1");
  ASSERT_TRUE(map_block_device(map, mounts_, loops_).ok());
  ASSERT_TRUE(map_block_device(map, mounts_, loops_).ok()) << "a second time is success";
  EXPECT_EQ(mounts_.bound[place("uid-1")], top_ + "/sdb") << "the device itself, not a link to it";
  EXPECT_EQ(mounts_.table.size(), 1u);
  const std::string link = root_ + "/pods/uid-1/volumeDevices/kubernetes.io~local-volume/pv-1";
  EXPECT_EQ(fs::read_symlink(link), top_ + "/sdb");
  EXPECT_THAT(loops_.attached, testing::Contains(place("uid-1")));
  loops_.attached = {place("uid-1")};

  ASSERT_TRUE(unmap_block_device(map, mounts_, loops_).ok());
  EXPECT_THAT(mounts_.table, IsEmpty());
  EXPECT_THAT(loops_.attached, IsEmpty());
  EXPECT_FALSE(fs::exists(fs::symlink_status(link)));
  EXPECT_FALSE(fs::exists(place("uid-1")));
  ASSERT_TRUE(unmap_block_device(map, mounts_, loops_).ok()) << "a second time is success";
  ASSERT_TRUE(tear_down_block_device(map.global_dir, mounts_).ok());
  EXPECT_FALSE(fs::exists(map.global_dir));
  EXPECT_TRUE(base::path_exists(top_ + "/sdb"));
}

TEST_F(BlockDevice, AStaleLinkLeadsToTheDeviceOfNow) {
  const auto map = map_for("uid-1");
  ASSERT_TRUE(base::make_directories(map.pod_link.substr(0, map.pod_link.rfind('/')), 0750).ok());
  fs::create_symlink("/dev/gone", map.pod_link);
  ASSERT_TRUE(map_block_device(map, mounts_, loops_).ok());
  EXPECT_EQ(fs::read_symlink(map.pod_link), top_ + "/sdb");
}

TEST_F(BlockDevice, StaysWhileAnotherPodHasIt) {
  ASSERT_TRUE(map_block_device(map_for("uid-1"), mounts_, loops_).ok());
  ASSERT_TRUE(map_block_device(map_for("uid-2"), mounts_, loops_).ok());
  const std::string global = map_for("uid-1").global_dir;
  EXPECT_THAT(*pods_of_block_device(global, mounts_), ElementsAre("uid-1", "uid-2"));
  ASSERT_TRUE(unmap_block_device(map_for("uid-1"), mounts_, loops_).ok());
  EXPECT_EQ(tear_down_block_device(global, mounts_).error().to_string(),
            "the device " + global + " is still referenced from other Pods [uid-2]");
  ASSERT_TRUE(unmap_block_device(map_for("uid-2"), mounts_, loops_).ok());
  EXPECT_THAT(*pods_of_block_device(global, mounts_), IsEmpty());
  EXPECT_TRUE(tear_down_block_device(global, mounts_).ok());
  EXPECT_TRUE(tear_down_block_device(global, mounts_).ok()) << "a second time is success";
}

TEST_F(BlockDevice, TheLockGoesFirstSoThatAFailureKeepsAll) {
  const auto map = map_for("uid-1");
  ASSERT_TRUE(map_block_device(map, mounts_, loops_).ok());
  loops_.fails = Error(ErrorKind::unavailable, "busy");
  EXPECT_FALSE(unmap_block_device(map, mounts_, loops_).ok());
  EXPECT_TRUE(fs::exists(fs::symlink_status(map.pod_link)));
  EXPECT_EQ(mounts_.table.size(), 1u);
}

TEST_F(BlockDevice, DataInTheWayIsKept) {
  const auto map = map_for("uid-1");
  ASSERT_TRUE(base::make_directories(map.global_dir, 0750).ok());
  ASSERT_TRUE(base::write_file(place("uid-1"), "precious", 0600).ok());
  EXPECT_THAT(map_block_device(map, mounts_, loops_).error().to_string(), HasSubstr("is not an empty file"));
  EXPECT_THAT(unmap_block_device(map, mounts_, loops_).error().to_string(), HasSubstr("stays"));
  EXPECT_EQ(*base::read_file(place("uid-1")), "precious");
  EXPECT_THAT(tear_down_block_device(map.global_dir, mounts_).error().to_string(), HasSubstr("still holds data"));
  auto link = map;
  link.uid = "uid-2";
  fs::create_symlink(top_ + "/sdb", place("uid-2"));
  EXPECT_FALSE(map_block_device(link, mounts_, loops_).ok()) << "a link in the place is not followed";
}

TEST_F(BlockDevice, AMissingDeviceIsNamed) {
  EXPECT_EQ(map_block_device(map_for("uid-1", top_ + "/none"), mounts_, loops_).error().to_string(),
            "failed to map device " + top_ + "/none: No such file or directory");
  EXPECT_TRUE(check_device_unused(top_ + "/none").ok());
  EXPECT_FALSE(map_block_device(map_for("../x"), mounts_, loops_).ok());
}

TEST_F(BlockDevice, ARealDeviceIsLockedFoundAgainAndSetFree) {
  LoopDisk disk(1u << 20);
  if (!disk.ready()) GTEST_SKIP() << disk.why_not();
  in_own_mount_namespace([&] {
    LinuxMounts mounts;
    HostLoopDevices loops;
    const auto map = map_for("uid-1", disk.device());
    Status done = map_block_device(map, mounts, loops);
    if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
    if (!done.ok()) return 1;
    struct stat bound {
    }, device{};
    if (stat(place("uid-1").c_str(), &bound) != 0 || stat(disk.device().c_str(), &device) != 0) return 2;
    if (bound.st_rdev != device.st_rdev || !S_ISBLK(bound.st_mode)) return 3;
    const auto lock = HostLoopDevices::find(place("uid-1"));
    if (!lock || *lock == disk.device()) return 4;
    if (!map_block_device(map, mounts, loops).ok() || HostLoopDevices::find(place("uid-1")) != lock) return 5;
    if (*find_global_map(root_ + "/plugins", "uid-1", map.pod_link, mounts) != map.global_dir) return 6;
    if (!find_global_map(root_ + "/plugins", "uid-2", map.pod_link, mounts)->empty()) return 7;
    // What is written through the pod's link is on the device.
    base::UniqueFd writer(open(map.pod_link.c_str(), O_RDWR | O_CLOEXEC));
    if (write(writer.get(), "data", 4) != 4 || fsync(writer.get()) != 0) return 8;
    writer.reset();
    if (tear_down_block_device(map.global_dir, mounts).ok()) return 9;
    done = unmap_block_device(map, mounts, loops);
    if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
    if (!done.ok() || HostLoopDevices::find(place("uid-1"))) return 10;
    if (!tear_down_block_device(map.global_dir, mounts).ok() || !mounts.at_or_below(root_)->empty()) return 11;
    if (!check_device_unused(disk.device()).ok()) return 12;
    const base::UniqueFd user(open(disk.device().c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    const Status unused = check_device_unused(disk.device());
    return !unused.ok() && unused.error().kind() == ErrorKind::unavailable ? 0 : 13;
  });
}

}  // namespace
}  // namespace keelson::volume
