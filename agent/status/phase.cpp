#include "agent/status/phase.hpp"

#include <algorithm>

#include "agent/pod_config/qos.hpp"
#include "agent/status/container_status.hpp"
#include "agent/sync/restart.hpp"

namespace keelson::agent {
namespace {

struct Tally {
  int pending_init = 0;
  int failed_init = 0;
  int running = 0;
  int waiting = 0;
  int stopped = 0;
  int unknown = 0;
  int succeeded = 0;
  bool restartable = false;  // a stopped container will be started again
  bool initialized = false;  // sidecars that are not there yet hold back the pod no more
};

bool may_restart(const api::Pod& pod, const api::core::Container& container,
                 const api::core::ContainerStateTerminated& end) {
  return end.reason() == kRestartingAll || restart_decision(pod, container, end.exitcode()) != RestartDecision::no;
}

// One that is going to be tried again does not hold back a pod that has run (contract 02 §15.1); one that has not waits
// for its regular containers anyway.
void count_ended_init(const api::Pod& pod, const api::core::Container& spec,
                      const api::core::ContainerStateTerminated& end, Tally& tally) {
  if (end.exitcode() != 0 && !may_restart(pod, spec, end)) ++tally.failed_init;
}

void count_plain_init(const api::Pod& pod, const api::core::Container& spec, const api::core::ContainerStatus* status,
                      Tally& tally) {
  if (status == nullptr) {
    ++tally.pending_init;
    return;
  }
  const auto& state = status->state();
  if (state.has_running()) {
    ++tally.pending_init;
  } else if (state.has_terminated()) {
    count_ended_init(pod, spec, state.terminated(), tally);
  } else if (status->laststate().has_terminated()) {
    count_ended_init(pod, spec, status->laststate().terminated(), tally);
  } else {
    ++tally.pending_init;
  }
}

void count_sidecar(const api::core::ContainerStatus* status, Tally& tally) {
  if (status == nullptr) {
    ++tally.unknown;
    return;
  }
  const auto& state = status->state();
  if (state.has_running()) {
    if (!status->started() && !tally.initialized) ++tally.pending_init;
    ++tally.running;
  } else if (state.has_terminated()) {
    return;  // a sidecar that ended says nothing of the pod
  } else if (!status->laststate().has_terminated()) {
    if (!tally.initialized) ++tally.pending_init;
    ++tally.waiting;
  }
}

void count_stopped(const api::Pod& pod, const api::core::Container& spec,
                   const api::core::ContainerStateTerminated& end, Tally& tally) {
  ++tally.stopped;
  if (end.exitcode() == 0) ++tally.succeeded;
  if (may_restart(pod, spec, end)) tally.restartable = true;
}

void count_regular(const api::Pod& pod, const api::core::Container& spec, const api::core::ContainerStatus* status,
                   Tally& tally) {
  if (status == nullptr) {
    ++tally.unknown;
    return;
  }
  const auto& state = status->state();
  if (state.has_running()) {
    ++tally.running;
  } else if (state.has_terminated()) {
    count_stopped(pod, spec, state.terminated(), tally);
  } else if (status->laststate().has_terminated()) {
    count_stopped(pod, spec, status->laststate().terminated(), tally);
  } else {
    ++tally.waiting;
  }
}

// A regular container has run in the sandbox that stands now.
bool began_in_this_sandbox(const api::Pod& pod, const ObservedPod& observed) {
  if (!observed.any_ready_sandbox()) return false;
  return std::any_of(pod.spec().containers().begin(), pod.spec().containers().end(), [&](const auto& container) {
    const cri::ContainerStatus* newest = observed.newest(container.name());
    if (newest == nullptr || !observed.is_in_newest_sandbox(*newest)) return false;
    return newest->state == cri::ContainerState::running || newest->state == cri::ContainerState::exited;
  });
}

}  // namespace

std::string pod_phase(const api::Pod& pod, const ObservedPod& observed, const api::core::PodStatus& status,
                      bool stopped) {
  Tally tally;
  tally.initialized = began_in_this_sandbox(pod, observed);
  for (const auto& spec : pod.spec().initcontainers()) {
    const auto* entry = find_before(status, ContainerType::init, spec.name());
    if (is_sidecar(spec)) {
      count_sidecar(entry, tally);
    } else {
      count_plain_init(pod, spec, entry, tally);
    }
  }
  for (const auto& spec : pod.spec().containers()) {
    count_regular(pod, spec, find_before(status, ContainerType::regular, spec.name()), tally);
  }
  if (tally.failed_init > 0) return "Failed";
  // What init containers there were is history then, of which the runtime may have forgotten some.
  const bool over = tally.stopped == pod.spec().containers_size() && !tally.restartable;
  if (!over && (tally.pending_init > 0 || tally.waiting > 0)) return "Pending";
  if (tally.running > 0 && tally.unknown == 0) return "Running";
  if (tally.running == 0 && tally.stopped > 0 && tally.unknown == 0) {
    const bool all_succeeded = tally.stopped == tally.succeeded;
    if (stopped && !is_static(pod)) return all_succeeded ? "Succeeded" : "Failed";
    if (tally.restartable) return "Running";
    return all_succeeded ? "Succeeded" : "Failed";
  }
  return "Pending";
}

}  // namespace keelson::agent
