// How much of a volume is used: of its file system, of a tree within one, and how large a block device is.
//
// Blocking: a dead server hangs statfs() for ever, a large tree takes its time; on the pool. Values only, any thread.
// A tree is counted as `du` does it: blocks of 512 bytes, so that holes are not, and a file with several names once. It
// is never left: not by a link, not into another file system, nor into what is mounted there. What vanishes meanwhile
// is not counted. What fails: errors name the path; a tree that cannot be read to its end; `cancelled`. Not there:
// project quotas, which the kubelet reads only with a gate that is off by default. Source: contract 04 §25.
#pragma once

#include <sys/statfs.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace keelson::volume {

// Bytes and inodes; zero: not known.
struct VolumeFigures {
  std::int64_t capacity = 0;
  std::int64_t available = 0;
  std::int64_t used = 0;
  std::int64_t inodes = 0;
  std::int64_t inodes_free = 0;
  std::int64_t inodes_used = 0;
  bool operator==(const VolumeFigures&) const = default;
};

// Of the file system that `path` leads to.
Result<VolumeFigures> file_system_figures(const std::string& path);
// Of the tree below a directory, itself included; capacity and what is free are its file system's. `stop` ends it.
Result<VolumeFigures> tree_figures(const std::string& path, const std::atomic<bool>& stop);
// The capacity of the block device that `path` leads to.
Result<VolumeFigures> device_figures(const std::string& path);

// Pure. Numbers that a file system makes up (more free than there is) come out as zero or the largest.
VolumeFigures figures_of(const struct statfs& info);

}  // namespace keelson::volume
