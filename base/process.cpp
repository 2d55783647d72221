#include "base/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <memory>

#include "base/file.hpp"
#include "base/gate.hpp"
#include "base/when_all.hpp"

namespace keelson::base {
namespace {

using Stream = boost::asio::posix::stream_descriptor;

constexpr Duration kDeathLimit = std::chrono::seconds(5);  // from SIGKILL to its end

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return errno_error("pipe", errno);
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// What the program reads: the text from its start, then the end of the file.
Result<UniqueFd> input_of(const std::string& text) {
  UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  if (!fd) return errno_error("memfd_create", errno);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t wrote = ::pwrite(fd.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return errno_error("write a program's input", errno);
    done += static_cast<std::size_t>(wrote);
  }
  return fd;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// posix_spawn's two option objects.
class SpawnOptions {
 public:
  SpawnOptions(int in, int out, int err) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, in, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    for (const int number : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&signals, number);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnOptions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

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
    auto input = input_of(request.input);
    if (!input.ok()) return std::move(input).error();
    auto out_pipe = make_pipe();
    if (!out_pipe.ok()) return std::move(out_pipe).error();
    auto err_pipe = make_pipe();
    if (!err_pipe.ok()) return std::move(err_pipe).error();
    std::vector<std::string> arguments = {request.command};
    arguments.insert(arguments.end(), request.args.begin(), request.args.end());
    std::vector<std::string> variables;
    for (const auto& [name, value] : request.environment) variables.push_back(name + "=" + value);
    const SpawnOptions options(input->get(), out_pipe->write.get(), err_pipe->write.get());
    const int failed = ::posix_spawnp(&pid_, request.command.c_str(), options.actions(), options.attributes(),
                                      pointers(arguments).data(), pointers(variables).data());
    if (failed != 0) {
      pid_ = -1;
      return errno_error("start " + request.command, failed);
    }
    UniqueFd pid_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!pid_fd) return errno_error("pidfd_open", errno);
    ended.assign(pid_fd.release());
    out.assign(out_pipe->read.release());
    err.assign(err_pipe->read.release());
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
