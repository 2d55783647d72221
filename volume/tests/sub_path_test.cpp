// Sub-paths of volumes: made with the volume's mode, bound, found again, cleared, and never outside the volume.
#include "volume/sub_path.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/local.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class SubPaths : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-subpath-XXXXXX";
    top_ = mkdtemp(name);
    ASSERT_TRUE(base::make_directories(volume(), 0755).ok());
    ASSERT_EQ(chmod(volume().c_str(), 02770), 0);
  }
  void TearDown() override { fs::remove_all(top_); }

  std::string volume() const { return top_ + "/root/pods/uid-1/volumes/kubernetes.io~empty-dir/data"; }
  std::string target(int index = 0) const {
    return top_ + "/root/pods/uid-1/volume-subpaths/data/main/" + std::to_string(index);
  }
  SubPath wanted(const std::string& path, int index = 0) const {
    return {volume(), path, target(index), "data", "main"};
  }
  std::string prepare(const std::string& path, int index = 0) {
    const auto failed = prepare_sub_path(wanted(path, index), mounts_);
    return failed ? failed->shown + " | " + failed->reason.to_string() : "";
  }
  static mode_t mode(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  std::string top_;
  FakeMounts mounts_;
};

TEST_F(SubPaths, MissingDirectoriesGetTheVolumesModeAndTheLastIsBound) {
  const mode_t before = umask(077);
  EXPECT_EQ(prepare("a//./b"), "");
  umask(before);
  EXPECT_EQ(mode(volume() + "/a"), 02770u);
  EXPECT_EQ(mode(volume() + "/a/b"), 02770u);
  EXPECT_THAT(mounts_.bound, ElementsAre(Pair(target(), fs::canonical(volume() + "/a/b").string())));
  EXPECT_TRUE(base::is_directory(target()));
  for (const char* level : {"", "/data", "/data/main", "/data/main/0"}) {
    EXPECT_EQ(mode(top_ + "/root/pods/uid-1/volume-subpaths" + level), 0750u) << level;
  }
}

TEST_F(SubPaths, WhatIsThereKeepsItsModeAndAFileGetsAFile) {
  ASSERT_TRUE(base::make_directories(volume() + "/mine", 0700).ok());
  ASSERT_TRUE(base::write_file(volume() + "/mine/file", "x", 0600).ok());
  EXPECT_EQ(prepare("mine", 0), "");
  EXPECT_EQ(prepare("mine/file", 1), "");
  EXPECT_EQ(mode(volume() + "/mine"), 0700u);
  EXPECT_FALSE(base::is_directory(target(1)));
  EXPECT_EQ(mode(target(1)), 0640u);
  EXPECT_EQ(mounts_.bound[target(1)], fs::canonical(volume() + "/mine/file").string());
}

TEST_F(SubPaths, LinksInsideTheVolumeAreFollowedAsInProjectedVolumes) {
  ASSERT_TRUE(base::make_directories(volume() + "/..dated", 0755).ok());
  ASSERT_TRUE(base::write_file(volume() + "/..dated/key", "x", 0644).ok());
  fs::create_symlink("..dated", volume() + "/..data");
  fs::create_symlink("..data/key", volume() + "/key");
  EXPECT_EQ(prepare("key"), "");
  EXPECT_EQ(mounts_.bound[target()], fs::canonical(volume() + "/..dated/key").string());
}

struct EscapeRow {
  const char* why;
  std::string link;  // what volume()/link leads to
  std::string path;
  std::string shown;
};

TEST_F(SubPaths, NothingLeadsOutOfTheVolume) {
  ASSERT_TRUE(base::make_directories(top_ + "/secret", 0755).ok());
  const std::string prepare_text = "failed to prepare subPath for volumeMount \"data\" of container \"main\" | ";
  const std::string create_text =
      "failed to create subPath directory for volumeMount \"data\" of container \"main\" | ";
  for (const auto& row : {EscapeRow{"absolute", top_ + "/secret", "link", prepare_text},
                          EscapeRow{"relative", "../../../../../../secret", "link", prepare_text},
                          EscapeRow{"the host's root", "/", "link/etc", prepare_text},
                          EscapeRow{"a missing place below it", top_ + "/secret", "link/new", prepare_text},
                          EscapeRow{"to nowhere", "gone", "link/new", create_text},
                          EscapeRow{"in a circle", "link", "link", prepare_text}}) {
    fs::remove(volume() + "/link");
    fs::create_symlink(row.link, volume() + "/link");
    EXPECT_THAT(prepare(row.path), testing::StartsWith(row.shown)) << row.why;
    EXPECT_THAT(mounts_.bound, testing::IsEmpty()) << row.why;
    EXPECT_FALSE(base::path_exists(top_ + "/root/pods/uid-1/volume-subpaths")) << row.why;
  }
  EXPECT_FALSE(base::path_exists(top_ + "/secret/new"));
  EXPECT_FALSE(base::path_exists(volume() + "/gone"));
}

