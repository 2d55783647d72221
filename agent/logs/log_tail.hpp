// TailSearch: where the last records of a log file begin, found from its end in blocks.
//
// It counts newlines, as the kubelet does: a record whose newline has not been written yet comes on top. In steps, so
// that a search through gigabytes can be given up between two of them; memory is one block. Owner: LogCursor. Thread:
// any, one at a time. What fails: reading the file. Source: contract 05 §8.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"

namespace keelson::logs {

class TailSearch {
 public:
  static constexpr std::size_t block = 64 * 1024;

  TailSearch(std::int64_t size, std::int64_t records)
      : left_(size), missing_(static_cast<std::uint64_t>(records) + 1) {}

  // Looks at `bytes` more, a block at least. True when start() is known.
  Result<bool> step(int fd, std::size_t bytes);
  std::int64_t start() const { return start_; }

 private:
  std::int64_t left_;      // what comes after it has been looked at
  std::uint64_t missing_;  // newlines that are still to be found
  std::int64_t start_ = 0;
};

}  // namespace keelson::logs
