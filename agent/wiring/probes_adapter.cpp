#include "agent/wiring/probes_adapter.hpp"

#include <utility>

#include "agent/pod_config/expansion.hpp"
#include "agent/status/container_status.hpp"
#include "agent/sync/containers.hpp"
#include "agent/sync/restart.hpp"

namespace keelson::agent {
namespace {

using probes::Kind;
using probes::Sight;

bool has_probes(const api::core::Container& container) {
  return container.has_livenessprobe() || container.has_readinessprobe() || container.has_startupprobe();
}

// Plain init and ephemeral containers have no probes.
template <class Visit>
void for_each_probed(const api::Pod& pod, Visit visit) {
  const auto& spec = pod.spec();
  for (int i = 0; i < spec.initcontainers_size(); ++i) {
    const auto& container = spec.initcontainers(i);
    if (is_sidecar(container) && has_probes(container)) visit(ContainerType::init, container);
  }
  for (const auto& container : spec.containers()) {
    if (has_probes(container)) visit(ContainerType::regular, container);
  }
}

void expand_command(api::core::Probe& probe, const api::core::Container& container) {
  if (!probe.handler().has_exec()) return;
  auto& command = *probe.mutable_handler()->mutable_exec()->mutable_command();
  const std::vector<std::string> words = expand_probe_command(command, container);
  command.Assign(words.begin(), words.end());
}

api::core::Container with_expanded_commands(const api::core::Container& given) {
  api::core::Container container = given;
  if (container.has_livenessprobe()) expand_command(*container.mutable_livenessprobe(), given);
  if (container.has_readinessprobe()) expand_command(*container.mutable_readinessprobe(), given);
  if (container.has_startupprobe()) expand_command(*container.mutable_startupprobe(), given);
  return container;
}

Sight::Life life_of(const api::Pod& pod, const api::core::Container& container, const cri::ContainerStatus& status) {
  switch (status.state) {
    case cri::ContainerState::created: return Sight::Life::waiting;
    case cri::ContainerState::running: return Sight::Life::running;
    case cri::ContainerState::exited:
      return restart_decision(pod, container, status.exit_code) == RestartDecision::no ? Sight::Life::ended_for_good
                                                                                       : Sight::Life::ended;
    case cri::ContainerState::unknown: break;
  }
  return Sight::Life::ended;
}

std::optional<ProbeResult> result_of(std::optional<probes::Verdict> verdict) {
  if (!verdict) return std::nullopt;
  switch (*verdict) {
    case probes::Verdict::unknown: return ProbeResult::unknown;
    case probes::Verdict::success: return ProbeResult::success;
    case probes::Verdict::failure: return ProbeResult::failure;
  }
  return std::nullopt;
}

// Made outside of coroutines (docs/architecture.md, "One loop").
probes::CommandOutcome outcome_of(Result<cri::ExecSyncResult>&& ran) {
  using Outcome = probes::CommandOutcome::Kind;
  if (ran.ok()) return {Outcome::exited, ran->exit_code, std::move(ran->stdout_data) + ran->stderr_data, ""};
  const bool late = ran.error().kind() == ErrorKind::deadline_exceeded;
  return {late ? Outcome::timed_out : Outcome::failed, 0, "", ran.error().to_string()};
}

}  // namespace

base::Task<probes::CommandOutcome> RuntimeCommands::run(std::string container_id, std::vector<std::string> command,
                                                        std::chrono::seconds limit) {
  auto ran = co_await runtime_.exec_sync(std::move(container_id), std::move(command), limit);
  co_return outcome_of(std::move(ran));
}

ProbesAdapter::ProbesAdapter(base::Loop& loop, base::Clock& clock, base::Random& random, base::SystemTime agent_started,
                             probes::Transport& transport, EventRecorder& events,
                             std::function<void(const std::string& uid)> changed)
    : events_(events), changed_(std::move(changed)), manager_(loop, clock, random, agent_started, transport, *this) {}

void ProbesAdapter::start(const api::PodPtr& pod) {
  const auto& meta = pod->metadata();
  for_each_probed(*pod, [&](ContainerType, const api::core::Container& container) {
    pods_[meta.uid()] = pod;
    manager_.watch({meta.uid(), meta.name(), meta.namespace_()}, with_expanded_commands(container));
  });
}

void ProbesAdapter::see(const api::Pod& pod, const ObservedPod& observed, const api::core::PodStatus& status) {
  const std::string& uid = pod.metadata().uid();
  if (pods_.count(uid) == 0) return;
  for_each_probed(pod, [&](ContainerType type, const api::core::Container& container) {
    Sight sight;
    if (const cri::ContainerStatus* newest = observed.newest(container.name())) {
      sight.life = life_of(pod, container, *newest);
      sight.container_id = newest->id;
      sight.started_at = base::SystemTime(std::chrono::nanoseconds(newest->started_at));
    }
    const auto* shown = find_before(status, type, container.name());
    sight.started = shown != nullptr && shown->started();
    sight.pod_ip = status.podip();
    manager_.see(uid, container.name(), sight);
  });
}

std::map<std::string, ProbeView> ProbesAdapter::views(const api::Pod& pod) const {
  std::map<std::string, ProbeView> views;
  const std::string& uid = pod.metadata().uid();
  if (pods_.count(uid) == 0) return views;
  for_each_probed(pod, [&](ContainerType, const api::core::Container& container) {
    const auto verdicts = manager_.verdicts(uid, container.name());
    if (!verdicts) return;
    views[verdicts->container_id] = {result_of(verdicts->of(Kind::startup)), result_of(verdicts->of(Kind::liveness)),
                                     result_of(verdicts->of(Kind::readiness))};
  });
  return views;
}

void ProbesAdapter::stop_restarting(const api::Pod& pod) {
  for (const auto& container : pod.spec().containers()) {
    manager_.end(pod.metadata().uid(), container.name(), Kind::liveness);
    manager_.end(pod.metadata().uid(), container.name(), Kind::startup);
  }
}

void ProbesAdapter::forget(const std::string& uid) {
  manager_.forget(uid);
  pods_.erase(uid);
}

void ProbesAdapter::on_verdict(const probes::ProbeKey& key, probes::Verdict) { changed_(key.pod_uid); }

void ProbesAdapter::on_event(const probes::ProbeKey& key, const std::string& reason, const std::string& message) {
  const auto pod = pods_.find(key.pod_uid);
  if (pod == pods_.end()) return;
  const auto ref = find_container(*pod->second, key.container);
  const std::string path = ref ? field_path(*pod->second, *ref) : "";
  events_.record(*pod->second, {true, reason, message, path});
}

}  // namespace keelson::agent