TEST_F(SubPaths, AnAbsoluteLinkIsFollowedWhereItStaysInside) {
  ASSERT_TRUE(base::make_directories(volume() + "/..v2/x", 0755).ok());
  ASSERT_TRUE(base::make_directories(top_ + "/outside", 0755).ok());
  fs::create_symlink(volume() + "/..v2", volume() + "/current");
  fs::create_symlink(top_ + "/outside", volume() + "/away");
  fs::create_symlink(volume() + "/none", volume() + "/dangling");
  EXPECT_EQ(prepare("current/x"), "");
  EXPECT_THAT(mounts_.bound, ElementsAre(Pair(target(), fs::canonical(volume() + "/..v2/x").string())));
  EXPECT_THAT(prepare("away", 1), HasSubstr("Invalid cross-device link"));
  EXPECT_THAT(prepare("dangling", 1), HasSubstr("No such file or directory"));
  EXPECT_EQ(mounts_.bound.size(), 1u);
}

TEST_F(SubPaths, AFileInTheWayIsAnError) {
  ASSERT_TRUE(base::write_file(volume() + "/file", "x", 0600).ok());
  EXPECT_THAT(prepare("file/a"), HasSubstr("failed to prepare subPath"));
}

TEST_F(SubPaths, AFailedMountLeavesNothingBehind) {
  mounts_.bind_fails = Error(ErrorKind::unavailable, "no mounting here");
  EXPECT_THAT(prepare("a"), HasSubstr("| no mounting here"));
  EXPECT_FALSE(base::path_exists(top_ + "/root/pods/uid-1/volume-subpaths"));
}

TEST_F(SubPaths, TearingThePodDownClearsThem) {
  ASSERT_TRUE(base::write_file(volume() + "/file", "x", 0600).ok());
  EXPECT_EQ(prepare("a", 0), "");
  EXPECT_EQ(prepare("file", 1), "");
  EXPECT_TRUE(tear_down(top_ + "/root", "uid-1", mounts_).ok());
  EXPECT_THAT(mounts_.table, testing::IsEmpty());
  EXPECT_FALSE(base::path_exists(top_ + "/root/pods/uid-1/volume-subpaths"));
  EXPECT_TRUE(clear_sub_paths(top_ + "/root", "uid-1", mounts_).ok()) << "a second time is success";
}

TEST_F(SubPaths, WhatIsNoMountAndNotEmptyStays) {
  ASSERT_TRUE(base::make_directories(target(), 0750).ok());
  ASSERT_TRUE(base::write_file(target() + "/precious", "x", 0600).ok());
  EXPECT_FALSE(clear_sub_paths(top_ + "/root", "uid-1", mounts_).ok());
  EXPECT_TRUE(base::path_exists(target() + "/precious"));
}

TEST_F(SubPaths, AreRealBindMountsThatHoldWhatTheyWereMadeOf) {
  in_own_mount_namespace([&] {
    LinuxMounts mounts;
    if (prepare_sub_path(wanted("a/b"), mounts)) return 1;
    if (!base::write_file(target() + "/x", "1", 0600).ok()) return 2;
    if (!base::path_exists(volume() + "/a/b/x")) return 3;
    // The same again changes nothing; once the path leads elsewhere, the target follows.
    if (prepare_sub_path(wanted("a/b"), mounts) || mounts.at_or_below(target())->size() != 1) return 4;
    fs::rename(volume() + "/a", volume() + "/old");
    if (prepare_sub_path(wanted("a/b"), mounts)) return 5;
    if (mounts.at_or_below(target())->size() != 1 || base::path_exists(target() + "/x")) return 6;
    if (!clear_sub_paths(top_ + "/root", "uid-1", mounts).ok()) return 7;
    return mounts.at_or_below(top_)->empty() && base::path_exists(volume() + "/old/b/x") ? 0 : 8;
  });
}

}  // namespace
}  // namespace keelson::volume
