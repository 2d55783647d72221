// PipedProgram: a program whose output is taken piece by piece while it runs, however much it writes.
//
// Standard output and standard error come as they are written, one piece at a time; the program waits while nobody
// takes them. It runs in a process group of its own, which is killed at kill(), at the moment of kill_at(), and when
// this object goes; it is then waited for in the background. Owner: a task on the loop, which awaits each call before
// the next. Thread: the loop. What fails: start(): there is no such program, or it cannot be started.
// Source: posix_spawn(3), pidfd_open(2). base::run_process() is for programs that say little.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"

namespace keelson::node_api {

// Who takes the pieces.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  // False: no more is wanted.
  virtual base::Task<bool> take(std::string piece) = 0;
};

class PipedProgram {
 public:
  explicit PipedProgram(base::Loop& loop);
  ~PipedProgram();
  PipedProgram(const PipedProgram&) = delete;
  PipedProgram& operator=(const PipedProgram&) = delete;

  // `argv` begins with the program; only the given environment ("NAME=value").
  Status start(std::vector<std::string> argv, std::vector<std::string> environment);
  void kill_at(base::Clock& clock, base::SteadyTime when);
  void kill();
  // Until it has written all, or the sink wants no more, which kills it.
  base::Task<void> read(PieceSink& sink);
  // Its exit code; -1: it was killed.
  base::Task<int> wait();

 private:
  using Stream = boost::asio::posix::stream_descriptor;
  struct Process;

  base::Task<void> pump(Stream& stream, PieceSink& sink);

  base::Loop& loop_;
  std::shared_ptr<Process> process_;
  Stream out_;
  Stream err_;
  base::Semaphore turn_;
  bool unwanted_ = false;
  std::unique_ptr<base::Alarm> alarm_;
};

}  // namespace keelson::node_api
