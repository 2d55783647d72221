#include "tests/integration/api_server.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/file.hpp"

namespace keelson::integration {
namespace {

constexpr int kReadySeconds = 10;

std::string without_newline(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

std::string find_kubectl() {
  static const std::string found = [] {
    const auto result = run_program({KEELSON_SOURCE_DIR "/tools/kubectl"}, {}, std::chrono::seconds(120));
    return result.exit_code == 0 ? without_newline(result.out) : std::string();
  }();
  return found;
}

bool ApiServer::start(const ProgramArguments& flags) {
  (void)base::make_directories(directory_, 0755);
  ProgramArguments command = {KEELSON_FAKE_APISERVER, "--dir", directory_, "--control", file("control.sock")};
  command.insert(command.end(), flags.begin(), flags.end());
  pid_ = spawn_program(command, {}, file("apiserver.log"));
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(kReadySeconds);
  while (std::chrono::steady_clock::now() < limit) {
    if (log().find("ready https://") != std::string::npos) return true;
    if (exit_code_of(pid_) >= 0) {
      pid_ = -1;
      return false;
    }
    ::poll(nullptr, 0, 10);
  }
  return false;
}

void ApiServer::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
}

std::string ApiServer::address() const { return without_newline(base::read_file(file("address")).value_or("")); }

std::string ApiServer::log() const { return base::read_file(file("apiserver.log")).value_or(""); }

nlohmann::json ApiServer::control(const nlohmann::json& command) const {
  const base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  std::strncpy(place.sun_path, file("control.sock").c_str(), sizeof place.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) return {{"error", "connect"}};
  const std::string line = command.dump() + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return {{"error", "send"}};
  }
  std::string reply;
  char piece[4096];
  while (reply.find('\n') == std::string::npos) {
    const ssize_t count = ::recv(fd.get(), piece, sizeof piece, 0);
    if (count <= 0) break;
    reply.append(piece, static_cast<std::size_t>(count));
  }
  return nlohmann::json::parse(reply, nullptr, false);
}

ProgramArguments ApiServer::kubectl_command(ProgramArguments arguments, const std::string& kubeconfig) const {
  ProgramArguments command = {find_kubectl(), "--kubeconfig", file(kubeconfig), "--cache-dir", file("kubectl-cache")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

ProgramResult ApiServer::kubectl(ProgramArguments arguments, const std::string& kubeconfig) const {
  return run_program(kubectl_command(std::move(arguments), kubeconfig), {}, std::chrono::seconds(30));
}

}  // namespace keelson::integration
