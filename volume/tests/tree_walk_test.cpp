// What a walk shows, in which order, and how it goes on when the tree is taken apart under it.
#include "volume/tree_walk.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <vector>

namespace keelson::volume {
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

  void touch(const std::string& path) { ASSERT_TRUE(base::write_file(path, "x", 0600).ok()); }
  TreeWalkEnd walk(LostDirectory lost = LostDirectory::is_left_out) {
    return walk_tree(base::UniqueFd(open(tree_.c_str(), O_RDONLY | O_DIRECTORY)), seen_, lost);
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
}  // namespace keelson::volume
