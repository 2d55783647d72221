#include "base/logger.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace keelson::base {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

constexpr char letter(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
    case LogLevel::info: return 'I';
    case LogLevel::warning: return 'W';
    case LogLevel::error: return 'E';
  }
  return 'I';
}

// sd-daemon(3) priorities.
constexpr std::string_view priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "<7>";
    case LogLevel::info: return "<6>";
    case LogLevel::warning: return "<4>";
    case LogLevel::error: return "<3>";
  }
  return "<6>";
}

// The length of the UTF-8 character at `pos`, or 0 where there is none.
std::size_t utf8_length(std::string_view text, std::size_t pos) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(pos);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead > 0xf4 || (lead >= 0x80 && lead < 0xc2) || pos + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(pos + i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(pos + 1) < 0xa0) || (lead == 0xf0 && byte(pos + 1) < 0x90);
  const bool surrogate = lead == 0xed && byte(pos + 1) >= 0xa0;
  const bool beyond = lead == 0xf4 && byte(pos + 1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

// One line and valid UTF-8 whatever comes in: log texts quote names, paths and messages of other programs.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t length = utf8_length(text, pos);
    const char c = text[pos];
    if (length == 0) {
      out += "\uFFFD";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (quotes && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
      out += escaped.data();
    } else {
      out += text.substr(pos, length);
    }
    pos += std::max<std::size_t>(length, 1);
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, true);
  out += '"';
}

void append_field(std::string& out, const LogField& field) {
  out += ' ';
  out += field.key;
  out += '=';
  if (field.number) {
    out += field.value;
  } else {
    append_quoted(out, field.value);
  }
}

struct Stamp {
  std::tm local{};
  long micros = 0;
  double seconds = 0;
};

Stamp stamp_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  Stamp stamp;
  localtime_r(&now.tv_sec, &stamp.local);
  stamp.micros = now.tv_nsec / 1000;
  stamp.seconds = static_cast<double>(now.tv_sec) * 1000.0 + static_cast<double>(now.tv_nsec) / 1e6;
  return stamp;
}

std::string text_line(LogLevel level, std::string_view message, const LogFields& prefix, const LogFields& fields) {
  const Stamp stamp = stamp_now();
  char head[48];
  std::snprintf(head, sizeof head, "%c%02d%02d %02d:%02d:%02d.%06ld ", letter(level), stamp.local.tm_mon + 1,
                stamp.local.tm_mday, stamp.local.tm_hour, stamp.local.tm_min, stamp.local.tm_sec, stamp.micros);
  std::string line = head;
  append_quoted(line, message);
  for (const auto& field : prefix) append_field(line, field);
  for (const auto& field : fields) append_field(line, field);
  return line;
}

// The journal has its own time stamp and shows its own level.
std::string journald_line(LogLevel level, std::string_view message, const LogFields& prefix, const LogFields& fields) {
  std::string line(priority(level));
  append_escaped(line, message, false);
  for (const auto& field : prefix) append_field(line, field);
  for (const auto& field : fields) append_field(line, field);
  return line;
}

void append_json_member(std::string& line, const LogField& field) {
  line += ',';
  append_quoted(line, field.key);
  line += ':';
  // JSON has no nan and no inf.
  if (field.number && field.value != "nan" && field.value != "-nan" && field.value != "inf" && field.value != "-inf") {
    line += field.value;
  } else {
    append_quoted(line, field.value);
  }
}

std::string json_line(LogLevel level, int verbosity, std::string_view message, const LogFields& prefix,
                      const LogFields& fields) {
  char head[64];
  std::snprintf(head, sizeof head, "{\"ts\":%.4f,", stamp_now().seconds);
  std::string line = head;
  if (level == LogLevel::error) {
    line += "\"logger\":\"error\",";
  } else if (level == LogLevel::warning) {
    line += "\"logger\":\"warning\",";
  }
  line += "\"msg\":";
  append_quoted(line, message);
  line += ",\"v\":" + std::to_string(verbosity);
  for (const auto& field : prefix) append_json_member(line, field);
  for (const auto& field : fields) append_json_member(line, field);
  line += '}';
  return line;
}

}  // namespace

struct LogSink::State {
  LogFormat format;
  std::atomic<int> verbosity;
  std::function<void(std::string_view)> write;
  std::shared_ptr<spdlog::logger> logger;
};

LogSink::LogSink(LogFormat format, int verbosity) : LogSink(format, verbosity, nullptr) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  state_->logger = std::make_shared<spdlog::logger>("keelson", sink);
  state_->logger->set_pattern("%v");
  state_->logger->set_level(spdlog::level::trace);
  state_->logger->flush_on(spdlog::level::trace);
}

LogSink::LogSink(LogFormat format, int verbosity, std::function<void(std::string_view)> write)
    : state_(new State{format, {verbosity}, std::move(write), nullptr}) {}

LogSink::~LogSink() = default;

void LogSink::set_verbosity(int verbosity) { state_->verbosity = verbosity; }
int LogSink::verbosity() const { return state_->verbosity; }
LogFormat LogSink::format() const { return state_->format; }

void LogSink::write(LogLevel level, std::string_view message, const LogFields& prefix, const LogFields& fields) {
  std::string line;
  switch (state_->format) {
    case LogFormat::text: line = text_line(level, message, prefix, fields); break;
    case LogFormat::journald: line = journald_line(level, message, prefix, fields); break;
    case LogFormat::json: line = json_line(level, level == LogLevel::debug ? 4 : 0, message, prefix, fields); break;
  }
  if (state_->write) {
    state_->write(line);
  } else {
    state_->logger->log(spdlog_level(level), "{}", line);
  }
}

void LogSink::flush() {
  if (state_->logger) state_->logger->flush();
}

LogFormat default_text_format() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || fstat(STDERR_FILENO, &info) != 0) return LogFormat::text;
  unsigned long long device = 0;
  unsigned long long inode = 0;
  if (std::sscanf(stream, "%llu:%llu", &device, &inode) != 2) return LogFormat::text;
  return device == info.st_dev && inode == info.st_ino ? LogFormat::journald : LogFormat::text;
}

Logger Logger::with(std::string_view key, std::string_view value) const {
  Logger copy = *this;
  copy.prefix_.emplace_back(key, value);
  return copy;
}

void Logger::debug(int verbosity, std::string_view message, const LogFields& fields) const {
  if (sink_ && sink_->verbosity() >= verbosity) sink_->write(LogLevel::debug, message, prefix_, fields);
}
void Logger::info(std::string_view message, const LogFields& fields) const {
  if (sink_) sink_->write(LogLevel::info, message, prefix_, fields);
}
void Logger::warning(std::string_view message, const LogFields& fields) const {
  if (sink_) sink_->write(LogLevel::warning, message, prefix_, fields);
}
void Logger::error(std::string_view message, const LogFields& fields) const {
  if (sink_) sink_->write(LogLevel::error, message, prefix_, fields);
}

}  // namespace keelson::base
