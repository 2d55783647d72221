// The checks of the agent itself: is it there, is its configuration good, which manifests it could not use, what else
// is in its way.
#include <arpa/inet.h>

#include <cstdlib>
#include <sstream>

#include "agent/cli/doctor.hpp"
#include "agent/cli/print_ps.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

std::int64_t agent_pid(const DoctorInput& input) { return input.agent ? input.agent->info.pid : 0; }

std::string place_of(const ManifestProblem& problem) {
  std::string place = problem.source;
  if (problem.line > 0) place += ":" + std::to_string(problem.line);
  if (problem.line > 0 && problem.column > 0) place += ":" + std::to_string(problem.column);
  if (!problem.field.empty()) place += " " + problem.field;
  return place;
}

// The kernel prints addresses as words of 8 hexadecimal digits in the machine's byte order.
std::string address_text(const std::string& hex) {
  unsigned char bytes[16] = {};
  for (std::size_t word = 0; word * 8 + 8 <= hex.size() && word < 4; ++word) {
    const auto value = static_cast<std::uint32_t>(std::strtoul(hex.substr(word * 8, 8).c_str(), nullptr, 16));
    std::copy_n(reinterpret_cast<const unsigned char*>(&value), 4, bytes + word * 4);
  }
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(hex.size() > 8 ? AF_INET6 : AF_INET, bytes, text, sizeof text);
  return text;
}

void check_port(const DoctorInput& input, Host& host, const std::vector<Listener>& listeners, const char* field,
                int port, bool agent_should_listen, Findings& findings) {
  const std::string name = "port " + std::to_string(port);
  bool taken = false;
  for (const auto& listener : listeners) {
    if (listener.port != port) continue;
    taken = true;
    const auto owner = host.socket_owner(listener.inode);
    const std::string where = listener.address + ":" + std::to_string(port);
    if (!owner) {
      findings.push_back({"ports", host.is_root() ? Level::warn : Level::unknown,
                          name + " (" + field + ") is in use on " + where + " by a process that is not visible here",
                          "find it with `ss -ltnp`, in its own container too"});
    } else if (owner->pid == agent_pid(input)) {
      findings.push_back({"ports", Level::ok, name + " (" + field + ") is served by the agent on " + where, ""});
    } else {
      findings.push_back({"ports", Level::fail,
                          name + " (" + field + ") is in use by " + owner->name + " (pid " +
                              std::to_string(owner->pid) + ") on " + where,
                          std::string("stop that process, or choose another port with ") + field});
    }
    return;
  }
  if (!taken && input.agent && agent_should_listen) {
    findings.push_back({"ports", Level::fail, name + " (" + field + ") is not served although the agent runs",
                        "look at the agent's log for why it could not listen"});
  } else {
    findings.push_back({"ports", Level::ok, name + " (" + field + ") is free", ""});
  }
}

}  // namespace

static void check_api_server(const AgentInfo& info, Findings& findings) {
  if (info.standalone) return;
  if (!info.api_problem.empty()) {
    findings.push_back(
        {"api", Level::fail, "the API server " + info.api_server + " cannot be reached: " + info.api_problem,
         "pods keep running meanwhile; check the network, the server and the credentials of --kubeconfig"});
  } else if (!info.registered) {
    findings.push_back({"api", Level::warn, "the node is not registered with " + info.api_server + " yet",
                        "wait a moment; if it stays so, the agent's log says what the server answered"});
  } else if (!info.node_ready) {
    findings.push_back({"api", Level::warn, "the node is registered with " + info.api_server + " but not Ready",
                        "`kubectl describe node " + info.node + "` names the causes"});
  } else {
    findings.push_back({"api", Level::ok, "the node is registered with " + info.api_server + " and Ready", ""});
  }
  if (info.unsent_statuses > 0 && !info.api_problem.empty()) {
    findings.push_back(
        {"api", Level::warn,
         std::to_string(info.unsent_statuses) + " pods have a status that the API server does not know yet",
         "they are sent when it answers again"});
  }
}

