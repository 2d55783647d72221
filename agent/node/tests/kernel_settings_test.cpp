#include "agent/node/kernel_settings.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

class KernelSettings : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/keelson-sysctl-XXXXXX";
    root = ::mkdtemp(path);
    for (const KernelSetting& setting : kernel_settings()) {
      const std::string file = root + "/" + setting.name;
      ASSERT_TRUE(base::make_directories(file.substr(0, file.find_last_of('/')), 0755).ok());
      ASSERT_TRUE(base::write_file(file, std::to_string(setting.wanted) + "\n", 0644).ok());
    }
  }
  void TearDown() override { EXPECT_TRUE(base::remove_tree(root).ok()); }

  std::string read(const std::string& name) { return base::read_file(root + "/" + name).value_or("missing"); }

  std::string root;
  std::vector<std::string> warnings;
};

TEST_F(KernelSettings, WritesOnlyWhatDiffers) {
  ASSERT_TRUE(base::write_file(root + "/vm/overcommit_memory", "0\n", 0644).ok());
  EXPECT_TRUE(apply_kernel_settings(root, false, warnings).ok());
  EXPECT_EQ(read("vm/overcommit_memory").substr(0, 1), "1");
  EXPECT_EQ(read("kernel/panic"), "10\n") << "an equal value must not be written again";
  EXPECT_TRUE(warnings.empty());
}

TEST_F(KernelSettings, AreOnlyComparedWhenProtected) {
  ASSERT_TRUE(base::write_file(root + "/kernel/panic", "0\n", 0644).ok());
  const Status result = apply_kernel_settings(root, true, warnings);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message().find("invalid kernel flag: kernel/panic, expected value: 10, actual value: 0"),
            std::string::npos);
  EXPECT_EQ(read("kernel/panic"), "0\n");
}

TEST_F(KernelSettings, ThatThisKernelLacksAreTold) {
  ASSERT_TRUE(base::remove_tree(root + "/kernel/keys").ok());
  EXPECT_TRUE(apply_kernel_settings(root, false, warnings).ok());
  EXPECT_EQ(warnings.size(), 2u);
}

}  // namespace
}  // namespace keelson::agent
