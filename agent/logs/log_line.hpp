// LogLines: the records of a container's log file, out of its bytes in pieces of any size.
//
// A record is a line of the file in the CRI format, "TIME STREAM TAGS CONTENT", or in Docker's JSON format; which of
// them the first line decides. Nothing of a record is given out before its end has come, unless it is longer than
// `held`: one in the CRI format then goes out in pieces, one in JSON is skipped, so that memory stays bounded
// whatever a container writes. Lines that cannot be read are skipped. Owner: LogText. Thread: any, one at a time. What
// fails: a first line in neither format. Source: contract 05 §8.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/logs/log_time.hpp"
#include "base/result.hpp"

namespace keelson::logs {

struct CriRecord {
  std::string_view time;
  LogTime when;
  bool part = false;         // tag P: the next record goes on with the same line
  std::string_view content;  // with the newline of a full record, if the line has one
};
std::optional<CriRecord> parse_cri_line(std::string_view line);

struct DockerRecord {
  std::string time;
  LogTime when;
  std::string content;
};
std::optional<DockerRecord> parse_docker_line(std::string_view line);

// A record, or a piece of a long one. The views are good during the call only.
struct LogPiece {
  std::string_view time;  // as written; only where the record begins
  LogTime when;           // as `time`
  std::string_view content;
  bool begins = true;
  bool ends = true;
};

class LogLines {
 public:
  static constexpr std::size_t most_held = 256 * 1024;

  explicit LogLines(std::size_t held = most_held) : most_held_(held) {}

  // Answers whether to go on.
  using See = std::function<bool(const LogPiece&)>;

  Status feed(std::string_view bytes, const See& see);
  // The file ends here: its last record may have no newline.
  Status finish(const See& see);
  // Another file goes on; what was incomplete is forgotten.
  void start_over();

 private:
  enum class Format { unknown, cri, docker };
  enum class State { holding, flowing, skipping };

  Status hold(std::string_view part, bool whole, const See& see);
  void flow(std::string_view part, bool whole, const See& see);
  Status take_line(std::string_view line, const See& see);
  Status begin_long(const See& see);

  std::size_t most_held_;
  Format format_ = Format::unknown;
  State state_ = State::holding;
  bool stopped_ = false;
  bool long_is_part_ = false;  // the record that flows has tag P
  std::string held_;
};

}  // namespace keelson::logs
