// Persistent volumes of type local: directories and disks, and how the pods of a node share them.
#include "volume/local_volume.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/mount_point.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/fake_programs.hpp"
#include "volume/tests/loop_disk.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LocalPv : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-local-XXXXXX";
    top_ = mkdtemp(name);
    root_ = top_ + "/root";
    volume_.pv = "pv-1";
    volume_.path = top_ + "/disk1";
    fs::create_directories(root_);
    fs::create_directory(volume_.path);
    fs::permissions(volume_.path, fs::perms(0700));
  }
  void TearDown() override { fs::remove_all(top_); }

  static std::int64_t gid() { return geteuid() == 0 ? 3000 : static_cast<std::int64_t>(getegid()); }
  PodMounted mount_for(const std::string& uid, std::optional<std::int64_t> fs_group = {}) {
    auto wanted = local_pod_mount(root_, uid, volume_);
    if (!wanted.ok()) return {.failure = wanted.error()};
    wanted->fs_group = fs_group;
    return mount_for_pod(*wanted, progress_, mounts_);
  }
  std::string directory(const std::string& uid) const {
    return root_ + "/pods/" + uid + "/volumes/kubernetes.io~local-volume/pv-1";
  }
  static std::string failure(const PodMounted& outcome) { return outcome.failure ? outcome.failure->to_string() : ""; }
  mode_t mode() const {
    struct stat info {};
    return stat(volume_.path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  std::string top_, root_;
  LocalVolume volume_;
  FsGroupProgress progress_;
  FakePrograms programs_;
  FakeMounts mounts_;
};

TEST_F(LocalPv, ADirectoryIsBoundForEachPodAndIsNoDeviceToMount) {
  volume_.mount_options = {"noexec"};
  EXPECT_FALSE(mount_local_device(root_, volume_, programs_, mounts_).failure);
  EXPECT_THAT(mounts_.table, IsEmpty());
  EXPECT_EQ(failure(mount_for("a")), "");
  EXPECT_EQ(failure(mount_for("a")), "") << "a second time is success";
  EXPECT_EQ(mounts_.bound[directory("a")], volume_.path);
  EXPECT_THAT(mounts_.bind_options[directory("a")], ElementsAre("noexec"));
  EXPECT_EQ(mounts_.table.size(), 1u);
  struct stat info {};
  ASSERT_EQ(stat(directory("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0750u);
  EXPECT_EQ(mode(), 0700u) << "without fsGroup nothing changes";
  EXPECT_TRUE(expand_local(root_, volume_, programs_).ok());
  EXPECT_THAT(programs_.calls, IsEmpty());
}

TEST_F(LocalPv, ALinkToADirectoryIsFollowed) {
  fs::create_directory_symlink(volume_.path, top_ + "/link");
  const std::string real = volume_.path;
  volume_.path = top_ + "/link";
  EXPECT_EQ(failure(mount_for("a", gid())), "");
  EXPECT_EQ(mounts_.bound[directory("a")], real);
}

TEST_F(LocalPv, AReadOnlyClaimIsBoundReadOnlyAndKeepsItsGroup) {
  volume_.read_only = true;
  volume_.mount_options = {"nodev", "ro"};
  EXPECT_EQ(failure(mount_for("a", gid())), "");
  EXPECT_THAT(mounts_.bind_options[directory("a")], ElementsAre("nodev", "ro"));
  EXPECT_EQ(mode(), 0700u);
}

TEST_F(LocalPv, FsGroupIsThatOfTheFirstPod) {
  const auto first = mount_for("a", gid());
  EXPECT_EQ(failure(first), "");
  EXPECT_FALSE(first.already_mounted);
  EXPECT_EQ(mode(), 02770u);
  fs::permissions(volume_.path, fs::perms(0700));

  const auto same = mount_for("b", gid());
  EXPECT_EQ(failure(same), "");
  EXPECT_FALSE(same.already_mounted);
  EXPECT_EQ(mode(), 0700u) << "only the first pod's is applied";

  const auto other = mount_for("c", gid() + 1);
  EXPECT_EQ(failure(other), "") << "it is mounted all the same";
  ASSERT_TRUE(other.already_mounted);
  EXPECT_EQ(*other.already_mounted, "The requested fsGroup is " + std::to_string(gid() + 1) +
                                        ", but the volume pv-1 has GID " + std::to_string(gid()) +
                                        ". The volume may not be shareable.");
  EXPECT_EQ(mounts_.table.size(), 3u);
}

TEST_F(LocalPv, AWalkThatIsStoppedLeavesNoMount) {
  progress_.cancelled = true;
  EXPECT_THAT(failure(mount_for("a", gid())), HasSubstr("the change of group was stopped"));
  EXPECT_THAT(mounts_.table, IsEmpty());
  EXPECT_FALSE(fs::exists(directory("a")));
  progress_.cancelled = false;
  EXPECT_EQ(failure(mount_for("a", gid())), "");
  EXPECT_EQ(mode(), 02770u);
}

TEST_F(LocalPv, AFailedBindLeavesNoDirectory) {
  mounts_.bind_fails = Error(ErrorKind::permission_denied, "no mounting here");
  EXPECT_EQ(failure(mount_for("a")), "no mounting here");
  EXPECT_FALSE(fs::exists(directory("a")));
}

TEST_F(LocalPv, OtherThingsAreRefused) {
  ASSERT_TRUE(base::write_file(top_ + "/file", "", 0600).ok());
  for (const auto& [path, text] : std::map<std::string, std::string>{
           {"", "LocalVolume volume \"pv-1\" path is empty"},
           {"/a/../b", "invalid path: /a/../b must not contain '..'"},
           {top_ + "/file", "only directory and block device are supported"},
           {"/dev/null", "only directory and block device are supported"},
           {top_ + "/none", "local volume " + top_ + "/none: No such file or directory"}}) {
    volume_.path = path;
    EXPECT_EQ(failure(mount_for("a")), text);
    EXPECT_TRUE(mount_local_device(root_, volume_, programs_, mounts_).failure) << path;
  }
  volume_.path = top_ + "/disk1";
  volume_.pv = "../up";
  EXPECT_THAT(failure(mount_for("a")), HasSubstr("not usable as a file name"));
}

TEST_F(LocalPv, PathsAreTheKubelets) {
  EXPECT_EQ(local_mount_dir("/r", "pv"), "/r/plugins/kubernetes.io/local-volume/mounts/pv");
  EXPECT_EQ(local_global_map("/r", "pv"), "/r/plugins/kubernetes.io~local-volume/volumeDevices/pv");
}

// A real disk for two pods, from its first format to its end.
TEST_F(LocalPv, ADiskIsFormattedMountedSharedGrownAndTakenOff) {
  LoopDisk disk(16u << 20);
  if (!disk.ready()) GTEST_SKIP() << disk.why_not();
  volume_.path = disk.directory() + "/by-name";
  fs::create_symlink(disk.device(), volume_.path);
  in_own_mount_namespace([&] {
    HostPrograms programs;
    LinuxMounts mounts(programs);
    const auto pod = [&](const std::string& uid, std::int64_t group) {
      auto wanted = local_pod_mount(root_, uid, volume_);
      wanted->fs_group = group;
      return mount_for_pod(*wanted, progress_, mounts);
    };
    auto mounted = mount_local_device(root_, volume_, programs, mounts);
    if (mounted.failure) std::fprintf(stderr, "%s\n", mounted.failure->to_string().c_str());
    if (mounted.failure || !mounted.formatted) return 1;
    if (mount_local_device(root_, volume_, programs, mounts).formatted) return 2;
    if (pod("a", 3000).failure || !base::write_file(directory("a") + "/precious", "x", 0600).ok()) return 3;
    const auto second = pod("b", 3001);
    if (second.failure || !second.already_mounted) return 4;
    if (!base::path_exists(directory("b") + "/precious")) return 5;
    if (!disk.grow(64u << 20)) return 6;
    const Status expanded = expand_local(root_, volume_, programs);
    if (may_grow_mounted() && (!expanded.ok() || fs::space(directory("a")).capacity < (32u << 20))) return 7;
    if (!clean_up_mount_point(directory("a"), mounts).ok() || !clean_up_mount_point(directory("b"), mounts).ok())
      return 8;
    if (!unmount_local_device(root_, "pv-1", mounts).ok()) return 9;
    if (fs::exists(local_mount_dir(root_, "pv-1"))) return 10;
    if (!mounts.at_or_below(root_)->empty()) return 11;
    mounted = mount_local_device(root_, volume_, programs, mounts);
    return !mounted.failure && !mounted.formatted && base::path_exists(local_mount_dir(root_, "pv-1") + "/precious")
               ? 0
               : 12;
  });
}

}  // namespace
}  // namespace keelson::volume
