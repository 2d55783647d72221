// What can be wrong with a configuration on this very host: cgroup version, swap, files, CPUs.
//
// The rules are pure functions of a configuration and a HostView; RealHost looks at /proc, /sys and the file system and
// blocks on them. Call once at start. Every problem is one line that says what to change.
//
// Source: contract 01 §2 ("at start"), §2.6, §4.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/configuration.hpp"

namespace keelson::config {

class HostView {
 public:
  virtual ~HostView() = default;
  virtual bool cgroup_v1() const = 0;
  // Whether a cgroup of this name ("/custom", below the mount) is there, in every hierarchy that matters.
  virtual bool cgroup_exists(const std::string& name) const = 0;
  // The swap areas in use, one line each as /proc/swaps has them.
  virtual std::vector<std::string> swap_areas() const = 0;
  virtual std::vector<int> online_cpus() const = 0;
  virtual std::int64_t memory_bytes() const = 0;
  // Success when the file can be read.
  virtual Status readable(const std::string& path) const = 0;
  virtual bool is_directory(const std::string& path) const = 0;
  virtual bool is_executable(const std::string& path) const = 0;
};

class RealHost final : public HostView {
 public:
  bool cgroup_v1() const override;
  bool cgroup_exists(const std::string& name) const override;
  std::vector<std::string> swap_areas() const override;
  std::vector<int> online_cpus() const override;
  std::int64_t memory_bytes() const override;
  Status readable(const std::string& path) const override;
  bool is_directory(const std::string& path) const override;
  bool is_executable(const std::string& path) const override;
};

// Everything that must keep the agent from starting here; empty when nothing does.
std::vector<std::string> host_problems(const Configuration& configuration, const HostView& host);

// What singleProcessOOMKill means on this host.
bool single_process_oom_kill(const KubeletConfiguration& configuration, bool cgroup_v1);

}  // namespace keelson::config
