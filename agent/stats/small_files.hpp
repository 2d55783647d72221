// SmallFiles: the files of /proc and of cgroups, each read by one open, one read and one close.
//
// They are read by the hundred for one answer, so there are no streams and no path is walked twice: names are relative
// to a directory that is held, which also keeps one group's files together when its path is used again meanwhile.
// Blocking, but never for long; any one thread. What fails is nothing: a file that cannot be read is not there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"

namespace keelson::stats {

// For reading below it alone (O_PATH). `path` is relative to `at`, or absolute with AT_FDCWD. Empty when not there.
base::UniqueFd hold_directory(int at, const std::string& path);

class SmallFiles {
 public:
  SmallFiles();

  // What one read(2) gives: all of a file that the kernel writes in one piece (values, *.stat, *.pressure). The text is
  // good until the next call.
  std::optional<std::string_view> read(int directory, const std::string& name);
  // To the end: lists, of which the kernel gives a page at a time.
  std::optional<std::string_view> read_to_end(int directory, const std::string& name);
  // A number, or "max" (values.hpp: unlimited); nothing when it holds something else.
  std::optional<std::uint64_t> number(int directory, const std::string& name);

 private:
  std::vector<char> buffer_;
};

// Names below `directory`, which hold_directory() gave; empty when they cannot be read.
std::vector<std::string> names_in(int directory);

}  // namespace keelson::stats
