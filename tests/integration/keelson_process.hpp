// KeelsonProcess: the built binary as the service that a test starts, asks, stops and kills.
//
// Owner: a test. Its log and control socket lie in `directory`; the log goes on over restarts. Thread: the caller's,
// all calls block. What fails: a process that cannot be started is one that does not run. The destructor kills it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/integration/program.hpp"

namespace keelson::integration {

struct HttpAnswer {
  int status = 0;  // 0 = nobody answered
  std::string body;
};

// One GET to a numeric address of the own network namespace.
HttpAnswer http_get(const std::string& address, int port, const std::string& path);

class KeelsonProcess {
 public:
  explicit KeelsonProcess(std::string directory);
  ~KeelsonProcess();
  KeelsonProcess(const KeelsonProcess&) = delete;
  KeelsonProcess& operator=(const KeelsonProcess&) = delete;

  static std::string binary();
  // Runs the binary with these arguments to its end.
  static ProgramResult run(ProgramArguments arguments, const EnvironmentVariables& variables = {});

  // Starts it with --config FILE and the test's directories; `more` are further arguments.
  void start(const std::string& config_file, const ProgramArguments& more = {});
  EnvironmentVariables environment;  // of the next start

  pid_t pid() const { return pid_; }
  bool runs();
  int exit_code() const { return exit_code_; }
  void signal(int number) const;
  // False when it does not end within the limit.
  bool wait_for_end(std::chrono::milliseconds limit);
  // SIGTERM, and waits. False when it took longer than 2 s.
  bool stop();
  void kill_hard();

  std::string control_socket() const { return directory_ + "/keelson.sock"; }
  std::string log_file() const { return directory_ + "/keelson.log"; }
  std::string log() const;
  // How many lines of the log have all of these texts.
  int lines_with(const std::vector<std::string>& texts) const;
  HttpAnswer healthz(const std::string& path = "/healthz") const;

  // What `keelson ps --json`, `explain --json` and `doctor --json` print; null when they fail.
  nlohmann::json ps() const;
  nlohmann::json explain(const std::string& pod) const;
  nlohmann::json doctor() const;

 private:
  nlohmann::json ask(ProgramArguments arguments) const;

  std::string directory_;
  pid_t pid_ = -1;
  int exit_code_ = -1;
};

}  // namespace keelson::integration
