// LogText: what a client is shown of a log file's bytes: records since a time, with or without their times, up to a
// number of bytes or of records.
//
// Owner: LogCursor. Thread: any, one at a time. What fails: as LogLines. Source: contract 05 §8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/logs/log_line.hpp"
#include "agent/logs/log_options.hpp"

namespace keelson::logs {

class LogText {
 public:
  explicit LogText(const LogOptions& options, std::size_t held = LogLines::most_held);

  // Appends to `out` what is to be shown.
  Status feed(std::string_view bytes, std::string& out);
  Status finish(std::string& out);
  void start_over() { lines_.start_over(); }
  // Nothing more will be shown.
  bool done() const { return bytes_left_ == 0 || records_left_ == 0; }

 private:
  bool take(const LogPiece& piece, std::string& out);
  void put(std::string_view bytes, std::string& out);

  LogOptions options_;
  LogLines lines_;
  std::uint64_t bytes_left_;
  std::uint64_t records_left_;
  bool line_begins_ = true;  // the next record is no continuation
  bool shown_ = false;       // the present record
  bool empty_ = true;
  bool ends_line_ = true;
};

}  // namespace keelson::logs
