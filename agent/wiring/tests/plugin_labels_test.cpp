#include "agent/wiring/plugin_labels.hpp"

#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

namespace keelson::agent {
namespace {

class PluginLabels : public ::testing::Test {
 protected:
  void SetUp() override {
    paths.root = ::testing::TempDir() + "labels-" + std::to_string(::getpid());
    std::filesystem::create_directories(paths.root + "/plugins");
  }
  void TearDown() override { std::filesystem::remove_all(paths.root); }
  Paths paths;
};

TEST_F(PluginLabels, AreGivenToBothDirectories) {
  std::filesystem::create_directories(paths.root + "/plugins_registry");
  const Status labelled = label_plugin_directories(paths);
  if (!labelled.ok() && (labelled.error().code() == EPERM || labelled.error().code() == EOPNOTSUPP)) {
    GTEST_SKIP() << labelled.error().to_string();
  }
  ASSERT_TRUE(labelled.ok()) << labelled.error().to_string();
  for (const char* name : {"/plugins", "/plugins_registry"}) {
    std::array<char, 256> label{};
    ASSERT_GT(::getxattr((paths.root + name).c_str(), "security.selinux", label.data(), label.size() - 1), 0);
    EXPECT_STREQ(label.data(), "system_u:object_r:container_file_t:s0") << name;
  }
}

TEST_F(PluginLabels, AnErrorNamesTheDirectory) {
  std::filesystem::remove(paths.root + "/plugins");
  const Status labelled = label_plugin_directories(paths);
  ASSERT_FALSE(labelled.ok());
  EXPECT_EQ(labelled.error().to_string().find("labelling " + paths.root + "/plugins: "), 0u);
}

}  // namespace
}  // namespace keelson::agent
