#include "agent/logs/log_line.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/go_text.hpp"

namespace keelson::logs {
namespace {

bool is_stream(std::string_view name) { return name == "stdout" || name == "stderr"; }

// The word up to the next blank, which is taken off `rest` with it.
std::optional<std::string_view> take_word(std::string_view& rest) {
  const auto blank = rest.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const std::string_view word = rest.substr(0, blank);
  rest.remove_prefix(blank + 1);
  return word;
}

std::optional<std::string> text_member(const nlohmann::json& object, const char* key) {
  const auto member = object.find(key);
  if (member == object.end() || !member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

Error unsupported(std::string_view line) {
  return Error(ErrorKind::invalid, "failed to get parse function: unsupported log format: " + base::go_quote(line));
}

}  // namespace

std::optional<CriRecord> parse_cri_line(std::string_view line) {
  CriRecord record;
  const auto time = take_word(line);
  const auto when = time ? parse_log_time(*time) : std::nullopt;
  if (!when) return std::nullopt;
  const auto stream = take_word(line);
  if (!stream || !is_stream(*stream)) return std::nullopt;
  const auto tags = take_word(line);
  if (!tags) return std::nullopt;
  record.time = *time;
  record.when = *when;
  record.part = tags->substr(0, tags->find(':')) == "P";
  if (record.part && line.ends_with('\n')) line.remove_suffix(1);
  record.content = line;
  return record;
}

std::optional<DockerRecord> parse_docker_line(std::string_view line) {
  if (!line.starts_with('{')) return std::nullopt;
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  auto content = text_member(object, "log");
  auto stream = text_member(object, "stream");
  auto time = text_member(object, "time");
  if (!content || !stream || !time || !is_stream(*stream)) return std::nullopt;
  const auto when = parse_log_time(*time);
  if (!when) return std::nullopt;
  return DockerRecord{std::move(*time), *when, std::move(*content)};
}

void LogLines::start_over() {
  state_ = State::holding;
  held_ = std::string();
}

Status LogLines::feed(std::string_view bytes, const See& see) {
  while (!bytes.empty() && !stopped_) {
    const auto newline = bytes.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::string_view part = bytes.substr(0, whole ? newline + 1 : bytes.size());
    bytes.remove_prefix(part.size());
    switch (state_) {
      case State::holding: KEELSON_TRY(hold(part, whole, see)); break;
      case State::flowing: flow(part, whole, see); break;
      case State::skipping:
        if (whole) state_ = State::holding;
        break;
    }
  }
  return {};
}

Status LogLines::finish(const See& see) {
  if (stopped_) return {};
  if (state_ == State::flowing) flow("", true, see);
  state_ = State::holding;
  if (held_.empty()) return {};
  const std::string line = std::exchange(held_, {});
  return take_line(line, see);
}

Status LogLines::hold(std::string_view part, bool whole, const See& see) {
  if (whole && held_.empty() && part.size() <= most_held_) return take_line(part, see);
  const std::string_view fits = part.substr(0, most_held_ - held_.size());
  held_.append(fits);
  part.remove_prefix(fits.size());
  if (whole && part.empty()) {
    const std::string line = std::exchange(held_, {});
    return take_line(line, see);
  }
  if (held_.size() < most_held_) return {};
  KEELSON_TRY(begin_long(see));
  if (state_ == State::flowing && !stopped_ && !part.empty()) flow(part, whole, see);
  if (state_ == State::skipping && whole) state_ = State::holding;
  return {};
}

Status LogLines::begin_long(const See& see) {
  const std::string head = std::exchange(held_, {});
  const auto record = format_ == Format::docker ? std::nullopt : parse_cri_line(head);
  if (!record && format_ == Format::unknown) return unsupported(head);
  state_ = record ? State::flowing : State::skipping;
  if (!record) return {};
  format_ = Format::cri;
  long_is_part_ = record->part;
  stopped_ = !see(LogPiece{record->time, record->when, record->content, true, false});
  return {};
}

void LogLines::flow(std::string_view part, bool whole, const See& see) {
  if (long_is_part_ && part.ends_with('\n')) part.remove_suffix(1);
  if (whole) state_ = State::holding;
  stopped_ = !see(LogPiece{{}, {}, part, false, whole});
}

Status LogLines::take_line(std::string_view line, const See& see) {
  const auto cri = format_ == Format::docker ? std::nullopt : parse_cri_line(line);
  if (cri) {
    format_ = Format::cri;
    stopped_ = !see(LogPiece{cri->time, cri->when, cri->content, true, true});
    return {};
  }
  if (format_ == Format::cri) return {};
  const auto docker = parse_docker_line(line);
  if (docker) {
    format_ = Format::docker;
    stopped_ = !see(LogPiece{docker->time, docker->when, docker->content, true, true});
    return {};
  }
  if (format_ == Format::unknown) return unsupported(line);
  return {};
}

}  // namespace keelson::logs
