// Go-style durations ("1m30s", "300ms", "1.5h"), as every Kubernetes configuration and API duration is written.
//
// Pure functions, any thread. Range: +-292 years; anything else is `invalid`.
// Source: contract 01 header ("dur"), 05a "JSON <-> protobuf quirks" (meta.v1.Duration).
#pragma once

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::base {

// Units: ns, us (or the micro sign), ms, s, m, h. "0" needs no unit; a sign is allowed.
Result<Duration> parse_duration(std::string_view text);
// Canonical form: 90s -> "1m30s", 0 -> "0s", 1500us -> "1.5ms".
std::string format_duration(Duration duration);
// RFC 3339 in UTC with nanoseconds, trailing zeros of the fraction cut: "2026-01-02T03:04:05.123Z".
std::string format_rfc3339_nano(SystemTime time);
// RFC 3339 in UTC, whole seconds.
std::string format_rfc3339(SystemTime time);
Result<SystemTime> parse_rfc3339(std::string_view text);
// "5s", "3m", "2h5m", "4d": the age as kubectl prints it.
std::string format_age(Duration age);

}  // namespace keelson::base
