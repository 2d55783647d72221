// LogOptions: which part of a container's log is asked for, and how it is shown.
//
// A plain value. Source: contract 05 §8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/logs/log_time.hpp"

namespace keelson::logs {

struct LogOptions {
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<std::int64_t> tail;   // records from the end of the file
  std::optional<std::int64_t> limit;  // bytes of output
  std::optional<LogTime> since;
  std::string stream;  // Stdout or Stderr, which alone cannot be had; empty: all
};

}  // namespace keelson::logs
