#include "cgroup-manager/in_force.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace keelson::cgroups {
namespace {

// Files by path; nothing else is asked of it here.
class Files final : public CgroupFiles {
 public:
  std::map<std::string, std::string> all;

  Result<std::string> read(const std::string& path) override {
    const auto found = all.find(path);
    if (found == all.end()) return Error(ErrorKind::not_found, "open " + path + ": no such file");
    return found->second;
  }
  Status make_directory(const std::string&) override { return {}; }
  Status remove_directory(const std::string&) override { return {}; }
  bool is_directory(const std::string&) override { return true; }
  // Those of the files below it.
  Result<std::vector<std::string>> directories(const std::string& path) override {
    std::set<std::string> names;
    for (const auto& [file, text] : all) {
      if (!file.starts_with(path + "/")) continue;
      const std::string rest = file.substr(path.size() + 1);
      if (const auto slash = rest.find('/'); slash != std::string::npos) names.insert(rest.substr(0, slash));
    }
    return std::vector<std::string>(names.begin(), names.end());
  }
  Status write(const std::string&, std::string_view) override { return {}; }
  Status kill_process(pid_t) override { return {}; }
  void pause(std::chrono::milliseconds) override {}
};

TEST(InForce, ReadsTheFilesOfEachHierarchyOfV1) {
  Files files;
  files.all = {{"/c/cpu/kubepods/podX/cpu.shares", "256"},
               {"/c/cpu/kubepods/podX/cpu.cfs_quota_us", "25000"},
               {"/c/cpu/kubepods/podX/cpu.cfs_period_us", "100000"},
               {"/c/mem/kubepods/podX/memory.limit_in_bytes", "67108864"}};
  Layout layout;
  layout.version = Version::v1;
  layout.controllers = {{"cpu", "/c/cpu"}, {"memory", "/c/mem"}};
  EXPECT_EQ(read_in_force(files, layout, "/kubepods/podX"), (InForce{256, 25000, 100000, 67108864}));
}

TEST(InForce, MaxIsNoValueOnV2) {
  Files files;
  files.all = {{"/c/kubepods/podX/cpu.weight", "10"},
               {"/c/kubepods/podX/cpu.max", "max 100000"},
               {"/c/kubepods/podX/memory.max", "max"}};
  Layout layout;
  layout.unified = "/c";
  const InForce seen = read_in_force(files, layout, "/kubepods/podX");
  EXPECT_EQ(seen.cpu_shares, 237);  // (10-1) * 262142 / 9999 + 2
  EXPECT_EQ(seen.cpu_quota_us, std::nullopt);
  EXPECT_EQ(seen.cpu_period_us, 100000);
  EXPECT_EQ(seen.memory_limit_bytes, std::nullopt);
}

TEST(InForce, AGroupThatIsGoneHasNoValues) {
  Files files;
  Layout layout;
  layout.unified = "/c";
  EXPECT_EQ(read_in_force(files, layout, "/kubepods/podX"), InForce());
}

TEST(MemoryInUse, IsReadOfThePodAndOfItsContainersByTheirIds) {
  Files files;
  files.all = {{"/c/mem/kubepods/podX/memory.usage_in_bytes", "3000"},
               {"/c/mem/kubepods/podX/0a1b/memory.usage_in_bytes", "1000"},
               {"/c/mem/kubepods/podX/cri-containerd-2c3d.scope/memory.usage_in_bytes", "2000"},
               {"/c/mem/kubepods/podX/other/memory.usage_in_bytes", "5"}};
  Layout layout;
  layout.version = Version::v1;
  layout.controllers = {{"memory", "/c/mem"}};
  const auto used = read_memory_in_use(files, layout, "/kubepods/podX", {"0a1b", "2c3d", "gone"});
  ASSERT_TRUE(used.ok()) << used.error().to_string();
  EXPECT_EQ(used->bytes, 3000);
  EXPECT_EQ(used->below, (std::map<std::string, std::int64_t>{{"0a1b", 1000}, {"2c3d", 2000}}));
}

TEST(MemoryInUse, HasAFileOfItsOwnOnV2AndFailsForAGroupThatIsGone) {
  Files files;
  files.all = {{"/c/kubepods/podX/memory.current", "3000"}};
  Layout layout;
  layout.unified = "/c";
  EXPECT_EQ(read_memory_in_use(files, layout, "/kubepods/podX", {"0a1b"})->bytes, 3000);
  EXPECT_FALSE(read_memory_in_use(files, layout, "/kubepods/podY", {}).ok());
}

}  // namespace
}  // namespace keelson::cgroups
