#include "agent/sync/restart.hpp"

#include <algorithm>

#include "base/duration.hpp"

namespace keelson::agent {
namespace {

bool policy_restarts(const std::string& policy, bool failed) {
  if (policy == "Never") return false;
  if (policy == "OnFailure") return failed;
  return true;  // Always, and what defaulting would have made Always
}

// The policy that rules a container that has none of its own.
const std::string& inherited_policy(const api::Pod& pod) { return pod.spec().restartpolicy(); }

bool is_init(const api::Pod& pod, const api::core::Container& container) {
  const auto& inits = pod.spec().initcontainers();
  return std::any_of(inits.begin(), inits.end(), [&](const auto& init) { return init.name() == container.name(); });
}

bool rule_matches(const api::core::ContainerRestartRule& rule, int exit_code) {
  if (!rule.has_exitcodes()) return false;
  const auto& values = rule.exitcodes().values();
  const bool listed = std::find(values.begin(), values.end(), exit_code) != values.end();
  if (rule.exitcodes().operator_() == "In") return listed;
  if (rule.exitcodes().operator_() == "NotIn") return !listed;
  return false;
}

bool has_own_policy(const api::core::Container& container) {
  return !container.restartpolicy().empty() || container.restartpolicyrules_size() > 0;
}

void switch_off(api::core::Container& container, bool is_init, bool rules) {
  auto& list = *container.mutable_restartpolicyrules();
  const auto gone = std::remove_if(list.begin(), list.end(),
                                   [&](const auto& rule) { return !rules || rule.action() == "RestartAllContainers"; });
  list.erase(gone, list.end());
  const bool sidecar = is_init && is_sidecar(container);
  if (!rules && !sidecar) container.clear_restartpolicy();
}

}  // namespace

api::PodPtr with_restart_gates(api::PodPtr pod, bool rules, bool all) {
  if (rules && all) return pod;
  const auto& spec = pod->spec();
  const bool concerns = std::any_of(spec.containers().begin(), spec.containers().end(), has_own_policy) ||
                        std::any_of(spec.initcontainers().begin(), spec.initcontainers().end(), has_own_policy);
  if (!concerns) return pod;
  auto out = std::make_shared<api::Pod>(*pod);
  for (auto& container : *out->mutable_spec()->mutable_containers()) switch_off(container, false, rules);
  for (auto& container : *out->mutable_spec()->mutable_initcontainers()) switch_off(container, true, rules);
  return out;
}

RestartDecision restart_decision(const api::Pod& pod, const api::core::Container& container, int exit_code) {
  for (const auto& rule : container.restartpolicyrules()) {
    if (!rule_matches(rule, exit_code)) continue;
    return rule.action() == "RestartAllContainers" ? RestartDecision::restart_all : RestartDecision::yes;
  }
  const bool failed = exit_code != 0;
  if (container.has_restartpolicy() && !container.restartpolicy().empty()) {
    return policy_restarts(container.restartpolicy(), failed) ? RestartDecision::yes : RestartDecision::no;
  }
  // A plain init container that succeeded is done, whatever the pod's policy.
  if (!failed && is_init(pod, container)) return RestartDecision::no;
  return policy_restarts(inherited_policy(pod), failed) ? RestartDecision::yes : RestartDecision::no;
}

bool restarts_after_probe_kill(const api::Pod& pod, const api::core::Container& container) {
  const std::string& own = container.restartpolicy();
  return policy_restarts(own.empty() ? inherited_policy(pod) : own, true);
}

bool can_restart_all(const api::Pod& pod) {
  const auto asks = [](const api::core::Container& container) {
    return std::any_of(container.restartpolicyrules().begin(), container.restartpolicyrules().end(),
                       [](const auto& rule) { return rule.action() == "RestartAllContainers"; });
  };
  return std::any_of(pod.spec().containers().begin(), pod.spec().containers().end(), asks) ||
         std::any_of(pod.spec().initcontainers().begin(), pod.spec().initcontainers().end(), asks);
}

bool restarts_all(const api::Pod& pod, const ObservedPod& observed, const api::core::PodStatus& before) {
  if (!can_restart_all(pod)) return false;
  for (const auto& condition : before.conditions()) {
    if (condition.type() == "AllContainersRestarting" && condition.status() == "True") return true;
  }
  bool asked = false;
  for_each_container(pod, [&](ContainerRef ref, const std::string& name) {
    const cri::ContainerStatus* newest = observed.newest(name);
    if (ref.type == ContainerType::ephemeral || newest == nullptr || newest->state != cri::ContainerState::exited)
      return;
    asked = asked || restart_decision(pod, container_of(pod, ref), newest->exit_code) == RestartDecision::restart_all;
  });
  return asked;
}

bool all_removed(const api::Pod& pod, const ObservedPod& observed) {
  bool removed = true;
  for_each_container(pod, [&](ContainerRef ref, const std::string& name) {
    if (ref.type != ContainerType::ephemeral && observed.newest(name) != nullptr) removed = false;
  });
  return removed;
}

std::optional<RestartBackoff::Wait> RestartBackoff::waiting(const std::string& key, base::SteadyTime exited,
                                                            base::SteadyTime now) const {
  const auto found = entries_.find(key);
  if (found == entries_.end() || expired(found->second, exited)) return std::nullopt;
  if (now - exited >= found->second.delay) return std::nullopt;
  return Wait{found->second.delay, exited + found->second.delay};
}

void RestartBackoff::note_restart(const std::string& key, base::SteadyTime exited, base::SteadyTime now) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || expired(found->second, exited)) {
    entries_[key] = Entry{std::min(limits_.first, limits_.cap), now};
    return;
  }
  found->second.delay = std::min(found->second.delay * 2, limits_.cap);
  found->second.updated = now;
}

void RestartBackoff::forget_old(base::SteadyTime now) {
  std::erase_if(entries_, [&](const auto& entry) { return expired(entry.second, now); });
}

std::string backoff_key(const api::Pod& pod, const api::core::Container& container) {
  const auto& meta = pod.metadata();
  std::string key =
      meta.name() + "/" + meta.namespace_() + "/" + meta.uid() + "/" + container.name() + "/" + container.image();
  // Maps have no order on the wire; the key needs one.
  const auto append = [&key](const auto& quantities) {
    std::map<std::string, std::string> sorted;
    for (const auto& [name, quantity] : quantities) sorted[name] = quantity.string();
    for (const auto& [name, quantity] : sorted) key += "/" + name + "=" + quantity;
  };
  key += "/limits";
  append(container.resources().limits());
  key += "/requests";
  append(container.resources().requests());
  return key;
}

std::string backoff_message(const api::Pod& pod, const std::string& container, base::Duration delay) {
  return "back-off " + base::format_duration(delay) + " restarting failed container=" + container +
         " pod=" + pod_description(pod);
}

}  // namespace keelson::agent
