#include "base/duration.hpp"

#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <limits>
#include <optional>

namespace keelson::base {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};

// Longer names first, so that "ms" is not read as "m".
constexpr std::array kUnits = {
    Unit{"ns", 1},         Unit{"us", 1'000},        Unit{"\u00b5s", 1'000},    Unit{"\u03bcs", 1'000},
    Unit{"ms", 1'000'000}, Unit{"s", 1'000'000'000}, Unit{"m", 60'000'000'000}, Unit{"h", 3'600'000'000'000},
};

Error bad_duration(std::string_view text) {
  return Error(ErrorKind::invalid,
               "invalid duration \"" + std::string(text) + "\": expected a form such as 1m30s, 300ms, 0s");
}

const Unit* unit_at(std::string_view rest) {
  const Unit* best = nullptr;
  for (const Unit& unit : kUnits) {
    if (rest.substr(0, unit.name.size()) == unit.name && (best == nullptr || unit.name.size() > best->name.size()))
      best = &unit;
  }
  return best;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A digit this far behind the point is below a nanosecond even of an hour.
constexpr std::int64_t kFinestScale = 1'000'000'000'000'000'000;

// One "<number><unit>" at the front of `rest`, removed from it; nullopt when malformed or out of range.
std::optional<__int128> take_component(std::string_view& rest) {
  __int128 scaled = 0;  // the number times 10^fraction_digits
  __int128 scale = 1;
  bool any_digit = false;
  bool fraction = false;
  while (!rest.empty() && (is_digit(rest.front()) || (rest.front() == '.' && !fraction))) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == '.') {
      fraction = true;
      continue;
    }
    any_digit = true;
    if (scaled > std::numeric_limits<std::int64_t>::max() || scale >= kFinestScale) {
      if (!fraction) return std::nullopt;
      continue;  // digits below a nanosecond's reach
    }
    scaled = scaled * 10 + (c - '0');
    if (fraction) scale *= 10;
  }
  const Unit* unit = unit_at(rest);
  if (!any_digit || unit == nullptr) return std::nullopt;
  rest.remove_prefix(unit->name.size());
  return scaled * unit->nanoseconds / scale;
}

// "1.5" from 1500 thousandths: whole part and fraction without trailing zeros.
std::string decimal(std::int64_t value, std::int64_t unit) {
  std::string out = std::to_string(value / unit);
  std::int64_t rest = value % unit;
  if (rest == 0) return out;
  std::string fraction = std::to_string(unit + rest).substr(1);
  while (fraction.back() == '0') fraction.pop_back();
  return out + "." + fraction;
}

std::tm utc(SystemTime time, long& nanos) {
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  std::int64_t seconds = since / 1'000'000'000;
  nanos = static_cast<long>(since % 1'000'000'000);
  if (nanos < 0) {
    nanos += 1'000'000'000;
    --seconds;
  }
  const std::time_t t = seconds;
  std::tm parts{};
  gmtime_r(&t, &parts);
  return parts;
}

std::string date_and_time(const std::tm& parts) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text.data();
}

// Exactly `count` digits at `pos`, moved behind them.
bool take_digits(std::string_view text, std::size_t& pos, std::size_t count, int& value) {
  if (pos + count > text.size()) return false;
  value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[pos + i])) return false;
    value = value * 10 + (text[pos + i] - '0');
  }
  pos += count;
  return true;
}

bool take_char(std::string_view text, std::size_t& pos, char a, char b) {
  if (pos >= text.size() || (text[pos] != a && text[pos] != b)) return false;
  ++pos;
  return true;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return Duration(0);
  if (rest.empty()) return bad_duration(text);
  __int128 total = 0;
  while (!rest.empty()) {
    const auto part = take_component(rest);
    if (!part) return bad_duration(text);
    total += *part;
    if (total > std::numeric_limits<std::int64_t>::max()) return bad_duration(text);
  }
  return Duration(static_cast<std::int64_t>(negative ? -total : total));
}

