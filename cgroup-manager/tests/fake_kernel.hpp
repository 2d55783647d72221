// FakeKernel: cgroup file systems in memory, with the kernel's manners.
//
// New groups get the files of their controllers; a group with children or processes cannot be removed; on v2 a group
// has what its parent delegates. Every change is in `log`, so that tests can check the order.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cgroup-manager/cgroup_files.hpp"
#include "cgroup-manager/layout.hpp"

namespace keelson::cgroups {

class FakeKernel final : public CgroupFiles {
 public:
  // Mounts /cg/CONTROLLER for the usual controllers; cpu and cpuacct share one.
  static FakeKernel v1();
  // Mounts /cg with these controllers.
  static FakeKernel v2(const std::string& controllers = "cpuset cpu io memory hugetlb pids");

  Layout layout;
  std::map<std::string, std::string> files;
  std::set<std::string> groups;
  std::vector<std::string> log;
  // How many removals of a group fail with EBUSY though it is empty.
  std::map<std::string, int> busy;
  // Writes of exactly this text to this path fail with the errno, as often as the number says.
  struct Refusal {
    std::string path, text;
    int error = 0;
    int times = 1000;
  };
  std::vector<Refusal> refusals;
  std::set<pid_t> immortal;
  std::chrono::milliseconds paused{0};

  Status make_directory(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  bool is_directory(const std::string& path) override { return groups.contains(path); }
  Result<std::vector<std::string>> directories(const std::string& path) override;
  Result<std::string> read(const std::string& path) override;
  Status write(const std::string& path, std::string_view text) override;
  Status kill_process(pid_t pid) override;
  void pause(std::chrono::milliseconds time) override { paused += time; }

 private:
  void populate_v1(const std::string& path);
  void populate_v2(const std::string& path);
};

}  // namespace keelson::cgroups
