#include "agent/logs/log_time.hpp"

#include <algorithm>
#include <chrono>

namespace keelson::logs {
namespace {

constexpr std::size_t kDateAndClock = 19;  // "2026-01-02T03:04:05"
constexpr std::size_t kDigits = 9;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The number of two or four digits at `at`; negative when there is none.
int number(std::string_view text, std::size_t at, std::size_t width) {
  if (at + width > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + width; ++i) {
    if (!is_digit(text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

std::optional<std::int64_t> seconds_of(std::string_view text) {
  if (text.size() < kDateAndClock || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const int year = number(text, 0, 4), month = number(text, 5, 2), day = number(text, 8, 2);
  const int hour = number(text, 11, 2), minute = number(text, 14, 2), second = number(text, 17, 2);
  if (year < 0 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86'400 + hour * 3600 + minute * 60 + second;
}

// The digits of the fraction; takes them and what stands before them off `rest`. Nothing when there is a mark only.
std::optional<std::string_view> take_fraction(std::string_view& rest) {
  if (rest.empty() || (rest.front() != '.' && rest.front() != ',')) return std::string_view();
  rest.remove_prefix(1);
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_digit);
  const std::string_view digits = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  if (digits.empty()) return std::nullopt;
  rest.remove_prefix(digits.size());
  return digits;
}

// "Z" or "+01:30" in seconds east of UTC.
std::optional<int> offset_of(std::string_view zone) {
  if (zone == "Z") return 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const int hours = number(zone, 1, 2), minutes = number(zone, 4, 2);
  if (hours < 0 || minutes < 0 || hours > 24 || minutes > 60) return std::nullopt;
  return (zone[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

std::int32_t nanos_of(std::string_view digits) {
  std::int32_t value = 0;
  for (std::size_t i = 0; i < kDigits; ++i) value = value * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  return value;
}

}  // namespace

std::optional<LogTime> parse_log_time(std::string_view text) {
  const auto seconds = seconds_of(text);
  if (!seconds) return std::nullopt;
  std::string_view rest = text.substr(kDateAndClock);
  const auto digits = take_fraction(rest);
  if (!digits) return std::nullopt;
  const auto offset = offset_of(rest);
  if (!offset) return std::nullopt;
  return LogTime{*seconds - *offset, nanos_of(*digits)};
}

void append_time_prefix(std::string& out, std::string_view text) {
  std::string_view rest = text.substr(std::min(text.size(), kDateAndClock));
  std::string_view digits = take_fraction(rest).value_or("");
  digits = digits.substr(0, kDigits);
  out.append(text.substr(0, kDateAndClock)).append(1, '.').append(digits).append(kDigits - digits.size(), '0');
  const bool utc = offset_of(rest).value_or(0) == 0;
  out.append(utc ? std::string_view("Z") : rest).append(1, ' ');
}

}  // namespace keelson::logs
