// InForce: the CPU and memory values that a cgroup has right now, in the terms of cgroup v1; MemoryInUse: what it uses.
//
// Reads a few files of one cgroup; blocking, cheap. A value that is absent or "max" is not set; on v1 "no limit" is the
// large number that the kernel shows. Thread: any, see pod_cgroups.hpp. Source: contract 02 §15.4, contract 03 §4.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cgroup-manager/cgroup_files.hpp"
#include "cgroup-manager/layout.hpp"

namespace keelson::cgroups {

struct InForce {
  std::optional<std::int64_t> cpu_shares;
  std::optional<std::int64_t> cpu_quota_us;  // -1: no limit (v1)
  std::optional<std::int64_t> cpu_period_us;
  std::optional<std::int64_t> memory_limit_bytes;
  bool operator==(const InForce&) const = default;
};

// `path` is the cgroup below the mount points, in the form of CRI's cgroup_parent.
InForce read_in_force(CgroupFiles& files, const Layout& layout, const std::string& path);

struct MemoryInUse {
  std::int64_t bytes = 0;
  std::map<std::string, std::int64_t> below;  // by the names that were asked for; those without a group are absent
};
// Of the cgroup and of the groups right below it whose name holds one of `names`: runtimes put a container's id into
// the name ("ID", "cri-containerd-ID.scope"). Fails when the cgroup itself cannot be read.
Result<MemoryInUse> read_memory_in_use(CgroupFiles& files, const Layout& layout, const std::string& path,
                                       const std::vector<std::string>& names);

}  // namespace keelson::cgroups
