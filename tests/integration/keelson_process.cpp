#include "tests/integration/keelson_process.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "base/file.hpp"

namespace keelson::integration {
namespace {

constexpr int kHealthzPort = 10248;

}  // namespace

HttpAnswer http_get(const std::string& address, int port, const std::string& path) {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return {};
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return {};
  const std::string request = "GET " + path + " HTTP/1.0\r\nHost: " + address + "\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  HttpAnswer answer;
  if (const auto space = text.find(' '); space != std::string::npos) answer.status = std::atoi(text.c_str() + space);
  if (const auto end = text.find("\r\n\r\n"); end != std::string::npos) answer.body = text.substr(end + 4);
  return answer;
}

KeelsonProcess::KeelsonProcess(std::string directory) : directory_(std::move(directory)) {}

KeelsonProcess::~KeelsonProcess() { kill_hard(); }

std::string KeelsonProcess::binary() { return KEELSON_BINARY; }

ProgramResult KeelsonProcess::run(ProgramArguments arguments, const EnvironmentVariables& variables) {
  arguments.insert(arguments.begin(), binary());
  return run_program(arguments, variables);
}

void KeelsonProcess::start(const std::string& config_file, const ProgramArguments& more) {
  ProgramArguments arguments = {binary(),
                                "--config=" + config_file,
                                "--root-dir=" + directory_ + "/root",
                                "--cert-dir=" + directory_ + "/pki",
                                "--hostname-override=node",
                                "--control-socket=" + control_socket(),
                                "--v=2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  exit_code_ = -1;
  pid_ = spawn_program(arguments, environment, log_file());
}

bool KeelsonProcess::runs() {
  if (pid_ <= 0) return false;
  const int code = exit_code_of(pid_);
  if (code < 0) return true;
  exit_code_ = code;
  pid_ = -1;
  return false;
}

void KeelsonProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool KeelsonProcess::wait_for_end(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (runs()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

bool KeelsonProcess::stop() {
  signal(SIGTERM);
  return wait_for_end(std::chrono::seconds(2));
}

void KeelsonProcess::kill_hard() {
  signal(SIGKILL);
  wait_for_end(std::chrono::seconds(10));
}

std::string KeelsonProcess::log() const { return base::read_file(log_file(), 64u << 20).value_or(""); }

int KeelsonProcess::lines_with(const std::vector<std::string>& texts) const {
  std::istringstream in(log());
  int count = 0;
  for (std::string line; std::getline(in, line);) {
    bool all = true;
    for (const auto& text : texts) all = all && line.find(text) != std::string::npos;
    count += all ? 1 : 0;
  }
  return count;
}

HttpAnswer KeelsonProcess::healthz(const std::string& path) const { return http_get("127.0.0.1", kHealthzPort, path); }

nlohmann::json KeelsonProcess::ask(ProgramArguments arguments) const {
  arguments.push_back("--json");
  arguments.push_back("--socket=" + control_socket());
  const auto result = run(std::move(arguments));
  auto answer = nlohmann::json::parse(result.out, nullptr, false);
  return answer.is_discarded() ? nlohmann::json() : answer;
}

nlohmann::json KeelsonProcess::ps() const { return ask({"ps"}); }
nlohmann::json KeelsonProcess::explain(const std::string& pod) const { return ask({"explain", "default/" + pod}); }
nlohmann::json KeelsonProcess::doctor() const { return ask({"doctor"}); }

}  // namespace keelson::integration
