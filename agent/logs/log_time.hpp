// Times in container logs and in the query for them: RFC 3339 with any digits of fraction, UTC or an offset.
//
// Pure functions, any thread. Texts of runtimes come from outside: what is no time is refused. Source: contract 05 §8;
// Go's time.Parse (a comma may stand before the fraction, digits after the ninth are dropped).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::logs {

struct LogTime {
  std::int64_t seconds = 0;  // since 1970
  std::int32_t nanos = 0;

  auto operator<=>(const LogTime&) const = default;
};

// The zero time of Go, year 1: before every log line.
inline constexpr LogTime kZeroTime{-62'135'596'800, 0};

std::optional<LogTime> parse_log_time(std::string_view text);

// Appends "2026-01-02T03:04:05.000000006Z ": nine digits, the offset as it was written. `text` is a time that
// parse_log_time() has read.
void append_time_prefix(std::string& out, std::string_view text);

}  // namespace keelson::logs
