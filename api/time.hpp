// Time: helpers for meta.v1.Time (whole seconds) and meta.v1.MicroTime (microseconds).
//
// Pure functions, any thread. The zero time (0001-01-01, Go's) is the message without fields; 1970 is seconds = 0 set.
// Range of the API: years 0..9999; base::SystemTime ends in 2262, so conversions to it saturate.
// Source: contract 05a "JSON <-> protobuf quirks".
#pragma once

#include <string>
#include <string_view>

#include "api/proto/meta_v1.pb.h"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::api {

using Time = k8s::meta::v1::Time;
using MicroTime = k8s::meta::v1::MicroTime;

Time make_time(base::SystemTime when);             // cut to whole seconds
MicroTime make_micro_time(base::SystemTime when);  // cut to whole microseconds
bool is_zero(const Time& time);
bool is_zero(const MicroTime& time);
// The zero time gives SystemTime::min().
base::SystemTime to_system_time(const Time& time);
base::SystemTime to_system_time(const MicroTime& time);

// "2026-01-02T03:04:05Z" / "2026-01-02T03:04:05.000006Z"; "" for zero.
std::string format_time(const Time& time);
std::string format_time(const MicroTime& time);
// Any fraction and offset is read; a MicroTime must have exactly 6 digits of fraction.
Result<Time> parse_time(std::string_view text);
Result<MicroTime> parse_micro_time(std::string_view text);

}  // namespace keelson::api
