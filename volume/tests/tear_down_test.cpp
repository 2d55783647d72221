// What a pod leaves is taken away, and nothing that is somebody's: each type of volume, each step of the orphan sweep.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "base/tests/deep_tree.hpp"
#include "volume/local.hpp"
#include "volume/mount_point.hpp"
#include "volume/sub_path.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TearDownTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-teardown-XXXXXX";
    top_ = fs::canonical(mkdtemp(name)).string();
    root_ = top_ + "/root";
    fs::create_directories(pod("volumes"));
  }
  void TearDown() override { fs::remove_all(top_); }

  std::string pod(const std::string& path) const { return root_ + "/pods/uid-1/" + path; }
  static void put(const std::string& path) {
    fs::create_directories(path.substr(0, path.rfind('/')));
    ASSERT_TRUE(base::write_file(path, "x", 0600).ok());
  }
  std::string tear_down() { return text(volume::tear_down(root_, "uid-1", mounts_)); }
  std::string remove() { return text(remove_pod_dir(root_, "uid-1", mounts_)); }
  static std::string text(const Status& status) { return status.ok() ? "" : status.error().to_string(); }

  std::string top_, root_;
  FakeMounts mounts_;
};

TEST_F(TearDownTest, MountsOfDisksAndServersAreTakenOffTheirDirectories) {
  for (const auto& [plugin, type] : std::map<std::string, std::string>{{"kubernetes.io~nfs", "nfs4"},
                                                                       {"kubernetes.io~iscsi", "ext4"},
                                                                       {"kubernetes.io~fc", "xfs"},
                                                                       {"kubernetes.io~local-volume", "ext4"}}) {
    fs::create_directories(pod("volumes/" + plugin + "/v"));
    mounts_.table.push_back({pod("volumes/" + plugin + "/v"), type});
    fs::create_directories(pod("volumes/" + plugin + "/unmounted"));
  }
  EXPECT_EQ(tear_down(), "");
  EXPECT_THAT(mounts_.table, IsEmpty());
  EXPECT_THAT(mounts_.forced, ElementsAre(pod("volumes/kubernetes.io~nfs/v")));
  for (const auto& entry : fs::directory_iterator(pod("volumes"))) {
    EXPECT_TRUE(fs::is_empty(entry.path())) << entry.path();
  }
  EXPECT_EQ(remove(), "");
  EXPECT_FALSE(fs::exists(pod("")));
}

TEST_F(TearDownTest, WhatLiesUnderAMountThatIsGoneStays) {
  put(pod("volumes/kubernetes.io~nfs/share/precious"));
  EXPECT_THAT(tear_down(), HasSubstr("share stays: it still holds data"));
  EXPECT_THAT(remove(), HasSubstr("share stays: it still holds data (precious)"));
  EXPECT_TRUE(fs::exists(pod("volumes/kubernetes.io~nfs/share/precious")));
}

TEST_F(TearDownTest, OneVolumeThatCannotGoDoesNotKeepTheOthers) {
  put(pod("volumes/kubernetes.io~fc/a/precious"));
  fs::create_directories(pod("volumes/kubernetes.io~iscsi/b"));
  EXPECT_THAT(tear_down(), HasSubstr("/a stays"));
  EXPECT_FALSE(fs::exists(pod("volumes/kubernetes.io~iscsi/b")));
}

TEST_F(TearDownTest, ACsiVolumeIsForItsDriverUntilItIsEmpty) {
  const std::string volume = pod("volumes/kubernetes.io~csi/pv-1");
  fs::create_directories(volume + "/mount");
  put(volume + "/vol_data.json");
  mounts_.table = {{volume + "/mount", "ext4"}};
  EXPECT_THAT(tear_down(), HasSubstr("pv-1 stays: its driver has not unpublished it yet"));
  EXPECT_THAT(mounts_.unmounted, IsEmpty());
  EXPECT_THAT(remove(), HasSubstr("is still mounted"));
  mounts_.table.clear();
  EXPECT_THAT(tear_down(), HasSubstr("pv-1 stays: it still holds data"));
  EXPECT_FALSE(fs::exists(volume + "/mount"));
  EXPECT_THAT(remove(), HasSubstr("it still holds data (vol_data.json)"));
  fs::remove(volume + "/vol_data.json");
  EXPECT_EQ(tear_down(), "");
  EXPECT_EQ(remove(), "");
}

