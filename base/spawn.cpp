#include "base/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace keelson::base {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return errno_error("pipe", errno);
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // Our end only: the program's own writes may block.
  if (::fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) return errno_error("fcntl", errno);
  return pipe;
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
  all.reserve(texts.size() + 1);
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

}  // namespace

Status start_program(std::vector<std::string> argv, std::vector<std::string> environment, const std::string& input,
                     StartedProgram& started) {
  auto in = input_of(input);
  if (!in.ok()) return std::move(in).error();
  auto out = make_pipe();
  if (!out.ok()) return std::move(out).error();
  auto err = make_pipe();
  if (!err.ok()) return std::move(err).error();
  const SpawnOptions options(in->get(), out->write.get(), err->write.get());
  const std::string program = argv.front();
  const int failed = ::posix_spawnp(&started.pid, program.c_str(), options.actions(), options.attributes(),
                                    pointers(argv).data(), pointers(environment).data());
  if (failed != 0) {
    started.pid = -1;
    return errno_error("start " + program, failed);
  }
  started.ended = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, started.pid, 0)));
  if (!started.ended) return errno_error("pidfd_open", errno);
  started.out = std::move(out->read);
  started.err = std::move(err->read);
  return {};
}

}  // namespace keelson::base
