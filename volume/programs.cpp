#include "volume/programs.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "base/spawn.hpp"

namespace keelson::volume {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kDeathLimit = std::chrono::seconds(5);  // from SIGKILL to its end
constexpr std::size_t kMaxSaid = 600;                  // of a program's words in a text of ours

std::vector<std::string> our_environment() {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (!variable.starts_with("LC_ALL=") && !variable.starts_with("LANGUAGE=")) variables.emplace_back(variable);
  }
  variables.emplace_back("LC_ALL=C");
  return variables;
}

// What one stream said so far.
struct Stream {
  base::UniqueFd fd;
  std::string* text = nullptr;
  std::size_t limit = 0;

  // All that is there now.
  void drain() {
    std::array<char, 4096> buffer;
    while (fd) {
      const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return fd.reset();
      text->append(buffer.data(), std::min(static_cast<std::size_t>(got), limit - text->size()));
    }
  }
};

// A program that runs; killed with its group when it is still there at the end.
class Child {
 public:
  ~Child() {
    if (pid_ <= 0 || reaped_) return;
    ::kill(-pid_, SIGKILL);
    // One that the kernel does not let die would keep us: somebody else waits for it.
    if (!ends_within(kDeathLimit)) std::thread([pid = pid_] { ::waitpid(pid, nullptr, 0); }).detach();
  }
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Status start(const ProgramRequest& request, ProgramResult& result) {
    base::StartedProgram started;
    Status done = base::start_program(request.argv, our_environment(), request.input, started);
    pid_ = started.pid;
    if (!done.ok()) return done;
    ended_ = std::move(started.ended);
    streams_[0] = {std::move(started.out), &result.out, request.max_output};
    streams_[1] = {std::move(started.err), &result.err, request.max_output};
    return {};
  }

  // Whether it ended in time; then all that it said is read.
  bool ends_within(milliseconds limit) {
    const auto until = steady_clock::now() + limit;
    while (!reap()) {
      const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now()).count();
      if (left <= 0) return false;
      std::array<pollfd, 3> fds{pollfd{streams_[0].fd.get(), POLLIN, 0}, pollfd{streams_[1].fd.get(), POLLIN, 0},
                                pollfd{ended_.get(), POLLIN, 0}};
      // An hour at most at a time: poll counts in an int.
      (void)::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
      for (Stream& stream : streams_) stream.drain();
    }
    for (Stream& stream : streams_) stream.drain();
    return true;
  }
  int status() const { return status_; }

 private:
  bool reap() {
    if (!reaped_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
    return reaped_;
  }

  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
  base::UniqueFd ended_;
  std::array<Stream, 2> streams_;
};

void append_words(std::string& line, const std::string& text) {
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) <= ' ';
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  if (!line.empty() && line.back() != ' ') line += ' ';
}

}  // namespace

Result<ProgramResult> HostPrograms::run(const ProgramRequest& request) {
  KEELSON_CHECK(!request.argv.empty());
  ProgramResult result;
  Child child;
  KEELSON_TRY(child.start(request, result));
  if (!child.ends_within(request.limit)) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(request.limit).count();
    return Error(ErrorKind::deadline_exceeded,
                 request.argv.front() + " did not end within " + std::to_string(seconds) + "s");
  }
  if (WIFSIGNALED(child.status())) result.signal = WTERMSIG(child.status());
  if (WIFEXITED(child.status())) result.exit_code = WEXITSTATUS(child.status());
  return result;
}

std::string ending_of(const ProgramResult& result) {
  std::string ending = result.signal != 0 ? "killed by signal " + std::to_string(result.signal)
                                          : "exit status " + std::to_string(result.exit_code);
  std::string said;
  append_words(said, result.err);
  append_words(said, result.out);
  while (!said.empty() && said.back() == ' ') said.pop_back();
  if (said.size() > kMaxSaid) said = said.substr(0, kMaxSaid) + "...";
  return said.empty() ? ending : ending + ": " + said;
}

Result<ProgramResult> run_checked(Programs& programs, const ProgramRequest& request, std::string_view what) {
  auto result = programs.run(request);
  if (!result.ok()) return std::move(result).error().wrap(what);
  if (!result->ok()) return Error(ErrorKind::unavailable, std::string(what) + ": " + ending_of(*result));
  return result;
}

}  // namespace keelson::volume