TEST_F(TearDownTest, TheSweepRemovesEmptyDirectoriesOfAnyVolumeAndNoFile) {
  fs::create_directories(pod("volumes/kubernetes.io~csi/pv-1/mount"));
  fs::create_directories(pod("volumes/vendor~driver/v/left/behind"));
  fs::create_directories(pod("volume-subpaths/v/main/0"));
  ASSERT_TRUE(base::write_file(pod("volume-subpaths/v/main/1"), "", 0640).ok());
  put(pod("etc-hosts"));
  put(pod("containers/main/log"));
  EXPECT_EQ(remove(), "");
  EXPECT_FALSE(fs::exists(pod("")));
  EXPECT_EQ(remove(), "") << "a second time is success";
}

// Deeper than there are descriptors, and than a stack would bear.
TEST_F(TearDownTest, TheSweepRemovesDirectoriesHoweverDeepAndTellsWhatKeepsThem) {
  const std::string volume = pod("volumes/vendor~driver/v");
  fs::create_directories(volume);
  base::UniqueFd inner = base::make_deep_tree(volume, 20'000);
  ASSERT_TRUE(inner);
  const base::UniqueFd file(openat(inner.get(), "precious", O_CREAT | O_WRONLY, 0600));
  ASSERT_TRUE(file);
  const base::FewDescriptors few(100);
  EXPECT_THAT(remove(), HasSubstr("d/d/d stays: it still holds data (precious)"));
  ASSERT_EQ(unlinkat(inner.get(), "precious", 0), 0);
  EXPECT_EQ(remove(), "");
  EXPECT_FALSE(fs::exists(pod("")));
}

TEST_F(TearDownTest, AFileAmongTheVolumesKeepsThePodsDirectory) {
  put(pod("volumes/stray"));
  put(pod("etc-hosts"));
  EXPECT_THAT(remove(), HasSubstr("volumes stays: it still holds data (stray)"));
  EXPECT_TRUE(fs::exists(pod("volumes/stray")));
  EXPECT_TRUE(fs::exists(pod("etc-hosts"))) << "nothing else goes before";
  fs::remove(pod("volumes/stray"));
  fs::create_directories(top_ + "/host/inner");
  put(top_ + "/host/precious");
  fs::create_directory_symlink(top_ + "/host", pod("volumes/link"));
  EXPECT_THAT(remove(), HasSubstr("it still holds data (link)"));
  fs::create_directories(pod("volumes/kubernetes.io~nfs"));
  fs::rename(pod("volumes/link"), pod("volumes/kubernetes.io~nfs/share"));
  EXPECT_FALSE(tear_down().empty());
  EXPECT_FALSE(remove().empty());
  EXPECT_TRUE(fs::exists(top_ + "/host/inner"));
  EXPECT_TRUE(fs::exists(top_ + "/host/precious"));
}

TEST_F(TearDownTest, LinksToDevicesGoWhenTheDeviceIsNoLongerBound) {
  put(top_ + "/device");
  fs::create_directories(pod("volumeDevices/kubernetes.io~fc"));
  fs::create_symlink(top_ + "/device", pod("volumeDevices/kubernetes.io~fc/pv-1"));
  const std::string place = root_ + "/plugins/kubernetes.io/fc/volumeDevices/wwid/uid-1";
  mounts_.table = {{root_ + "/plugins/kubernetes.io/fc/volumeDevices/wwid/uid-2", "devtmpfs"}, {place, "devtmpfs"}};
  EXPECT_THAT(remove(), HasSubstr("its block device is still mapped at " + place));
  EXPECT_TRUE(fs::exists(pod("volumeDevices/kubernetes.io~fc/pv-1")));
  mounts_.table.pop_back();
  EXPECT_EQ(remove(), "");
  EXPECT_FALSE(fs::exists(pod("")));
  EXPECT_TRUE(fs::exists(top_ + "/device"));
}

// Every clean-up, with the table and without, on a pod full of the user's things: behind bind mounts of directories and
// files of the same file system, behind other file systems, behind links. All must be there at the end.
class UserData : public TearDownTest {
 protected:
  void lay_out() {
    for (const char* name : {"empty", "nfs", "local", "csi", "sub", "logs", "device", "plugins"}) {
      put(top_ + "/user/" + name + "/precious");
    }
    for (const char* path :
         {"volumes/kubernetes.io~empty-dir/data/bound", "volumes/kubernetes.io~empty-dir/data/other/deep",
          "volumes/kubernetes.io~nfs/share", "volumes/kubernetes.io~local-volume/pv/inner",
          "volumes/kubernetes.io~csi/pv/mount", "volume-subpaths/data/main/0", "containers/main/logs",
          "volumeDevices/kubernetes.io~csi", "plugins/kubernetes.io~empty-dir/data"}) {
      fs::create_directories(pod(path));
    }
    put(pod("volumes/kubernetes.io~empty-dir/data/file"));
    put(pod("containers/main/bound-file"));
    fs::create_directory_symlink(top_ + "/user/empty", pod("volumes/kubernetes.io~empty-dir/data/link"));
    fs::create_symlink(top_ + "/user/empty/precious", pod("volumes/kubernetes.io~empty-dir/data/file-link"));
    fs::create_directory_symlink(top_ + "/user/logs", pod("containers/main/link"));
    fs::create_directory_symlink(top_ + "/user/plugins", pod("plugins/link"));
    fs::create_symlink(top_ + "/user/device/precious", pod("volumeDevices/kubernetes.io~csi/pv"));
  }
  bool bind(const std::string& source, const std::string& target) {
    return ::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) == 0;
  }
  bool mount_all() {
    const std::string other = pod("volumes/kubernetes.io~empty-dir/data/other/deep");
    bool done = bind(top_ + "/user/empty", pod("volumes/kubernetes.io~empty-dir/data/bound")) &&
                bind(top_ + "/user/nfs", pod("volumes/kubernetes.io~nfs/share")) &&
                bind(top_ + "/user/local", pod("volumes/kubernetes.io~local-volume/pv/inner")) &&
                bind(top_ + "/user/csi", pod("volumes/kubernetes.io~csi/pv/mount")) &&
                bind(top_ + "/user/sub", pod("volume-subpaths/data/main/0")) &&
                bind(top_ + "/user/logs", pod("containers/main/logs")) &&
                bind(top_ + "/user/logs/precious", pod("containers/main/bound-file")) &&
                ::mount("tmpfs", other.c_str(), "tmpfs", 0, nullptr) == 0;
    if (done) put(other + "/precious");
    return done;
  }
  bool all_there() const {
    for (const char* name : {"empty", "nfs", "local", "csi", "sub", "logs", "device", "plugins"}) {
      if (!fs::exists(top_ + "/user/" + name + "/precious")) return false;
    }
    return true;
  }
  void sweep(Mounts& mounts) {
    for (int i = 0; i < 3; ++i) {
      (void)volume::tear_down(root_, "uid-1", mounts);
      (void)clear_sub_paths(root_, "uid-1", mounts);
      (void)remove_pod_dir(root_, "uid-1", mounts);
    }
  }
};

