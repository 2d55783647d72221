#include "agent/status/container_status.hpp"

#include <algorithm>

#include "agent/pod_config/stop_signal.hpp"
#include "agent/status/resources_status.hpp"
#include "agent/sync/restart.hpp"

namespace keelson::agent {
namespace {

using api::core::ContainerState;

constexpr int kMessageBudget = 12288;  // bytes, shared by the containers of a pod
constexpr char kRestartCountAnnotation[] = "io.kubernetes.container.restartCount";
constexpr char kUnknownReason[] = "ContainerStatusUnknown";
constexpr auto kAdoptionAge = std::chrono::seconds(10);

int annotated_restart_count(const cri::ContainerStatus& status) {
  const auto found = status.annotations.find(kRestartCountAnnotation);
  if (found == status.annotations.end()) return static_cast<int>(status.metadata.attempt);
  return std::atoi(found->second.c_str());
}

// The runtime's own words, then what the container wrote (contract 02 §3.5), within the pod's share.
std::string termination_text(const StatusInput& input, const cri::ContainerStatus& status) {
  std::string text = status.message;
  if (const auto found = input.termination.find(status.id);
      found != input.termination.end() && !found->second.empty()) {
    if (!text.empty()) text += ": ";
    text += found->second;
  }
  const auto limit = static_cast<std::size_t>(kMessageBudget / std::max(1, container_count(input.pod)));
  if (text.size() > limit) text.resize(limit);
  return text;
}

ContainerState state_of(const StatusInput& input, const cri::ContainerStatus& status) {
  ContainerState state;
  switch (status.state) {
    case cri::ContainerState::created: state.mutable_waiting(); break;
    case cri::ContainerState::running:
      *state.mutable_running()->mutable_startedat() = to_api_time(status.started_at);
      break;
    case cri::ContainerState::exited: {
      auto& ended = *state.mutable_terminated();
      ended.set_exitcode(status.exit_code);
      ended.set_reason(status.reason);
      if (const std::string text = termination_text(input, status); !text.empty()) ended.set_message(text);
      *ended.mutable_startedat() = to_api_time(status.started_at);
      *ended.mutable_finishedat() = to_api_time(status.finished_at);
      ended.set_containerid(input.runtime_name + "://" + status.id);
      break;
    }
    case cri::ContainerState::unknown: state.mutable_waiting(); break;
  }
  return state;
}

ContainerState lost_state(std::string message) {
  ContainerState state;
  state.mutable_terminated()->set_exitcode(137);
  state.mutable_terminated()->set_reason(kUnknownReason);
  state.mutable_terminated()->set_message(std::move(message));
  return state;
}

// What was never started, and what waits already, is not restarted (contract 02 §6.5).
bool goes_with_all(const StatusInput& input, ContainerRef ref, const api::core::ContainerStatus* before) {
  // Of a pod that is ended nothing restarts any more.
  if (input.terminating || input.forced) return false;
  return before != nullptr && ref.type != ContainerType::ephemeral && before->has_state() &&
         !before->state().has_waiting() && restarts_all(input.pod, input.observed, input.before);
}

void fill_restarting(const api::core::ContainerStatus& before, api::core::ContainerStatus& out) {
  constexpr char kMessage[] = "The container is removed because RestartAllContainers in place";
  auto& waiting = *out.mutable_state()->mutable_waiting();
  waiting.set_reason(std::string(kRestartingAll));
  waiting.set_message(kMessage);
  auto& ended = *out.mutable_laststate()->mutable_terminated();
  ended.set_exitcode(137);
  ended.set_reason(std::string(kRestartingAll));
  ended.set_message(kMessage);
  out.set_restartcount(before.restartcount() + 1);
}

bool any_regular_created(const StatusInput& input) {
  for (const auto& container : input.pod.spec().containers()) {
    const cri::ContainerStatus* newest = input.observed.newest(container.name());
    if (newest != nullptr && newest->state != cri::ContainerState::unknown) return true;
  }
  return false;
}

// The entry of a container that the runtime does not know.
void fill_without_instance(const StatusInput& input, ContainerRef ref, const api::core::ContainerStatus* before,
                           api::core::ContainerStatus& out) {
  const bool deleted = input.pod.metadata().has_deletiontimestamp();
  out.mutable_state()->mutable_waiting()->set_reason(input.pod.spec().initcontainers_size() > 0 ? "PodInitializing"
                                                                                                : "ContainerCreating");
  const bool plain_init = ref.type == ContainerType::init && !is_sidecar(input.pod.spec().initcontainers(ref.index));
  if (goes_with_all(input, ref, before)) return fill_restarting(*before, out);
  if (plain_init && any_regular_created(input) && (before == nullptr || !before->state().has_terminated())) {
    // Its record was collected; the pod could not have come this far without it.
    auto& ended = *out.mutable_state()->mutable_terminated();
    ended.set_exitcode(0);
    ended.set_reason("Completed");
    ended.set_message(
        "Unable to get init container status from container runtime and pod has been initialized, treat it as exited "
        "normally");
    if (before != nullptr) out.set_restartcount(before->restartcount());
    return;
  }
  if (before == nullptr) return;
  if (before->state().has_terminated()) {
    out = *before;
    return;
  }
  out.set_restartcount(before->restartcount());
  *out.mutable_laststate() = before->laststate();
  if (!before->state().has_running()) return;
  *out.mutable_laststate() =
      lost_state("The container could not be located when the pod was deleted.  The container used to be Running");
  if (!deleted) out.set_restartcount(before->restartcount() + 1);
}

void fill_from_runtime(const StatusInput& input, const api::core::ContainerStatus* before,
                       const cri::ContainerStatus& newest, const cri::ContainerStatus* previous,
                       api::core::ContainerStatus& out) {
  *out.mutable_state() = state_of(input, newest);
  if (!newest.image.image.empty()) out.set_image(newest.image.image);
  out.set_imageid(newest.image_ref);
  out.set_containerid(input.runtime_name + "://" + newest.id);
  out.set_restartcount(annotated_restart_count(newest));
  if (before != nullptr) out.set_restartcount(std::max(out.restartcount(), before->restartcount()));
  if (newest.state == cri::ContainerState::unknown && before != nullptr && before->state().has_running()) {
    *out.mutable_state() = lost_state("The container could not be located when the pod was terminated");
    if (restarts_all(input.pod, input.observed, input.before)) {
      out.mutable_state()->mutable_terminated()->set_reason(std::string(kRestartingAll));
    }
    out.set_restartcount(before->restartcount() + 1);
  }
  if (previous != nullptr && previous->state == cri::ContainerState::exited) {
    *out.mutable_laststate() = state_of(input, *previous);
  } else if (before != nullptr) {
    const bool other_ended = before->state().has_terminated() && before->containerid() != out.containerid();
    *out.mutable_laststate() = other_ended ? before->state() : before->laststate();
  }
}

// The container is to run (again) but its last start failed: the reason is its state (contract 02 §15.3).
void apply_failed_start(const StatusInput& input, const api::core::Container& spec, const cri::ContainerStatus* newest,
                        api::core::ContainerStatus& out) {
  const auto failed = input.waiting.find(spec.name());
  if (failed == input.waiting.end() || input.terminating) return;
  if (newest != nullptr && newest->state == cri::ContainerState::running) return;
  // It has ended, even if the runtime lost the record of it since (an init container that is done), and stays so.
  const bool ended = newest == nullptr ? out.state().has_terminated() : newest->state == cri::ContainerState::exited;
  if (ended && restart_decision(input.pod, spec, out.state().terminated().exitcode()) == RestartDecision::no) return;
  if (out.state().has_terminated()) *out.mutable_laststate() = out.state();
  out.mutable_state()->Clear();
  auto& waiting = *out.mutable_state()->mutable_waiting();
  waiting.set_reason(failed->second.reason);
  if (!failed->second.message.empty()) waiting.set_message(failed->second.message);
}

// contract 02 §15.3: what the spec says of its mounts, from the first status on.
void fill_volume_mounts(const StatusInput& input, const api::core::Container& spec, api::core::ContainerStatus& out) {
  for (const auto& mount : spec.volumemounts()) {
    auto& shown = *out.add_volumemounts();
    shown.set_name(mount.name());
    shown.set_mountpath(mount.mountpath());
    if (!mount.readonly()) continue;
    shown.set_readonly(true);
    const std::string& wanted = mount.recursivereadonly();
    const bool recursive = wanted == "Enabled" || (wanted == "IfPossible" && input.recursive_read_only);
    shown.set_recursivereadonly(recursive ? "Enabled" : "Disabled");
  }
}

void fill_user(const cri::ContainerStatus& newest, api::core::ContainerStatus& out) {
  if (!newest.user) return;
  auto& user = *out.mutable_user()->mutable_linux();
  user.set_uid(newest.user->uid);
  user.set_gid(newest.user->gid);
  for (const auto group : newest.user->supplemental_groups) user.add_supplementalgroups(group);
}

bool was_ready_before(const StatusInput& input) {
  for (const auto& condition : input.before.conditions()) {
    if (condition.type() == "Ready") return condition.status() == "True";
  }
  return false;
}

void fill_started_and_ready(const StatusInput& input, ContainerRef ref, const api::core::Container& spec,
                            const cri::ContainerStatus* newest, const api::core::ContainerStatus* before,
                            api::core::ContainerStatus& out) {
  out.set_started(false);
  out.set_ready(false);
  if (ref.type == ContainerType::ephemeral) {
    // Nobody waits for one: a kubelet says nothing of it (contract 02 §6.6).
    out.clear_started();
    return;
  }
  if (ref.type == ContainerType::init && !is_sidecar(spec)) {
    out.set_started(out.state().has_running());
    out.set_ready(out.state().has_terminated() && out.state().terminated().exitcode() == 0);
    return;
  }
  if (newest == nullptr || !out.state().has_running()) return;
  const auto known = input.probes.find(newest->id);
  const ProbeView probes = known == input.probes.end() ? ProbeView() : known->second;
  // A container that ran before we did keeps what was last said of it until a probe decides. When the system time was
  // set back, any container looks as old: then nothing was said of it yet.
  const auto started_at = base::SystemTime(std::chrono::nanoseconds(newest->started_at));
  const bool said = before != nullptr && before->containerid() == out.containerid();
  const bool adopted = said && started_at + kAdoptionAge < input.agent_started;
  if (!spec.has_startupprobe()) {
    out.set_started(true);
  } else if (probes.startup) {
    out.set_started(probes.startup == ProbeResult::success);
  } else if (adopted) {
    out.set_started(before->started());
  }
  if (!out.started()) return;
  if (!spec.has_readinessprobe()) {
    out.set_ready(true);
  } else if (probes.readiness) {
    out.set_ready(probes.readiness == ProbeResult::success);
  } else if (adopted) {
    out.set_ready(was_ready_before(input));
  }
}

}  // namespace

api::meta::Time to_api_time(base::SystemTime time) {
  return to_api_time(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

api::meta::Time to_api_time(std::int64_t cri_nanoseconds) {
  api::meta::Time time;
  time.set_seconds(cri_nanoseconds / 1'000'000'000);
  time.set_nanos(0);
  return time;
}

const api::core::ContainerStatus* find_before(const api::core::PodStatus& before, ContainerType type,
                                              std::string_view name) {
  const auto* list = &before.containerstatuses();
  if (type == ContainerType::init) list = &before.initcontainerstatuses();
  if (type == ContainerType::ephemeral) list = &before.ephemeralcontainerstatuses();
  for (const auto& status : *list) {
    if (status.name() == name) return &status;
  }
  return nullptr;
}

api::core::ContainerStatus container_status(const StatusInput& input, ContainerRef ref) {
  const api::core::Container spec = container_of(input.pod, ref);
  const auto* before = find_before(input.before, ref.type, spec.name());
  const cri::ContainerStatus* newest = input.observed.newest(spec.name());
  api::core::ContainerStatus out;
  out.set_name(spec.name());
  out.set_image(spec.image());
  out.set_imageid("");
  out.mutable_state();
  out.mutable_laststate();
  out.set_restartcount(0);
  fill_volume_mounts(input, spec, out);
  if (newest == nullptr) {
    fill_without_instance(input, ref, before, out);
  } else {
    fill_from_runtime(input, before, *newest, input.observed.previous(spec.name()), out);
    fill_container_resources(input, spec, *newest, out);
    fill_user(*newest, out);
    if (const std::string signal = stop_signal_name(newest->stop_signal); input.stop_signals && !signal.empty()) {
      out.set_stopsignal(signal);
    }
  }
  if (ref.type != ContainerType::ephemeral) apply_failed_start(input, spec, newest, out);
  if (ref.type == ContainerType::ephemeral && newest == nullptr) apply_failed_start(input, spec, newest, out);
  fill_started_and_ready(input, ref, spec, newest, before, out);
  return out;
}

}  // namespace keelson::agent
