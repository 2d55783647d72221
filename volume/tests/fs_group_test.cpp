// The group and modes that a walk leaves, what it does not touch, and how it is watched and stopped.
#include "volume/fs_group.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/file.hpp"
#include "base/tests/deep_tree.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FsGroup : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-fsgroup-XXXXXX";
    top_ = mkdtemp(name);
    tree_ = top_ + "/tree";
    ASSERT_TRUE(base::make_directories(tree_ + "/sub", 0700).ok());
    ASSERT_TRUE(base::write_file(tree_ + "/sub/file", "x", 0600).ok());
  }
  void TearDown() override { EXPECT_TRUE(base::remove_tree(top_).ok()); }

  static std::int64_t gid() { return geteuid() == 0 ? 2000 : static_cast<std::int64_t>(getegid()); }
  static mode_t mode(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  static gid_t group(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? info.st_gid : 0;
  }
  Result<bool> change(FsGroupPolicy policy, FsGroupAccess access = FsGroupAccess::read_write) {
    return change_fs_group({tree_, gid(), access, policy}, progress_);
  }

  std::string top_;
  std::string tree_;
  FsGroupProgress progress_;
};

TEST_F(FsGroup, ReachesEverythingAndFollowsNoLink) {
  ASSERT_TRUE(base::make_directories(top_ + "/outside", 0700).ok());
  ASSERT_TRUE(base::write_file(top_ + "/outside/file", "x", 0600).ok());
  fs::create_symlink(top_ + "/outside", tree_ + "/dir-link");
  fs::create_symlink(top_ + "/outside/file", tree_ + "/file-link");
  ASSERT_EQ(mkfifo((tree_ + "/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(change(FsGroupPolicy::always).value());
  EXPECT_EQ(mode(tree_), 02770u);
  EXPECT_EQ(mode(tree_ + "/sub"), 02770u);
  EXPECT_EQ(mode(tree_ + "/sub/file"), 0660u);
  EXPECT_EQ(mode(tree_ + "/fifo"), 0660u);
  EXPECT_EQ(mode(top_ + "/outside"), 0700u);
  EXPECT_EQ(mode(top_ + "/outside/file"), 0600u);
  for (const char* path : {"", "/sub", "/sub/file", "/fifo", "/dir-link"}) {
    EXPECT_EQ(group(tree_ + path), static_cast<gid_t>(gid())) << path;
  }
  EXPECT_EQ(progress_.entries, 6);
  EXPECT_EQ(progress_.failed, 0);
}

TEST_F(FsGroup, ReadOnlyVolumesAreOnlyMadeReadable) {
  ASSERT_EQ(chmod((tree_ + "/sub/file").c_str(), 04700), 0);
  ASSERT_TRUE(change(FsGroupPolicy::always, FsGroupAccess::read_only).value());
  EXPECT_EQ(mode(tree_), 02750u);
  EXPECT_EQ(mode(tree_ + "/sub/file"), 04740u) << "a change of group alone would take the setuid bit away";
}

TEST_F(FsGroup, OnRootMismatchLooksAtTheTopAlone) {
  ASSERT_TRUE(change(FsGroupPolicy::on_root_mismatch).value()) << "the first time it walks";
  ASSERT_EQ(chmod((tree_ + "/sub/file").c_str(), 0600), 0);
  EXPECT_FALSE(change(FsGroupPolicy::on_root_mismatch).value());
  EXPECT_EQ(mode(tree_ + "/sub/file"), 0600u);
  EXPECT_TRUE(change(FsGroupPolicy::always).value());
  EXPECT_EQ(mode(tree_ + "/sub/file"), 0660u);

  for (const mode_t wrong : {0770, 02760, 02570, 02750}) {
    ASSERT_EQ(chmod(tree_.c_str(), wrong), 0);
    EXPECT_TRUE(change(FsGroupPolicy::on_root_mismatch).value()) << std::oct << wrong;
  }
  ASSERT_EQ(chmod(tree_.c_str(), 02550), 0);
  EXPECT_FALSE(change(FsGroupPolicy::on_root_mismatch, FsGroupAccess::read_only).value());
  if (geteuid() == 0) {
    ASSERT_EQ(chown(tree_.c_str(), 0, 1999), 0);
    ASSERT_EQ(chmod(tree_.c_str(), 02770), 0);
    EXPECT_TRUE(change(FsGroupPolicy::on_root_mismatch).value());
  }
}

TEST(FsGroupPolicyText, OnlyOneWordMeansSomething) {
  EXPECT_EQ(fs_group_policy("OnRootMismatch"), FsGroupPolicy::on_root_mismatch);
  for (const char* text : {"", "Always", "onrootmismatch"}) EXPECT_EQ(fs_group_policy(text), FsGroupPolicy::always);
}

TEST_F(FsGroup, AWalkThatWasStoppedIsBegunAgain) {
  progress_.cancelled = true;
  const auto stopped = change(FsGroupPolicy::on_root_mismatch);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::cancelled);
  EXPECT_THAT(stopped.error().to_string(), HasSubstr(tree_));
  EXPECT_EQ(mode(tree_), 0700u) << "the top is the last to change";
  progress_.cancelled = false;
  EXPECT_TRUE(change(FsGroupPolicy::on_root_mismatch).value());
  EXPECT_EQ(mode(tree_), 02770u);
}

TEST_F(FsGroup, AMissingTopOrALinkIsAnError) {
  FsGroupChange missing{top_ + "/none", gid()};
  EXPECT_THAT(change_fs_group(missing, progress_).error().to_string(), HasSubstr("applying fsGroup to"));
  fs::create_directory_symlink(tree_, top_ + "/link");
  EXPECT_FALSE(change_fs_group({top_ + "/link", gid()}, progress_).ok());
  EXPECT_EQ(mode(tree_), 0700u);
}

// Deeper than there are descriptors, and than a path may be long.
TEST_F(FsGroup, ADeepTreeNeedsFewDescriptorsAndIsChangedToItsEnd) {
  constexpr int kDepth = 3000;
  base::UniqueFd at = base::make_deep_tree(tree_, kDepth);
  ASSERT_TRUE(at);
  std::optional<Result<bool>> changed;
  {
    const base::FewDescriptors few(256);
    changed = change(FsGroupPolicy::always);
  }
  ASSERT_TRUE(changed->ok()) << changed->error().to_string();
  struct stat info {};
  ASSERT_EQ(fstat(at.get(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 02770u);
  EXPECT_EQ(info.st_gid, static_cast<gid_t>(gid()));
  EXPECT_EQ(progress_.entries, kDepth + 3);
  at.reset();
}

TEST_F(FsGroup, StopsAtMountPointsOfDirectoriesAndOfFiles) {
  in_own_mount_namespace([&] {
    const std::string outside = top_ + "/outside";
    if (!base::make_directories(outside + "/dir", 0700).ok()) return 1;
    if (!base::write_file(outside + "/file", "x", 0600).ok()) return 2;
    if (!base::write_file(tree_ + "/place", "", 0600).ok()) return 3;
    // Of the same file system: the device number does not tell them.
    if (::mount((outside + "/dir").c_str(), (tree_ + "/sub").c_str(), nullptr, MS_BIND, nullptr) != 0) return 4;
    if (::mount((outside + "/file").c_str(), (tree_ + "/place").c_str(), nullptr, MS_BIND, nullptr) != 0) return 5;
    if (!change(FsGroupPolicy::always).ok()) return 6;
    if (mode(outside + "/dir") != 0700 || group(outside + "/dir") != 0) return 7;
    if (mode(outside + "/file") != 0600 || group(outside + "/file") != 0) return 8;
    return mode(tree_) == 02770 ? 0 : 9;
  });
}

}  // namespace
}  // namespace keelson::volume
