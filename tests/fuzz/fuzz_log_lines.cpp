// Container logs, which runtimes write and containers fill: whatever is in them, what is shown does not depend on how
// the bytes came, a limit cuts it and no more, and what is held stays within its bound. The first byte says what is
// asked for and where the pieces are cut, the rest is the log.
#include <algorithm>
#include <string>

#include "agent/logs/log_text.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson::logs;

struct Shown {
  std::string text;
  bool supported = true;
};

Shown show(std::string_view log, const LogOptions& options, std::size_t held, std::size_t piece) {
  LogText lines(options, held);
  Shown out;
  while (!log.empty() && out.supported) {
    const std::string_view part = log.substr(0, piece);
    log.remove_prefix(part.size());
    out.supported = lines.feed(part, out.text).ok();
  }
  if (out.supported) out.supported = lines.finish(out.text).ok();
  KEELSON_CHECK(!options.limit || out.text.size() <= static_cast<std::size_t>(*options.limit));
  return out;
}

void check_times(std::string_view log) {
  const std::string_view word = log.substr(0, log.find(' '));
  const auto time = parse_log_time(word);
  if (!time) return;
  std::string prefix;
  append_time_prefix(prefix, word);
  KEELSON_CHECK(prefix.ends_with(' '));
  prefix.pop_back();
  KEELSON_CHECK(parse_log_time(prefix) == time);
}

}  // namespace

KEELSON_FUZZ_ENTRY(keelson_fuzz_log_lines) {
  if (input.empty()) return;
  const auto knobs = static_cast<unsigned char>(input.front());
  const std::string_view log = input.substr(1);
  check_times(log);

  LogOptions options;
  options.timestamps = (knobs & 1) != 0;
  if ((knobs & 2) != 0) options.since = parse_log_time("2026-01-02T03:04:05.5Z");
  if ((knobs & 4) != 0) options.tail = 3;
  const std::size_t held = (knobs & 8) != 0 ? 64 : LogLines::most_held;
  const Shown whole = show(log, options, held, log.size() + 1);
  const Shown pieces = show(log, options, held, 1 + (knobs >> 4));
  KEELSON_CHECK(whole.text == pieces.text && whole.supported == pieces.supported);
  // With a time before each record there is at most 31 bytes of it for 40 of a record's head.
  KEELSON_CHECK(whole.text.size() <= 2 * log.size() + 64);

  options.limit = 20;
  const Shown cut = show(log, options, held, 7);
  KEELSON_CHECK(cut.text == whole.text.substr(0, 20));
}