std::string format_duration(Duration duration) {
  if (duration == Duration(0)) return "0s";
  const bool negative = duration < Duration(0);
  // The most negative value has no positive twin; one nanosecond less is nobody's loss.
  const std::int64_t nanos =
      negative ? -(std::max(duration.count(), std::numeric_limits<std::int64_t>::min() + 1)) : duration.count();
  std::string out = negative ? "-" : "";
  if (nanos < 1'000) return out + std::to_string(nanos) + "ns";
  if (nanos < 1'000'000) return out + decimal(nanos, 1'000) + "\u00b5s";
  if (nanos < 1'000'000'000) return out + decimal(nanos, 1'000'000) + "ms";
  const std::int64_t hours = nanos / 3'600'000'000'000;
  const std::int64_t minutes = nanos / 60'000'000'000 % 60;
  if (hours > 0) out += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) out += std::to_string(minutes) + "m";
  return out + decimal(nanos % 60'000'000'000, 1'000'000'000) + "s";
}

std::string format_rfc3339_nano(SystemTime time) {
  long nanos = 0;
  const std::tm parts = utc(time, nanos);
  std::string out = date_and_time(parts);
  if (nanos > 0) {
    std::string fraction = std::to_string(1'000'000'000 + nanos).substr(1);
    while (fraction.back() == '0') fraction.pop_back();
    out += "." + fraction;
  }
  return out + "Z";
}

std::string format_rfc3339(SystemTime time) {
  long nanos = 0;
  return date_and_time(utc(time, nanos)) + "Z";
}

Result<SystemTime> parse_rfc3339(std::string_view text) {
  const auto bad = [&] {
    return Error(ErrorKind::invalid,
                 "invalid time \"" + std::string(text) + "\": expected RFC 3339, such as 2026-01-02T03:04:05Z");
  };
  std::tm parts{};
  std::size_t pos = 0;
  if (!take_digits(text, pos, 4, parts.tm_year) || !take_char(text, pos, '-', '-') ||
      !take_digits(text, pos, 2, parts.tm_mon) || !take_char(text, pos, '-', '-') ||
      !take_digits(text, pos, 2, parts.tm_mday) || !take_char(text, pos, 'T', 't') ||
      !take_digits(text, pos, 2, parts.tm_hour) || !take_char(text, pos, ':', ':') ||
      !take_digits(text, pos, 2, parts.tm_min) || !take_char(text, pos, ':', ':') ||
      !take_digits(text, pos, 2, parts.tm_sec)) {
    return bad();
  }
  using namespace std::chrono;
  const year_month_day date(year(parts.tm_year), month(static_cast<unsigned>(parts.tm_mon)),
                            day(static_cast<unsigned>(parts.tm_mday)));
  if (!date.ok() || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 59) return bad();
  std::int64_t nanos = 0;
  if (pos < text.size() && text[pos] == '.') {
    ++pos;
    std::int64_t unit = 100'000'000;
    const std::size_t first = pos;
    for (; pos < text.size() && is_digit(text[pos]); ++pos, unit /= 10) nanos += (text[pos] - '0') * unit;
    if (pos == first) return bad();
  }
  int offset_minutes = 0;
  if (pos < text.size() && (text[pos] == '+' || text[pos] == '-')) {
    const int sign = text[pos++] == '-' ? -1 : 1;
    int hours = 0;
    int minutes = 0;
    if (!take_digits(text, pos, 2, hours) || !take_char(text, pos, ':', ':') || !take_digits(text, pos, 2, minutes) ||
        hours > 23 || minutes > 59) {
      return bad();
    }
    offset_minutes = sign * (hours * 60 + minutes);
  } else if (!take_char(text, pos, 'Z', 'z')) {
    return bad();
  }
  if (pos != text.size()) return bad();
  // A 64-bit nanosecond clock ends in 2262; the API's years go to 9999, so anything beyond is not representable here.
  if (parts.tm_year < 1678 || parts.tm_year > 2261) return bad();
  return sys_days(date) + hours(parts.tm_hour) + minutes(parts.tm_min - offset_minutes) + seconds(parts.tm_sec) +
         nanoseconds(nanos);
}

std::string format_age(Duration age) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
  if (seconds < 0) return "0s";
  if (seconds < 120) return std::to_string(seconds) + "s";
  const auto minutes = seconds / 60;
  if (minutes < 10)
    return seconds % 60 == 0 ? std::to_string(minutes) + "m"
                             : std::to_string(minutes) + "m" + std::to_string(seconds % 60) + "s";
  if (minutes < 180) return std::to_string(minutes) + "m";
  const auto hours = minutes / 60;
  if (hours < 8)
    return minutes % 60 == 0 ? std::to_string(hours) + "h"
                             : std::to_string(hours) + "h" + std::to_string(minutes % 60) + "m";
  if (hours < 48) return std::to_string(hours) + "h";
  const auto days = hours / 24;
  if (hours < 192)
    return hours % 24 == 0 ? std::to_string(days) + "d" : std::to_string(days) + "d" + std::to_string(hours % 24) + "h";
  return std::to_string(days) + "d";
}

}  // namespace keelson::base
