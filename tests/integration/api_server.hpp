// ApiServer: keelson-fake-apiserver as a process that a test starts, asks through kubectl, and disturbs.
//
// Owner: a test; its files lie in `directory`. Thread: the caller's, all calls block. What fails: start() is false when
// the program does not say "ready" within ten seconds (its output is then in log()). The destructor ends it.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/integration/program.hpp"

namespace keelson::integration {

// The kubectl of tools/kubectl, fetched when it is not there yet; empty when that is not possible.
std::string find_kubectl();

class ApiServer {
 public:
  explicit ApiServer(std::string directory) : directory_(std::move(directory)) {}
  ~ApiServer() { stop(); }
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  bool start(const ProgramArguments& flags);
  void stop();  // SIGTERM; waits

  std::string address() const;  // "127.0.0.1:PORT"
  std::string file(const std::string& name) const { return directory_ + "/" + name; }
  std::string log() const;
  // One command to the control socket (tests/support/api/README.md); its answer.
  nlohmann::json control(const nlohmann::json& command) const;
  ProgramResult kubectl(ProgramArguments arguments, const std::string& kubeconfig = "admin.conf") const;
  // The arguments of kubectl() as a command line, for what runs beside the test.
  ProgramArguments kubectl_command(ProgramArguments arguments, const std::string& kubeconfig = "admin.conf") const;

 private:
  std::string directory_;
  pid_t pid_ = -1;
};

}  // namespace keelson::integration
