#include "cgroup-manager/in_force.hpp"

#include <gtest/gtest.h>

#include <map>

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
  Result<std::vector<std::string>> directories(const std::string&) override { return std::vector<std::string>(); }
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

}  // namespace
}  // namespace keelson::cgroups
