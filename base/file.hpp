// Files: small blocking helpers for local files of known, small size (configuration, checkpoints, /proc, /sys).
//
// Any thread, but on the loop only for local file systems and small files; anything that may hang goes to the
// BlockingPool. All paths are taken as they are; errors name the path.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace keelson::base {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// The whole file; `invalid` when it is larger than `limit` bytes, no regular file, or a directory.
Result<std::string> read_file(const std::string& path, std::size_t limit = 16u << 20);
// Writes `path` whole or not at all: a temporary file beside it, fsync, rename, fsync of the directory.
Status write_file_atomically(const std::string& path, std::string_view content, mode_t mode);
// Creates or truncates `path` with exactly `mode`, whatever the umask.
Status write_file(const std::string& path, std::string_view content, mode_t mode);
// mkdir -p: every missing level gets exactly `mode`; existing levels stay as they are.
Status make_directories(const std::string& path, mode_t mode);
bool path_exists(const std::string& path);
bool is_directory(const std::string& path);
// The names in a directory, sorted, without "." and "..".
Result<std::vector<std::string>> list_directory(const std::string& path);
// Those of its entries that are directories themselves; links to some are not.
Result<std::vector<std::string>> list_subdirectories(const std::string& path);
// Removes a file or a tree without following links and without crossing into another file system; missing is success.
Status remove_tree(const std::string& path);

}  // namespace keelson::base
