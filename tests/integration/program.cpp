#include "tests/integration/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.hpp"

namespace keelson::integration {
namespace {

int exit_code_from(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

pid_t start(const ProgramArguments& arguments, const EnvironmentVariables& variables, int out, int err) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setsid();
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

// False at the end of the file.
bool read_some(int fd, std::string& text) {
  char buffer[1 << 14];
  const ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  return got > 0;
}

}  // namespace

ProgramResult run_program(const ProgramArguments& arguments, const EnvironmentVariables& variables,
                          std::chrono::seconds limit) {
  int out[2];
  int err[2];
  ProgramResult result;
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) return result;
  base::UniqueFd out_end(out[0]);
  base::UniqueFd err_end(err[0]);
  const pid_t pid = start(arguments, variables, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      ::kill(pid, SIGKILL);
      break;
    }
    pollfd fds[2] = {{out_open ? out[0] : -1, POLLIN, 0}, {err_open ? err[0] : -1, POLLIN, 0}};
    ::poll(fds, 2, static_cast<int>(left.count()));
    if (fds[0].revents != 0) out_open = read_some(out[0], result.out);
    if (fds[1].revents != 0) err_open = read_some(err[0], result.err);
  }
  int status = 0;
  if (::waitpid(pid, &status, 0) == pid) result.exit_code = exit_code_from(status);
  return result;
}

pid_t spawn_program(const ProgramArguments& arguments, const EnvironmentVariables& variables, const std::string& log) {
  const base::UniqueFd file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file) return -1;
  return start(arguments, variables, file.get(), file.get());
}

int exit_code_of(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return -1;
  return exit_code_from(status);
}

}  // namespace keelson::integration
