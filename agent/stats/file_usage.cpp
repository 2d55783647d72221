#include "agent/stats/file_usage.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/stats/small_files.hpp"

namespace keelson::stats {
namespace {

constexpr std::uint64_t kBlock = 512;  // of stat(2), whatever the file system's own are
constexpr int kDeepest = 8;            // runtimes make no directories in there at all

void add(FileUsage& sum, const struct stat& info) {
  sum.bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
  ++sum.inodes;
}

// What is in a directory, itself not included.
void add_all_in(int directory, dev_t device, int depth, FileUsage& sum) {
  for (const std::string& name : names_in(directory)) {
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || info.st_dev != device) continue;
    add(sum, info);
    if (!S_ISDIR(info.st_mode) || depth == kDeepest) continue;
    const base::UniqueFd below(::openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (below) add_all_in(below.get(), device, depth + 1, sum);
  }
}

std::optional<FileUsage> usage_in(int pod, const std::string& container) {
  const base::UniqueFd directory(::openat(pod, container.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!directory || ::fstat(directory.get(), &info) != 0) return std::nullopt;
  FileUsage sum;
  add_all_in(directory.get(), info.st_dev, 0, sum);
  return sum;
}

FileUsage usage_of_files_in(int directory) {
  FileUsage sum;
  for (const std::string& name : names_in(directory)) {
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(info.st_mode)) add(sum, info);
  }
  return sum;
}

}  // namespace

LogReading read_log_usage(const LogOrder& order) {
  LogReading out;
  if (const base::UniqueFd pod = hold_directory(AT_FDCWD, order.directory)) {
    for (const std::string& container : order.containers) {
      if (const auto usage = usage_in(pod.get(), container)) out.containers.emplace(container, *usage);
    }
    out.pod = usage_of_files_in(pod.get());
  }
  struct stat info {};
  if (!order.hosts_file.empty() && ::lstat(order.hosts_file.c_str(), &info) == 0) {
    out.hosts_file.emplace();
    add(*out.hosts_file, info);
  }
  return out;
}

}  // namespace keelson::stats
