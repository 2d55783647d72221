#include "agent/logs/log_text.hpp"

#include <algorithm>
#include <limits>

namespace keelson::logs {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

std::uint64_t limit_of(const std::optional<std::int64_t>& limit) {
  return limit ? static_cast<std::uint64_t>(*limit) : kUnlimited;
}

}  // namespace

LogText::LogText(const LogOptions& options, std::size_t held)
    : options_(options),
      lines_(held),
      bytes_left_(limit_of(options.limit)),
      records_left_(options.follow ? kUnlimited : limit_of(options.tail)) {}

Status LogText::feed(std::string_view bytes, std::string& out) {
  if (done()) return {};
  return lines_.feed(bytes, [&](const LogPiece& piece) { return take(piece, out); });
}

Status LogText::finish(std::string& out) {
  if (done()) return {};
  return lines_.finish([&](const LogPiece& piece) { return take(piece, out); });
}

bool LogText::take(const LogPiece& piece, std::string& out) {
  if (piece.begins) {
    shown_ = !options_.since || piece.when >= *options_.since;
    empty_ = true;
    if (shown_ && options_.timestamps && line_begins_) {
      std::string prefix;
      append_time_prefix(prefix, piece.time);
      put(prefix, out);
    }
  }
  if (!piece.content.empty()) {
    empty_ = false;
    ends_line_ = piece.content.back() == '\n';
    if (shown_) put(piece.content, out);
  }
  if (piece.ends) {
    line_begins_ = empty_ || ends_line_;
    // Those that are too old count: the end of the file was looked at first.
    if (records_left_ != kUnlimited) --records_left_;
  }
  return !done();
}

void LogText::put(std::string_view bytes, std::string& out) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), bytes_left_));
  out.append(bytes.substr(0, size));
  if (bytes_left_ != kUnlimited) bytes_left_ -= size;
}

}  // namespace keelson::logs
