// CgroupfsDriver: PodCgroups made by mkdir and file writes, on cgroup v1 and v2.
//
// See pod_cgroups.hpp for thread and ownership. `files` and `layout` are used for its whole life. Source: contract 03
// §3.1.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cgroup-manager/cgroup_files.hpp"
#include "cgroup-manager/layout.hpp"
#include "cgroup-manager/pod_cgroups.hpp"

namespace keelson::cgroups {

// One file and what goes into it.
struct LimitWrite {
  std::string controller;  // v1: which hierarchy; empty on v2
  std::string file;
  std::string value;
  bool if_present = false;  // skipped when the kernel has no such file
  bool read_back = false;   // the kernel may clamp silently: another value afterwards is an error
  bool operator==(const LimitWrite&) const = default;
};
// What to write for these limits, in the order of the contract. Pure.
std::vector<LimitWrite> limit_writes(const Limits& limits, Version version);

class CgroupfsDriver final : public PodCgroups {
 public:
  CgroupfsDriver(CgroupFiles& files, Layout layout) : files_(files), layout_(std::move(layout)) {}

  Result<Ensured> ensure(const CgroupName& name, const Limits& limits) override;
  Status update(const CgroupName& name, const Limits& limits) override;
  Status destroy(const CgroupName& name) override;
  Status kill(const CgroupName& name) override;
  bool exists(const CgroupName& name) override;
  Result<std::vector<FoundPod>> list_pods(const CgroupName& root) override;
  std::string path(const CgroupName& name) const override { return cgroupfs_path(name); }

 private:
  // Mount points of all hierarchies, in the order in which groups are made.
  std::vector<std::string> mounts() const;
  std::string directory(const std::string& controller, const CgroupName& name) const;

  Status create_v1(const CgroupName& name);
  Status create_v2(const CgroupName& name);
  Status fill_cpuset(const std::string& mount, const CgroupName& name);
  Status delegate_controllers(const std::string& directory);
  bool exists_v2(const CgroupName& name);
  std::vector<Error> write_limits(const CgroupName& name, const Limits& limits);
  Status write_period_and_quota(const CgroupName& name, const LimitWrite& period, const LimitWrite& quota);
  Status write_limit(const CgroupName& name, const LimitWrite& limit);
  Status remove_tree(const std::string& directory);
  void collect_processes(const std::string& directory, std::set<pid_t>& pids);

  CgroupFiles& files_;
  Layout layout_;
};

}  // namespace keelson::cgroups
