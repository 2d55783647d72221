// What a walk shows, in which order, and how it goes on when the tree is taken apart under it.
#include "base/tree_walk.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <vector>

namespace keelson::base {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

struct Seen final : TreeVisitor {
  bool stopped() const override { return stop; }
  void entry(int, const char* name) override {
    story.emplace_back(name);
    if (on_entry) on_entry(name);
  }
  bool enters(int, const char* name) override { return name != left_out; }
  void left(int dir_fd, const char* name) override {
    if (::faccessat(dir_fd, name, F_OK, 0) != 0) story.push_back(std::string(name) + " is elsewhere");
    if (leaves) unlinkat(dir_fd, name, AT_REMOVEDIR);
  }
  void directory(int fd) override {
    const fs::path link = "/proc/self/fd/" + std::to_string(fd);
    story.push_back(fs::read_symlink(link).filename().string() + "/");
  }
  void shut(int, const char* name, int error) override {
    story.push_back(std::string(name) + ": " + std::to_string(error));
  }
  void unreadable(int error) override { story.push_back("unreadable: " + std::to_string(error)); }

  std::vector<std::string> story;
  std::function<void(const std::string&)> on_entry;
  std::string left_out;
  bool leaves = false;  // takes away each directory that it has seen
  bool stop = false;
};

class TreeWalk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-walk-XXXXXX";
    tree_ = std::string(mkdtemp(name)) + "/tree";
    fs::create_directories(tree_);
  }
  void TearDown() override { fs::remove_all(fs::path(tree_).parent_path()); }

  void touch(const std::string& path) { ASSERT_TRUE(write_file(path, "x", 0600).ok()); }
  TreeWalkEnd walk(LostDirectory lost = LostDirectory::is_left_out) {
    return walk_tree(UniqueFd(open(tree_.c_str(), O_RDONLY | O_DIRECTORY)), seen_, lost);
  }

  std::string tree_;
  Seen seen_;
};

TEST_F(TreeWalk, ShowsADirectoryAfterAllThatIsInItAndFollowsNoLink) {
  fs::create_directories(tree_ + "/a/b");
  touch(tree_ + "/a/b/file");
  fs::create_directory_symlink("/", tree_ + "/a/link");
  EXPECT_EQ(walk(), TreeWalkEnd::done);
  EXPECT_THAT(seen_.story, ElementsAre("link", "file", "b/", "a/", "tree/"));
}

TEST_F(TreeWalk, LeavesOutADirectoryThatIsNotToBeEntered) {
  fs::create_directories(tree_ + "/a/b");
  fs::create_directories(tree_ + "/c");
  seen_.left_out = "a";
  EXPECT_EQ(walk(), TreeWalkEnd::done);
  EXPECT_THAT(seen_.story, ElementsAre("c/", "tree/"));
}

TEST_F(TreeWalk, NamesADirectoryInTheOneThatItIsInHoweverDeep) {
  std::string deep = tree_;
  for (int i = 0; i < 100; ++i) fs::create_directories((deep += "/d") + "/e");
  seen_.leaves = true;
  EXPECT_EQ(walk(), TreeWalkEnd::done);
  EXPECT_THAT(seen_.story, testing::SizeIs(201));
  EXPECT_TRUE(fs::is_empty(tree_));
}

TEST_F(TreeWalk, TellsOfAMountPoint) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  fs::create_directories(tree_ + "/mounted");
  EXPECT_EXIT(
      {
        if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(77);
        if (mount(tree_.c_str(), (tree_ + "/mounted").c_str(), nullptr, MS_BIND, nullptr) != 0) _exit(77);
        walk();
        _exit(seen_.story == std::vector<std::string>{"mounted: " + std::to_string(EXDEV), "tree/"} ? 0 : 1);
      },
      [](int status) { return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77); }, "");
}

TEST_F(TreeWalk, EndsWhenItIsStopped) {
  fs::create_directories(tree_ + "/a/b");
  touch(tree_ + "/a/file");
  seen_.on_entry = [this](const std::string&) { seen_.stop = true; };
  EXPECT_EQ(walk(), TreeWalkEnd::stopped);
  EXPECT_THAT(seen_.story, ElementsAre("file"));
}

TEST_F(TreeWalk, TellsOfADirectoryThatVanishedBeforeItsTurn) {
  fs::create_directories(tree_ + "/a/gone");
  touch(tree_ + "/a/file");
  seen_.on_entry = [this](const std::string&) { fs::remove(tree_ + "/a/gone"); };
  EXPECT_EQ(walk(), TreeWalkEnd::done);
  EXPECT_THAT(seen_.story, ElementsAre("file", "gone: " + std::to_string(ENOENT), "a/", "tree/"));
}

TEST(ShownPath, LeavesOutTheMiddleOfWhatIsTooLongForAnyPath) {
  EXPECT_EQ(shown_path("/a/b"), "/a/b");
  const std::string shown = shown_path("/top" + std::string(10'000, 'd') + "/end");
  EXPECT_LT(shown.size(), 600u);
  EXPECT_EQ(shown.find("/top"), 0u);
  EXPECT_EQ(shown.rfind("/end"), shown.size() - 4);
}

// A directory far above is moved away while the walk is below it, and no descriptor is held on it.
class LostDirectories : public TreeWalk {
 protected:
  void SetUp() override {
    TreeWalk::SetUp();
    moved_ = tree_ + "/here/moved";
    std::string deep = moved_;
    for (int i = 0; i < 100; ++i) deep += "/d";
    fs::create_directories(deep);
    touch(deep + "/bottom");
    fs::create_directories(tree_ + "/other");
    touch(tree_ + "/other/left");
    fs::create_directories(tree_ + "/here/other");
    touch(tree_ + "/here/other/right");
    seen_.on_entry = [this](const std::string& name) {
      if (name == "bottom") fs::rename(moved_ + "/d/d", fs::path(tree_).parent_path() / "away");
    };
  }
  std::string moved_;
};

TEST_F(LostDirectories, AreLeftOutAndTheRestIsWalked) {
  EXPECT_EQ(walk(LostDirectory::is_left_out), TreeWalkEnd::done);
  for (const char* name : {"bottom", "left", "right", "moved/", "here/", "other/", "tree/"}) {
    EXPECT_THAT(seen_.story, Contains(name)) << name;
  }
  EXPECT_EQ(seen_.story.back(), "tree/");
}

TEST_F(LostDirectories, EndTheWalkOfWhoWantsThat) {
  EXPECT_EQ(walk(LostDirectory::ends_the_walk), TreeWalkEnd::lost);
  EXPECT_THAT(seen_.story, Not(Contains("tree/")));
}

}  // namespace
}  // namespace keelson::base
