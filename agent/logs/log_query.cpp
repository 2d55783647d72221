#include "agent/logs/log_query.hpp"

#include <strings.h>

#include <charconv>
#include <optional>
#include <string_view>

namespace keelson::logs {
namespace {

Error undecodable() { return Error(ErrorKind::invalid, R"({"message": "Unable to decode query."})", 400); }
Error invalid() { return Error(ErrorKind::invalid, R"({"message": "Invalid request."})", 422); }

using Value = std::optional<std::string_view>;

Value first(const server::Fields& query, std::string_view key) {
  for (const auto& [name, value] : query) {
    if (name == key) return value;
  }
  return std::nullopt;
}

bool is_on(const Value& value) {
  return value && *value != "0" && !(value->size() == 5 && ::strncasecmp(value->data(), "false", 5) == 0);
}

// False when there is a value that is no number; an empty one is none.
bool read_number(const Value& value, std::optional<std::int64_t>& out) {
  if (!value) return true;
  std::string_view text = *value;
  const bool plus = text.starts_with('+');
  if (plus) text.remove_prefix(1);
  if (plus && text.starts_with('-')) return false;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  out = number;
  return true;
}

// Empty and "null" are the zero time: older clients write a time that is not set like this.
bool read_time(const Value& value, std::optional<LogTime>& out) {
  if (!value) return true;
  out = value->empty() || *value == "null" ? kZeroTime : parse_log_time(*value);
  return out.has_value();
}

// The legacy "tail" goes before "tailLines".
Value tail_lines(const server::Fields& query) {
  const Value tail = first(query, "tail");
  if (!tail || tail->empty()) return first(query, "tailLines");
  return *tail == "all" ? Value() : tail;
}

std::int64_t whole_seconds(base::SystemTime when) {
  return std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count();
}

LogTime seconds_before(base::SystemTime now, std::int64_t seconds) {
  const auto part = now - std::chrono::floor<std::chrono::seconds>(now);
  return LogTime{whole_seconds(now) - seconds, static_cast<std::int32_t>(std::chrono::nanoseconds(part).count())};
}

}  // namespace

Result<LogOptions> parse_log_query(const server::Fields& query, base::SystemTime now) {
  LogOptions options;
  options.follow = is_on(first(query, "follow"));
  options.previous = is_on(first(query, "previous"));
  options.timestamps = is_on(first(query, "timestamps"));
  std::optional<std::int64_t> since_seconds;
  if (!read_number(tail_lines(query), options.tail) || !read_number(first(query, "limitBytes"), options.limit) ||
      !read_number(first(query, "sinceSeconds"), since_seconds) ||
      !read_time(first(query, "sinceTime"), options.since)) {
    return undecodable();
  }
  if (options.tail && *options.tail < 0) return invalid();
  if (options.limit && *options.limit < 1) return invalid();
  if (since_seconds && (*since_seconds < 1 || options.since)) return invalid();
  if (since_seconds) options.since = seconds_before(now, *since_seconds);
  const Value stream = first(query, "stream");
  if (!stream || *stream == "All") return options;
  // A single stream has no tail: its records are counted in the file, where both are.
  if ((*stream != "Stdout" && *stream != "Stderr") || options.tail) return invalid();
  options.stream = *stream;
  return options;
}

}  // namespace keelson::logs
