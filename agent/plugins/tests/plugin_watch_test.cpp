#include "agent/plugins/plugin_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "agent/plugins/tests/plugin_sockets.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PluginWatchTest : public ::testing::Test {
 protected:
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& [path, number] : watch_.sockets()) out.push_back(path.substr(tree_.top.size() + 1));
    return out;
  }
  std::uint64_t number_of(const std::string& name) {
    const auto sockets = watch_.sockets();
    const auto found = sockets.find(tree_.top + "/" + name);
    return found == sockets.end() ? 0 : found->second;
  }

  PluginSockets tree_;
  base::Loop loop_;
  PluginWatch watch_{loop_, tree_.top};
};

TEST_F(PluginWatchTest, FindsSocketsInAllDepthsAndNothingElse) {
  tree_.make("a.sock");
  tree_.make("deep/er/b.sock");
  tree_.make(".hidden.sock");
  tree_.make(".dir/c.sock");
  std::ofstream(tree_.top + "/file.sock") << "x";
  std::filesystem::create_symlink(tree_.top + "/a.sock", tree_.top + "/link.sock");
  watch_.scan();
  EXPECT_TRUE(watch_.armed());
  EXPECT_THAT(names(), ElementsAre("a.sock", "deep/er/b.sock"));
}

TEST_F(PluginWatchTest, HearsOfNewAndVanishedSockets) {
  watch_.scan();
  tree_.make("a.sock");
  tree_.make("b.sock");
  watch_.drain();
  EXPECT_THAT(names(), ElementsAre("a.sock", "b.sock"));
  tree_.remove("a.sock");
  watch_.drain();
  EXPECT_THAT(names(), ElementsAre("b.sock"));
}

TEST_F(PluginWatchTest, GivesASocketThatWasMadeAnewAnotherNumber) {
  tree_.make("a.sock");
  watch_.scan();
  const auto first = number_of("a.sock");
  tree_.remove("a.sock");
  tree_.make("a.sock");
  watch_.drain();
  EXPECT_NE(number_of("a.sock"), 0u);
  EXPECT_NE(number_of("a.sock"), first);
}

TEST_F(PluginWatchTest, KeepsTheNumberOfASocketThatStays) {
  tree_.make("a.sock");
  watch_.scan();
  const auto first = number_of("a.sock");
  std::filesystem::permissions(tree_.top + "/a.sock", std::filesystem::perms::owner_all);
  watch_.drain();
  watch_.scan();
  EXPECT_EQ(number_of("a.sock"), first);
}

TEST_F(PluginWatchTest, HearsOfSocketsInDirectoriesThatCameLater) {
  watch_.scan();
  tree_.make("new/a.sock");
  watch_.drain();
  EXPECT_THAT(names(), ElementsAre("new/a.sock"));
  tree_.make("new/b.sock");
  watch_.drain();
  EXPECT_THAT(names(), ElementsAre("new/a.sock", "new/b.sock"));
}

TEST_F(PluginWatchTest, ForgetsWhatWasInADirectoryThatMovedAway) {
  tree_.make("dir/a.sock");
  watch_.scan();
  std::filesystem::rename(tree_.top + "/dir", tree_.top + "-elsewhere");
  watch_.drain();
  EXPECT_THAT(names(), IsEmpty());
  std::filesystem::remove_all(tree_.top + "-elsewhere");
}

TEST_F(PluginWatchTest, SaysSoWhenTheDirectoryItselfHasGone) {
  tree_.make("a.sock");
  watch_.scan();
  std::filesystem::remove_all(tree_.top);
  watch_.drain();
  EXPECT_FALSE(watch_.armed());
  EXPECT_THAT(names(), IsEmpty());
  std::filesystem::create_directories(tree_.top);
  tree_.make("b.sock");
  watch_.scan();
  EXPECT_TRUE(watch_.armed());
  EXPECT_THAT(names(), ElementsAre("b.sock"));
}

}  // namespace
}  // namespace keelson::agent
