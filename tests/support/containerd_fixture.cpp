#include "tests/support/containerd_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace keelson::fakes {
namespace {

constexpr char kTool[] = KEELSON_SOURCE_DIR "/tools/runtime-env";

struct Output {
  int status = 0;
  std::string text;
};

// Runs a command of tools/runtime-env; both of its outputs together.
Output run_tool(const std::string& arguments) {
  Output output;
  const std::string command = std::string(kTool) + " " + arguments + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {1, "cannot run " + command};
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output.text += buffer.data();
  const int status = ::pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  return output;
}

std::map<std::string, std::string> variables(const std::string& text) {
  std::map<std::string, std::string> found;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (const auto equals = line.find('='); equals != std::string::npos) {
      found[line.substr(0, equals)] = line.substr(equals + 1);
    }
  }
  return found;
}

}  // namespace

Result<std::unique_ptr<ContainerdFixture>> ContainerdFixture::start(ContainerdOptions options) {
  if (::geteuid() != 0) return Error(ErrorKind::permission_denied, "a private containerd needs root");
  for (const char* program : {"/usr/bin/containerd", "/usr/sbin/runc", "/usr/lib/cni/bridge"}) {
    if (::access(program, X_OK) != 0) return Error(ErrorKind::not_found, std::string(program) + " is not installed");
  }
  run_tool("gc");
  std::string pattern = "/tmp/keelson-env.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return errno_error("mkdtemp " + pattern, errno);

  std::unique_ptr<ContainerdFixture> fixture(new ContainerdFixture);
  fixture->directory_ = pattern;
  std::string arguments = "up " + pattern + " --owner " + std::to_string(::getpid());
  if (!options.network) arguments += " --no-network";
  if (options.registry) arguments += " --registry";
  const auto output = run_tool(arguments);
  if (output.status != 0)
    return Error(ErrorKind::internal, output.text, output.status).wrap("while starting containerd");
  auto values = variables(output.text);
  fixture->endpoint_ = values["CONTAINER_RUNTIME_ENDPOINT"];
  fixture->netns_ = values["NETNS"];
  fixture->cgroup_root_ = values["CGROUP_ROOT"];
  return fixture;
}

ContainerdFixture::~ContainerdFixture() {
  if (!endpoint_.empty()) {
    const auto output = run_tool("down " + directory_);
    if (output.status != 0) std::fprintf(stderr, "%s\n", output.text.c_str());
  }
  std::error_code ignored;
  // Not recursively: what `down` could not remove may be a mount.
  std::filesystem::remove(directory_, ignored);
}

std::string ContainerdFixture::log_tail() const {
  std::ifstream in(directory_ + "/containerd.log");
  std::ostringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  return all.size() > 8000 ? all.substr(all.size() - 8000) : all;
}

Status ContainerdFixture::restart() {
  const auto output = run_tool("restart " + directory_);
  if (output.status != 0) return Error(ErrorKind::internal, output.text).wrap("while restarting containerd");
  return {};
}

Status ContainerdFixture::kill() {
  const auto output = run_tool("kill " + directory_);
  if (output.status != 0) return Error(ErrorKind::internal, output.text).wrap("while killing containerd");
  return {};
}

}  // namespace keelson::fakes
