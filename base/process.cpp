#include "base/process.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <memory>

#include "base/gate.hpp"
#include "base/spawn.hpp"
#include "base/when_all.hpp"

namespace keelson::base {
namespace {

using Stream = boost::asio::posix::stream_descriptor;

constexpr Duration kDeathLimit = std::chrono::seconds(5);  // from SIGKILL to its end

// A child process and the ends of its pipes; killed with its group when it is still there at the end.
class Child {
 public:
  explicit Child(Loop& loop) : out(loop.context()), err(loop.context()), ended(loop.context()) {}
  ~Child() {
    kill();
    reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Status start(ProcessRequest& request) {
    std::vector<std::string> arguments = {request.command};
    arguments.insert(arguments.end(), request.args.begin(), request.args.end());
    std::vector<std::string> variables;
    for (const auto& [name, value] : request.environment) variables.push_back(name + "=" + value);
    StartedProgram started;
    Status done = start_program(std::move(arguments), std::move(variables), request.input, started);
    pid_ = started.pid;
    if (!done.ok()) return done;
    ended.assign(started.ended.release());
    out.assign(started.out.release());
    err.assign(started.err.release());
    return {};
  }
  void kill() {
    if (pid_ > 0 && !reaped_) ::kill(-pid_, SIGKILL);
  }
  // True once it has ended.
  bool reap() {
    if (pid_ > 0 && !reaped_ && ::waitpid(pid_, &status, WNOHANG) == pid_) reaped_ = true;
    return reaped_;
  }

  Stream out;
  Stream err;
  Stream ended;
  int status = 0;

 private:
  pid_t pid_ = -1;
  bool reaped_ = false;
};

// Until the end of the stream; what is beyond `limit` is read and dropped, and told by `*too_much`.
Task<void> read_all(Stream* stream, std::string* text, std::size_t limit, bool* too_much) {
  char buffer[4096];
  while (true) {
    boost::system::error_code error;
    const std::size_t got = co_await stream->async_read_some(
        boost::asio::buffer(buffer), boost::asio::redirect_error(boost::asio::use_awaitable, error));
    if (error == boost::asio::error::operation_aborted) throw boost::system::system_error(error);
    if (error) co_return;
    const std::size_t room = limit - text->size();
    if (got > room) *too_much = true;
    text->append(buffer, std::min(got, room));
  }
}

Task<void> wait_for_end(std::shared_ptr<Child> child) {
  while (!child->reap()) co_await child->ended.async_wait(Stream::wait_read, boost::asio::use_awaitable);
}

Task<void> communicate(std::shared_ptr<Child> child, ProcessResult* result, std::size_t limit, bool* too_much) {
  std::vector<Task<void>> readers;
  readers.push_back(read_all(&child->out, &result->out, limit, too_much));
  readers.push_back(read_all(&child->err, &result->err, limit, too_much));
  co_await when_all(std::move(readers));
  co_await wait_for_end(child);
}

}  // namespace

Task<Result<ProcessResult>> run_process(Loop& loop, Clock& clock, ProcessRequest request) {
  auto child = std::make_shared<Child>(loop);
  auto started = child->start(request);
  if (!started.ok()) co_return std::move(started).error();
  ProcessResult result;
  bool too_much = false;
  const bool done =
      co_await with_timeout(clock, request.limit, communicate(child, &result, request.max_output, &too_much));
  if (!done) {
    child->kill();
    co_await with_timeout(clock, kDeathLimit, wait_for_end(child));
    co_return Error(ErrorKind::deadline_exceeded,
                    request.command + " did not end within " +
                        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(request.limit).count()) + "s");
  }
  if (too_much) {
    co_return Error(ErrorKind::exhausted,
                    request.command + " wrote more than " + std::to_string(request.max_output) + " bytes");
  }
  if (WIFSIGNALED(child->status)) result.signal = WTERMSIG(child->status);
  if (WIFEXITED(child->status)) result.exit_code = WEXITSTATUS(child->status);
  co_return result;
}

}  // namespace keelson::base
