// Logger: the agent's log, spdlog underneath.
//
// A message is a constant text with key=value fields: `log.info("Container started", {{"container", name}, {"id",
// id}})`. `log.with("pod", "ns/name")` gives a logger that puts that field first. Formats: text lines (`I1120
// 11:12:13.000000 msg key="value"`), the same with systemd priority prefixes (`<6>`) when standard error is the
// journal, or one JSON object a line. Verbosity follows klog: `log.debug(4, ...)` shows at -v=4 and above. Owner:
// main() or a test makes one sink (LogSink) and hands Loggers, cheap values, to everybody. Any thread may log. Source:
// DESIGN "Errors, logs"; STYLE rule 14; sd-daemon(3) for the prefixes.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::base {

enum class LogLevel { debug, info, warning, error };
enum class LogFormat { text, journald, json };

struct LogField {
  std::string key;
  std::string value;
  bool number = false;  // written without quotes

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const Error& e) : key(k), value(e.to_string()) {}
  template <class N>
  requires std::is_arithmetic_v<N> LogField(std::string_view k, N v) : key(k), value(std::to_string(v)), number(true) {
    if constexpr (std::is_same_v<N, bool>) value = v ? "true" : "false";
  }
};
using LogFields = std::vector<LogField>;

// Where lines go. `write` gets one finished line without its newline.
class LogSink {
 public:
  // Writes to standard error through spdlog.
  LogSink(LogFormat format, int verbosity);
  // For tests: lines go to `write` instead.
  LogSink(LogFormat format, int verbosity, std::function<void(std::string_view)> write);
  ~LogSink();

  void set_verbosity(int verbosity);
  int verbosity() const;
  LogFormat format() const;
  void write(LogLevel level, std::string_view message, const LogFields& prefix, const LogFields& fields);
  void flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// text, or journald when JOURNAL_STREAM names our standard error (systemd.exec(5)).
LogFormat default_text_format();

class Logger {
 public:
  Logger() = default;  // drops everything
  explicit Logger(std::shared_ptr<LogSink> sink) : sink_(std::move(sink)) {}

  Logger with(std::string_view key, std::string_view value) const;

  void debug(int verbosity, std::string_view message, const LogFields& fields = {}) const;
  void info(std::string_view message, const LogFields& fields = {}) const;
  void warning(std::string_view message, const LogFields& fields = {}) const;
  void error(std::string_view message, const LogFields& fields = {}) const;

 private:
  std::shared_ptr<LogSink> sink_;
  LogFields prefix_;
};

}  // namespace keelson::base