void check_agent(const DoctorInput& input, Findings& findings) {
  if (!input.agent) {
    findings.push_back({"agent", Level::warn, "the agent is not running: " + input.agent_error,
                        "start it with `systemctl start keelson`; `journalctl -u keelson` says why it ended"});
    return;
  }
  const AgentInfo& info = input.agent->info;
  const std::string who = "keelson " + info.version + " (pid " + std::to_string(info.pid) + ")";
  if (info.ready) {
    findings.push_back({"agent", Level::ok, who + " runs and is ready", ""});
  } else {
    findings.push_back({"agent", Level::warn, who + " runs but is not ready yet",
                        "wait a moment; if it stays so, the findings below and its log say why"});
  }
  check_api_server(info, findings);
  for (const auto& check : info.health) {
    if (check.ok) continue;
    findings.push_back({"agent", Level::fail, "its health check " + check.name + " fails: " + check.message,
                        "if it does not recover by itself: `systemctl restart keelson`; pods keep running"});
  }
}

void check_configuration(const DoctorInput& input, Findings& findings) {
  for (const auto& error : input.config_errors) {
    findings.push_back({"config", Level::fail, input.config_origin + ": " + error,
                        "correct it and check with `keelson --check-config --config FILE`"});
  }
  if (input.config_errors.empty()) {
    findings.push_back({"config", Level::ok, "the configuration (" + input.config_origin + ") is valid", ""});
  }
}

void check_manifests(const DoctorInput& input, Host& host, Findings& findings) {
  const std::string& path = input.config.kubelet.static_pod_path;
  if (input.agent) {
    for (const auto& problem : input.agent->manifest_problems) {
      const std::string kept = problem.keeps_running_pod ? "; the pod of its last good version keeps running" : "";
      findings.push_back({"manifests", Level::fail, place_of(problem) + ": " + problem.message + kept,
                          "correct the manifest; it is read again at once"});
    }
    if (!input.agent->manifest_problems.empty()) return;
  }
  if (path.empty()) {
    findings.push_back({"manifests", Level::ok, "no manifest directory is configured (staticPodPath)", ""});
  } else if (!host.exists(path)) {
    findings.push_back({"manifests", Level::warn, "the manifest directory " + path + " does not exist",
                        "mkdir -p " + path + ", or correct staticPodPath"});
  } else {
    const std::string what = input.agent ? "every manifest in " + path + " is in use" : path + " exists";
    findings.push_back({"manifests", Level::ok, what, ""});
  }
}

std::vector<Listener> parse_listeners(const std::string& proc_net_tcp) {
  std::vector<Listener> listeners;
  std::istringstream lines(proc_net_tcp);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string slot, local, remote, state, queues, timer, retransmit, uid, timeout;
    std::uint64_t inode = 0;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmit >> uid >> timeout >> inode;
    const auto colon = local.find(':');
    if (!fields || state != "0A" || colon == std::string::npos) continue;  // 0A: LISTEN
    const int port = static_cast<int>(std::strtol(local.substr(colon + 1).c_str(), nullptr, 16));
    listeners.push_back({address_text(local.substr(0, colon)), port, inode});
  }
  return listeners;
}

void check_ports(const DoctorInput& input, Host& host, Findings& findings) {
  std::vector<Listener> listeners;
  bool known = false;
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const auto text = host.read(path);
    if (!text.ok()) continue;
    known = true;
    for (auto& listener : parse_listeners(*text)) listeners.push_back(std::move(listener));
  }
  if (!known) {
    findings.push_back({"ports", Level::unknown, "cannot read /proc/net/tcp", "is /proc mounted?"});
    return;
  }
  const auto& kubelet = input.config.kubelet;
  const AgentInfo info = input.agent ? input.agent->info : AgentInfo{};
  const int api_port = info.server_port != 0 ? info.server_port : kubelet.port;
  const int health_port = input.agent ? info.healthz_port : kubelet.healthz_port;
  if (api_port > 0 && kubelet.enable_server) {
    check_port(input, host, listeners, "port", api_port, info.server_port != 0, findings);
  }
  if (health_port > 0) check_port(input, host, listeners, "healthzPort", health_port, true, findings);
}

void check_other_kubelet(const DoctorInput& input, Host& host, Findings& findings) {
  for (const auto& process : host.processes()) {
    if (process.name != "kubelet" || process.pid == agent_pid(input)) continue;
    findings.push_back({"kubelet", Level::fail,
                        "a kubelet runs beside us: pid " + std::to_string(process.pid) + " (" + process.executable +
                            "); both would manage the same containers",
                        "systemctl disable --now kubelet"});
    return;
  }
  findings.push_back({"kubelet", Level::ok, "no other kubelet runs", ""});
}

}  // namespace keelson::agent