TEST_F(UserData, SurvivesEveryCleanUp) {
  in_own_mount_namespace([&] {
    LinuxMounts real;
    FakeMounts blind;  // a table that shows nothing of what is mounted
    lay_out();
    if (!mount_all()) return 1;
    sweep(blind);
    if (!all_there()) return 2;
    if (!fs::exists(pod("volumes/kubernetes.io~empty-dir/data/other/deep/precious"))) return 3;
    sweep(real);
    if (!all_there()) return 4;
    // What was mounted inside is not ours to take off.
    if (!fs::exists(pod("volumes/kubernetes.io~empty-dir/data/bound/precious"))) return 5;
    if (!fs::exists(pod("volumes/kubernetes.io~empty-dir/data/other/deep/precious"))) return 6;
    if (!fs::exists(pod("volumes/kubernetes.io~csi/pv/mount/precious"))) return 7;
    if (fs::exists(pod("volumes/kubernetes.io~nfs/share/precious"))) return 8;  // that one was
    // Once others have taken theirs off, all of ours goes, and again nothing of theirs.
    auto left = real.at_or_below(root_);
    for (auto mount = left->rbegin(); mount != left->rend(); ++mount) {
      if (umount2(mount->path.c_str(), MNT_DETACH) != 0) return 9;
    }
    sweep(real);
    if (!all_there()) return 10;
    return fs::exists(pod("")) ? 11 : 0;
  });
  // In the child's directory tree, which is ours, too.
  if (geteuid() == 0) {
    EXPECT_TRUE(all_there());
  }
}

TEST_F(UserData, SurvivesAMountThatComesWhileDirectoriesGo) {
  in_own_mount_namespace([&] {
    lay_out();
    FakeMounts blind;
    // A volume directory that is itself a mount of the same file system, unknown to the table.
    fs::create_directories(pod("volumes/kubernetes.io~fc/pv"));
    fs::create_directories(top_ + "/user/tree/of/directories");
    if (!bind(top_ + "/user/tree", pod("volumes/kubernetes.io~fc/pv"))) return 1;
    if (remove_pod_dir(root_, "uid-1", blind).ok()) return 2;
    if (!fs::exists(top_ + "/user/tree/of/directories")) return 3;
    return all_there() ? 0 : 4;
  });
}

}  // namespace
}  // namespace keelson::volume
