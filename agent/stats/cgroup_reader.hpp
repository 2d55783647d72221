// CgroupReader: reads single cgroups of both versions.
//
// Made for one batch of reads: it holds the hierarchies' directories and one buffer. Blocking, but never for long; on
// the pool; the clock must outlive the pool. What fails is nothing: a group that is not there, or vanishes before its
// CPU time was read, is nullopt; a value that is missing is zero. Source: contract 03 §15, contract 05 §10, §14.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/stats/reading.hpp"
#include "agent/stats/small_files.hpp"
#include "base/file.hpp"
#include "cgroup-manager/layout.hpp"

namespace keelson::stats {

// What is read of a group besides its CPU time.
struct Wanted {
  bool memory = false;
  bool pressures = false;
  bool processes = false;    // how many, and the first
  bool descriptors = false;  // of the processes
  bool details = false;
  bool made = false;
};

class CgroupReader {
 public:
  // `proc`: "/proc". `node`: the root group's memory is the machine's.
  CgroupReader(const cgroups::Layout& layout, const std::string& proc, const Memory& node, const base::Clock& clock);

  // `path` is below the hierarchies ("/kubepods/podUID"); "/" is the root.
  std::optional<CgroupReading> read(const std::string& path, const Wanted& wanted);
  // The first process right in a group; 0: there is none.
  std::uint32_t first_process(const std::string& path);
  // The name of the group right below `path` that is of the container with that ID: "ID", "cri-containerd-ID.scope",
  // "crio-ID.scope"; empty when there is none.
  std::string group_of(const std::string& path, const std::string& id);
  // Whether the kernel tells pressures at all.
  bool has_pressures() const { return has_pressures_; }

 private:
  struct Directory {  // one group in one hierarchy
    base::UniqueFd fd;
    explicit operator bool() const { return static_cast<bool>(fd); }
    int get() const { return fd.get(); }
  };
  Directory open(const char* controller, const std::string& path);
  int mount(const char* controller) const;

  bool read_cpu(const Directory& cpu, const Wanted& wanted, CgroupReading& out);
  std::optional<MemoryReading> read_memory(int memory);
  MemoryReading read_root_memory(int memory);
  Pressures read_pressures(int group);
  ProcessReading read_processes(int group, bool descriptors);
  void count_descriptors(std::uint32_t pid, ProcessReading& out);
  void read_details_v1(const std::string& path, int memory, GroupDetails& out);
  void read_details_v2(int group, GroupDetails& out);
  void read_threads(int pids, GroupDetails& out);
  std::optional<base::SystemTime> when_made(int group) const;
  std::uint64_t number(int directory, const char* name) { return files_.number(directory, name).value_or(0); }

  bool v2_;
  Memory node_;
  const base::Clock& clock_;
  SmallFiles files_;
  base::UniqueFd proc_;
  std::map<std::string, base::UniqueFd> mounts_;  // by controller; v2: one, of ""
  bool has_pressures_ = false;
};

}  // namespace keelson::stats
