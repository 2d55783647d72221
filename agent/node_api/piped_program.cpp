#include "agent/node_api/piped_program.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "base/spawn.hpp"
#include "base/when_all.hpp"

namespace keelson::node_api {
namespace {

namespace asio = base::asio;

constexpr std::size_t kPiece = 32 * 1024;

}  // namespace

struct PipedProgram::Process {
  explicit Process(base::Loop& loop) : ended(loop.context()) {}
  ~Process() { kill(); }

  void kill() {
    if (pid > 0 && !reaped) ::kill(-pid, SIGKILL);
  }
  // True once it has ended.
  bool reap() {
    if (pid > 0 && !reaped && ::waitpid(pid, &status, WNOHANG) == pid) reaped = true;
    return reaped || pid <= 0;
  }

  Stream ended;  // readable then
  pid_t pid = -1;
  bool reaped = false;
  int status = 0;
};

PipedProgram::PipedProgram(base::Loop& loop)
    : loop_(loop),
      process_(std::make_shared<Process>(loop)),
      out_(loop.context()),
      err_(loop.context()),
      turn_(loop, 1) {}

PipedProgram::~PipedProgram() {
  process_->kill();
  if (process_->reap() || !process_->ended.is_open()) return;
  // It ends in a moment; until then it is kept by its own descriptor.
  auto& ended = process_->ended;
  ended.async_wait(Stream::wait_read, [process = process_](const boost::system::error_code&) { process->reap(); });
}

Status PipedProgram::start(std::vector<std::string> argv, std::vector<std::string> environment) {
  base::StartedProgram started;
  Status done = base::start_program(std::move(argv), std::move(environment), "", started);
  process_->pid = started.pid;
  if (!done.ok()) {
    // Nothing tells when it ends, but it has only just begun.
    process_->kill();
    if (started.pid > 0) ::waitpid(started.pid, &process_->status, 0);
    process_->reaped = true;
    return done;
  }
  process_->ended.assign(started.ended.release());
  out_.assign(started.out.release());
  err_.assign(started.err.release());
  return {};
}

void PipedProgram::kill() { process_->kill(); }

void PipedProgram::kill_at(base::Clock& clock, base::SteadyTime when) {
  alarm_ = clock.set_alarm(when, [process = process_] { process->kill(); });
}

base::Task<void> PipedProgram::pump(Stream& stream, PieceSink& sink) {
  std::string buffer(kPiece, '\0');
  while (true) {
    boost::system::error_code error;
    const std::size_t got =
        co_await stream.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    if (error) co_return;
    const auto turn = co_await turn_.acquire();
    if (unwanted_) co_return;
    std::string piece = buffer.substr(0, got);
    const bool more = co_await sink.take(std::move(piece));
    if (more) continue;
    unwanted_ = true;
    kill();
    co_return;
  }
}

base::Task<void> PipedProgram::read(PieceSink& sink) {
  std::vector<base::Task<void>> pumps;
  pumps.push_back(pump(out_, sink));
  pumps.push_back(pump(err_, sink));
  co_await base::when_all(std::move(pumps));
}

base::Task<int> PipedProgram::wait() {
  while (!process_->reap()) co_await process_->ended.async_wait(Stream::wait_read, asio::use_awaitable);
  alarm_.reset();
  co_return WIFEXITED(process_->status) ? WEXITSTATUS(process_->status) : -1;
}

}  // namespace keelson::node_api
