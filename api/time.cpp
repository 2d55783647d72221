#include "api/time.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <optional>

namespace keelson::api {
namespace {

using namespace std::chrono;

constexpr std::int64_t kNanos = 1'000'000'000;
// 0001-01-01T00:00:00Z, Go's zero time, and the end of year 9999.
constexpr std::int64_t kGoZero = -62'135'596'800;
constexpr std::int64_t kYearZero = -62'167'219'200;
constexpr std::int64_t kEnd = 253'402'300'799;

struct Instant {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
};

Instant instant_of(base::SystemTime when) {
  const std::int64_t since = duration_cast<nanoseconds>(when.time_since_epoch()).count();
  Instant out{since / kNanos, static_cast<std::int32_t>(since % kNanos)};
  if (out.nanos < 0) {
    out.nanos += kNanos;
    --out.seconds;
  }
  return out;
}

base::SystemTime system_time(std::int64_t seconds, std::int32_t nanos) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max() / kNanos - 1;
  if (seconds > kLast) return base::SystemTime::max();
  if (seconds < -kLast) return base::SystemTime::min();
  return base::SystemTime(std::chrono::seconds(seconds) + nanoseconds(nanos));
}

// Fixed-width digits at the front, removed.
std::optional<int> take_number(std::string_view& rest, std::size_t width) {
  if (rest.size() < width) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (rest[i] < '0' || rest[i] > '9') return std::nullopt;
    value = value * 10 + (rest[i] - '0');
  }
  rest.remove_prefix(width);
  return value;
}

bool take(std::string_view& rest, char c) {
  if (rest.empty() || rest.front() != c) return false;
  rest.remove_prefix(1);
  return true;
}

// "Z" or "+01:30" as seconds east of UTC.
std::optional<int> take_offset(std::string_view& rest) {
  if (take(rest, 'Z')) return 0;
  const int sign = !rest.empty() && rest.front() == '-' ? -1 : 1;
  if (!take(rest, '+') && !take(rest, '-')) return std::nullopt;
  const auto hours = take_number(rest, 2);
  if (!hours || !take(rest, ':')) return std::nullopt;
  const auto minutes = take_number(rest, 2);
  if (!minutes || *hours > 24 || *minutes > 60) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

// `digits` of the fraction are given back: 0 when there is none.
std::optional<Instant> read_rfc3339(std::string_view text, std::size_t& digits) {
  std::string_view rest = text;
  const auto y = take_number(rest, 4);
  if (!y || !take(rest, '-')) return std::nullopt;
  const auto mo = take_number(rest, 2);
  if (!mo || !take(rest, '-')) return std::nullopt;
  const auto d = take_number(rest, 2);
  if (!d || !take(rest, 'T')) return std::nullopt;
  const auto h = take_number(rest, 2);
  if (!h || !take(rest, ':')) return std::nullopt;
  const auto mi = take_number(rest, 2);
  if (!mi || !take(rest, ':')) return std::nullopt;
  const auto s = take_number(rest, 2);
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
  if (!s || !date.ok() || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
  Instant out;
  digits = 0;
  if (take(rest, '.')) {
    std::int32_t unit = kNanos / 10;
    for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; unit /= 10, ++digits) {
      out.nanos += (rest.front() - '0') * unit;
      rest.remove_prefix(1);
    }
    if (digits == 0) return std::nullopt;
  }
  const auto offset = take_offset(rest);
  if (!offset || !rest.empty()) return std::nullopt;
  const std::int64_t days = sys_days(date).time_since_epoch().count();
  out.seconds = days * 86'400 + *h * 3600 + *mi * 60 + *s - *offset;
  return out;
}

std::string format(std::int64_t seconds, std::string_view fraction) {
  seconds = std::clamp(seconds, kYearZero, kEnd);
  const sys_seconds when{std::chrono::seconds(seconds)};
  const auto midnight = floor<days>(when);
  const year_month_day date(midnight);
  const hh_mm_ss clock(when - midnight);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return std::string(out.data()).append(fraction).append("Z");
}

Error bad(std::string_view text, std::string_view example) {
  return Error(ErrorKind::invalid, "invalid time \"" + std::string(text.substr(0, 60)) +
                                       "\": expected RFC 3339, such as " + std::string(example));
}

}  // namespace

Time make_time(base::SystemTime when) {
  Time out;
  out.set_seconds(instant_of(when).seconds);
  return out;
}

MicroTime make_micro_time(base::SystemTime when) {
  const Instant instant = instant_of(when);
  MicroTime out;
  out.set_seconds(instant.seconds);
  out.set_nanos(instant.nanos / 1000 * 1000);
  return out;
}

bool is_zero(const Time& time) { return !time.has_seconds() && !time.has_nanos(); }
bool is_zero(const MicroTime& time) { return !time.has_seconds() && !time.has_nanos(); }

base::SystemTime to_system_time(const Time& time) {
  return is_zero(time) ? base::SystemTime::min() : system_time(time.seconds(), 0);
}

base::SystemTime to_system_time(const MicroTime& time) {
  if (is_zero(time)) return base::SystemTime::min();
  return system_time(time.seconds(), std::clamp<std::int32_t>(time.nanos(), 0, kNanos - 1));
}

std::string format_time(const Time& time) { return is_zero(time) ? "" : format(time.seconds(), ""); }

std::string format_time(const MicroTime& time) {
  if (is_zero(time)) return "";
  const int micros = std::clamp<std::int32_t>(time.nanos(), 0, kNanos - 1) / 1000;
  return format(time.seconds(), "." + std::to_string(1'000'000 + micros).substr(1));
}

Result<Time> parse_time(std::string_view text) {
  std::size_t digits = 0;
  const auto instant = read_rfc3339(text, digits);
  if (!instant) return bad(text, "2026-01-02T03:04:05Z");
  Time out;
  if (instant->seconds != kGoZero || instant->nanos != 0) out.set_seconds(instant->seconds);
  return out;
}

Result<MicroTime> parse_micro_time(std::string_view text) {
  std::size_t digits = 0;
  const auto instant = read_rfc3339(text, digits);
  if (!instant || digits != 6) return bad(text, "2026-01-02T03:04:05.000006Z (six digits of fraction)");
  MicroTime out;
  if (instant->seconds == kGoZero && instant->nanos == 0) return out;
  out.set_seconds(instant->seconds);
  if (instant->nanos != 0) out.set_nanos(instant->nanos);
  return out;
}

}  // namespace keelson::api
