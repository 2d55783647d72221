#include "agent/status/status.hpp"

#include <algorithm>

#include "agent/pod_config/qos.hpp"
#include "agent/status/conditions.hpp"
#include "agent/status/container_status.hpp"
#include "agent/status/phase.hpp"
#include "agent/status/resources_status.hpp"

namespace keelson::agent {
namespace {

bool is_ipv6(const std::string& ip) { return ip.find(':') != std::string::npos; }

// At most one address per family, the family of the node's primary address first (contract 02 §15.4).
std::vector<std::string> one_per_family(const std::vector<std::string>& ips, bool v6_first) {
  std::vector<std::string> out;
  for (const bool v6 : {v6_first, !v6_first}) {
    const auto found = std::find_if(ips.begin(), ips.end(), [&](const auto& ip) { return is_ipv6(ip) == v6; });
    if (found != ips.end()) out.push_back(*found);
  }
  return out;
}

// They are the node's, and stay when the node gets others; one of the second family may come later.
std::vector<std::string> host_network_ips(const StatusInput& input, bool v6_first) {
  std::vector<std::string> out = one_per_family(input.host_ips, v6_first);
  const auto& before = input.before.podips();
  if (before.empty()) return out;
  const std::string& first = before[0].ip();
  std::erase_if(out, [&](const auto& ip) { return is_ipv6(ip) == is_ipv6(first); });
  if (before.size() > 1) out = {before[1].ip()};
  out.insert(out.begin(), first);
  return out;
}

void fill_addresses(const StatusInput& input, api::core::PodStatus& out) {
  const bool v6_first = !input.host_ips.empty() && is_ipv6(input.host_ips.front());
  if (!input.host_ips.empty()) {
    out.set_hostip(input.host_ips.front());
    for (const auto& ip : one_per_family(input.host_ips, v6_first)) out.add_hostips()->set_ip(ip);
  }
  std::vector<std::string> pod_ips;
  if (input.pod.spec().hostnetwork()) {
    pod_ips = host_network_ips(input, v6_first);
  } else if (!input.observed.sandboxes.empty() && input.observed.sandboxes.front().state == cri::SandboxState::ready) {
    pod_ips = one_per_family(input.observed.sandboxes.front().ips, v6_first);
  }
  if (pod_ips.empty()) {
    // A dead sandbox has no address; the last one known stays (contract 02 §12).
    for (const auto& ip : input.before.podips()) pod_ips.push_back(ip.ip());
  }
  if (pod_ips.empty()) return;
  out.set_podip(pod_ips.front());
  for (const auto& ip : pod_ips) out.add_podips()->set_ip(ip);
}

void fill_container_statuses(const StatusInput& input, api::core::PodStatus& out) {
  const auto& spec = input.pod.spec();
  for (int i = 0; i < spec.initcontainers_size(); ++i) {
    *out.add_initcontainerstatuses() = container_status(input, {ContainerType::init, i});
  }
  const auto by_name = [](const auto& a, const auto& b) { return a.name() < b.name(); };
  for (int i = 0; i < spec.containers_size(); ++i) {
    *out.add_containerstatuses() = container_status(input, {ContainerType::regular, i});
  }
  std::sort(out.mutable_containerstatuses()->begin(), out.mutable_containerstatuses()->end(), by_name);
  for (int i = 0; i < spec.ephemeralcontainers_size(); ++i) {
    *out.add_ephemeralcontainerstatuses() = container_status(input, {ContainerType::ephemeral, i});
  }
  std::sort(out.mutable_ephemeralcontainerstatuses()->begin(), out.mutable_ephemeralcontainerstatuses()->end(),
            by_name);
}

void fill_phase(const StatusInput& input, api::core::PodStatus& out) {
  const std::string computed = pod_phase(input.pod, input.observed, out, input.stopped);
  if (is_terminal(input.before)) {
    // A terminal phase never changes back, and its words stay with it.
    out.set_phase(input.before.phase());
    if (!input.before.reason().empty()) out.set_reason(input.before.reason());
    if (!input.before.message().empty()) out.set_message(input.before.message());
    return;
  }
  if (input.forced) {
    out.set_phase(input.forced->phase);
    out.set_reason(input.forced->reason);
    out.set_message(input.forced->message);
    return;
  }
  out.set_phase(computed);
  if (input.before.phase() == computed) {
    if (!input.before.reason().empty()) out.set_reason(input.before.reason());
    if (!input.before.message().empty()) out.set_message(input.before.message());
  }
}

// --- contract 02 §15.6 ---

bool began(const api::core::ContainerStatus& container) {
  return container.state().has_running() || container.state().has_terminated() ||
         container.laststate().has_terminated();
}

void end(api::core::ContainerStatus& container) {
  if (container.state().has_terminated()) return;
  container.mutable_state()->Clear();
  auto& ended = *container.mutable_state()->mutable_terminated();
  ended.set_exitcode(137);
  ended.set_reason("ContainerStatusUnknown");
  ended.set_message("The container could not be located when the pod was terminated");
}

bool was_initialized(const api::Pod& pod, const api::core::PodStatus& status) {
  if (pod.spec().initcontainers_size() == 0) return true;
  if (std::any_of(status.containerstatuses().begin(), status.containerstatuses().end(), began)) return true;
  const auto& last = *pod.spec().initcontainers().rbegin();
  const auto* shown = find_before(status, ContainerType::init, last.name());
  if (shown == nullptr) return false;
  if (is_sidecar(last)) return shown->state().has_running() && shown->started();
  return shown->state().has_terminated() && shown->state().terminated().exitcode() == 0;
}

}  // namespace

bool is_terminal(const api::core::PodStatus& status) {
  return status.phase() == "Succeeded" || status.phase() == "Failed";
}

api::core::PodStatus status(const StatusInput& input) {
  api::core::PodStatus out;
  fill_container_statuses(input, out);
  fill_phase(input, out);
  fill_conditions(input, out);
  fill_addresses(input, out);
  fill_pod_resources(input, out);
  if (input.before.has_starttime()) {
    *out.mutable_starttime() = input.before.starttime();
  } else {
    *out.mutable_starttime() = to_api_time(input.now);
  }
  out.set_qosclass(input.before.qosclass().empty() ? std::string(to_string(qos_class(input.pod)))
                                                   : input.before.qosclass());
  // Static pods have generation 0 and show no observedGeneration (contract 02 §15.2).
  if (input.pod.metadata().generation() > 0) out.set_observedgeneration(input.pod.metadata().generation());
  return out;
}

void make_final(const api::Pod& pod, api::core::PodStatus& status) {
  const bool initialized = was_initialized(pod, status);
  // The first init container counts as begun in any case, and so does what comes before one that began.
  auto& inits = *status.mutable_initcontainerstatuses();
  const auto last_begun = std::find_if(inits.rbegin(), inits.rend(), began);
  const auto begun = std::max<std::ptrdiff_t>(inits.rend() - last_begun, std::min(inits.size(), 1));
  for (std::ptrdiff_t i = 0; i < begun; ++i) end(inits[static_cast<int>(i)]);
  // Those of a pod that never came as far were never lost.
  if (initialized) {
    for (auto& container : *status.mutable_containerstatuses()) end(container);
  }
  for (auto& container : *status.mutable_ephemeralcontainerstatuses()) end(container);
  if (!is_terminal(status) && !is_static(pod)) status.set_phase("Failed");
}

}  // namespace keelson::agent
