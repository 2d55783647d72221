// Layout: which cgroup version this machine has and where its hierarchies are mounted.
//
// find_layout() reads the machine (statfs and /proc/self/mountinfo, blocking but never hanging); layout_from_mounts()
// is the pure part. What fails: v1 without the cpu, cpuacct, cpuset and memory hierarchies. Source: contract 03 §3.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::cgroups {

enum class Version { v1, v2 };

struct Layout {
  Version version = Version::v2;
  // v2: the mount point. v1: the cgroup2 tree without controllers that a hybrid machine mounts beside, or empty.
  std::string unified;
  // v1: mount point by controller; "name=systemd" for systemd's own hierarchy. Controllers mounted together share one.
  std::map<std::string, std::string> controllers;
  bool operator==(const Layout&) const = default;
};

// `mountinfo` in the form of /proc/self/mountinfo. Of several mounts of one controller the shortest path is taken.
Result<Layout> layout_from_mounts(std::string_view mountinfo, const std::string& cgroup_root, bool unified);
Result<Layout> find_layout(const std::string& cgroup_root = "/sys/fs/cgroup");

}  // namespace keelson::cgroups
