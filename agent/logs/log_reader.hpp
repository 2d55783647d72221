// LogReader: gives a container's log, or the end of it, to whoever asks, and goes on with it as it grows.
//
// Reads what the page cache has on the loop, 64 KiB at most, and all else on the pool; goes on when the sink has taken
// what it was given, so that a slow client holds back nobody but itself. Following goes over to the new file when the
// log is rotated, once the runtime has closed the old one or `late_lines` have passed, so that no line between them is
// lost; it ends with the container, after the log's last byte. Owner: the agent's wiring; give it a pool of its own, or
// reads of a dead disk take the threads of others. Thread: the loop. Stops: read() with its task, at once; when all
// have ended, stop(). What fails: the log, with the kubelet's texts, which are for the client; a sink that fails ends
// read() without an error. Source: contract 05 §8.
#pragma once

#include <chrono>
#include <string>

#include "agent/logs/container_lives.hpp"
#include "agent/logs/log_cursor.hpp"
#include "agent/logs/log_options.hpp"
#include "agent/logs/log_watch.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::logs {

class LogSink {
 public:
  virtual ~LogSink() = default;
  // Returns when more may come.
  virtual base::Task<Status> write(std::string bytes) = 0;
};

struct LogOrder {
  std::string path;
  std::string container_id;
  LogOptions options;
};

class LogReader {
 public:
  static constexpr base::Duration forced_look = std::chrono::seconds(1);
  static constexpr base::Duration late_lines = std::chrono::milliseconds(250);

  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::BlockingPool& pool;
    ContainerState& state;
    base::Logger log;
  };
  explicit LogReader(Base base);

  base::Task<Status> read(LogOrder order, LogSink& sink);
  base::Task<void> stop();

 private:
  enum class Copied { drained, done, sink_gone };

  base::Task<Result<LogCursorPtr>> open(std::string path, LogOptions options);
  base::Task<Result<bool>> seek(LogCursorPtr cursor);
  base::Task<Result<LogCursor::Step>> read_on_pool(LogCursorPtr cursor);
  base::Task<Result<bool>> next_file(LogCursorPtr cursor);

  base::Task<Result<LogCursor::Step>> step(LogCursorPtr cursor, bool peek);
  base::Task<Result<Copied>> copy(LogCursorPtr cursor, LogSink& sink);
  base::Task<Status> follow(LogCursorPtr cursor, std::string container_id, LogSink& sink);

  base::Loop& loop_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  LogWatch watch_;
  ContainerLives lives_;
};

}  // namespace keelson::logs
