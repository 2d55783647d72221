#include "agent/logs/log_reader.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace keelson::logs {
namespace {

constexpr auto kLimit = std::chrono::seconds(30);  // for one step

}  // namespace

LogReader::LogReader(Base base)
    : loop_(base.loop),
      clock_(base.clock),
      pool_(base.pool),
      watch_(base.loop, std::move(base.log)),
      lives_(base.loop, base.clock, base.state) {}

base::Task<void> LogReader::stop() {
  co_await lives_.stop();
  co_await watch_.stop();
}

base::Task<Status> LogReader::read(LogOrder order, LogSink& sink) {
  auto opened = co_await open(order.path, order.options);
  if (!opened.ok()) co_return std::move(opened).error();
  const LogCursorPtr cursor = *opened;
  for (bool there = false; !there;) {
    auto found = co_await seek(cursor);
    if (!found.ok()) co_return std::move(found).error();
    there = *found;
  }
  if (order.options.follow) co_return co_await follow(cursor, order.container_id, sink);

  auto copied = co_await copy(cursor, sink);
  if (!copied.ok()) co_return std::move(copied).error();
  if (*copied != Copied::drained) co_return Status();
  auto rest = cursor->finish();
  if (!rest.ok()) co_return std::move(rest).error();
  if (!rest->out.empty()) (void)co_await sink.write(std::move(rest->out));
  co_return Status();
}

// Not coroutines: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<LogCursorPtr>> LogReader::open(std::string path, LogOptions options) {
  return pool_.run<LogCursorPtr>("open log file " + path, kLimit,
                                 [path, options] { return LogCursor::open(path, options); });
}

base::Task<Result<bool>> LogReader::seek(LogCursorPtr cursor) {
  return pool_.run<bool>("search the tail of log file " + cursor->path(), kLimit, [cursor] { return cursor->seek(); });
}

base::Task<Result<LogCursor::Step>> LogReader::read_on_pool(LogCursorPtr cursor) {
  return pool_.run<LogCursor::Step>("read log file " + cursor->path(), kLimit, [cursor] { return cursor->read(); });
}

base::Task<Result<bool>> LogReader::next_file(LogCursorPtr cursor) {
  return pool_.run<bool>("look for what follows log file " + cursor->path(), kLimit,
                         [cursor] { return cursor->next_file(); });
}

base::Task<Result<LogCursor::Step>> LogReader::step(LogCursorPtr cursor, bool peek) {
  if (peek) {
    auto seen = cursor->peek();
    if (!seen.ok() || seen->end != LogCursor::Step::End::blocked) co_return seen;
  }
  co_return co_await read_on_pool(std::move(cursor));
}

base::Task<Result<LogReader::Copied>> LogReader::copy(LogCursorPtr cursor, LogSink& sink) {
  using End = LogCursor::Step::End;
  // Once more than a piece is there, it is the pool's: the loop has others to serve.
  for (bool peek = true;; peek = false) {
    auto read = co_await step(cursor, peek);
    if (!read.ok()) co_return std::move(read).error();
    if (!read->out.empty()) {
      const Status written = co_await sink.write(std::move(read->out));
      if (!written.ok()) co_return Copied::sink_gone;
    }
    if (read->end == End::done) co_return Copied::done;
    if (read->end == End::drained) co_return Copied::drained;
  }
}

base::Task<Status> LogReader::follow(LogCursorPtr cursor, std::string container_id, LogSink& sink) {
  base::Notification bell(loop_);
  const auto ear = watch_.listen(cursor->path(), bell);
  const auto life = lives_.follow(container_id, bell);
  std::optional<base::SteadyTime> replaced;  // since when another file has the log's name
  bool closed = false;                       // by the runtime, after it was given another name
  bool owed = false;                         // the file before was left when it was not closed yet
  life->check();
  while (true) {
    // All of this is asked before reading: what was written until then is read below.
    const bool ended = life->ended();
    const base::SteadyTime before = clock_.steady_now();
    if (cursor->look() != LogCursor::Look::replaced) {
      replaced.reset();
    } else if (!replaced) {
      replaced = before;
    }
    // One that was not waited for belongs to the rotation before.
    if (ear->take_rotated_closed() && !std::exchange(owed, false)) closed = true;
    const bool over = replaced && (closed || ended || before >= *replaced + late_lines);

    auto copied = co_await copy(cursor, sink);
    if (!copied.ok()) co_return std::move(copied).error();
    if (*copied != Copied::drained) co_return Status();
    if (over) {
      auto next = co_await next_file(cursor);
      if (!next.ok()) co_return std::move(next).error();
      if (*next) {
        replaced.reset();
        owed = !std::exchange(closed, false);
        continue;
      }
    }
    if (ended) co_return Status();

    if (life->suspected()) life->check();
    const base::SteadyTime now = clock_.steady_now();
    base::SteadyTime until = now + forced_look;
    if (replaced && !over) until = std::min(until, std::max(now, *replaced + late_lines));
    if (life->due() > now) until = std::min(until, life->due());
    const bool rung = co_await bell.wait_until(clock_, until);
    if (ear->take_closed()) {
      life->suspect();
    } else if (!rung) {
      life->check();
    }
  }
}

}  // namespace keelson::logs
