// plan(): what to do next for one pod, decided purely.
//
// plan(desired pod, observed state, probe results, back-off, now) -> Plan: an ordered list of steps and the reasons for
// them. No I/O, no clock, no log; the pod worker (agent/sync/pod_worker.hpp) executes the steps one after another.
// Every rule about sandbox recreation, init and sidecar order, restarts and back-off is here and nowhere else. Thread:
// any. Source: contract 02 §6, §7; DESIGN "A pod's way through it".
//
// The pod is taken to be wanted; a terminating pod is not planned, it is killed (agent/sync/killer.hpp).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/sync/containers.hpp"
#include "agent/sync/observed.hpp"
#include "agent/sync/resize_plan.hpp"
#include "agent/sync/restart.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

enum class ProbeResult { unknown, success, failure };

// Nothing where a container has no such probe, or where one has said nothing yet.
struct ProbeView {
  std::optional<ProbeResult> startup;
  std::optional<ProbeResult> liveness;
  std::optional<ProbeResult> readiness;
};

struct PlanInput {
  const api::Pod& pod;
  const ObservedPod& observed;
  const RestartBackoff& backoff;
  // By container id; a container without an entry has no probe result yet.
  const std::map<std::string, ProbeView>& probes;
  // When each exited container ended, by container id, on the steady clock (the worker's own record; see ExitClock).
  const std::map<std::string, base::SteadyTime>& exits;
  base::SteadyTime now;
  // A restart of all containers has begun and is not over (condition AllContainersRestarting).
  bool restart_all = false;
  // What was last put in force for the pod, whose spec says what was allocated to it; null without a record.
  const PodAllocation* actuated = nullptr;
  // A resize was told of that is not yet known to be done.
  bool resize_told = false;
};

// Kills all containers and stops all sandboxes of the pod.
struct KillPod {
  bool sandbox_changed = false;  // a usable old sandbox exists: event SandboxChanged
};
// Kills one container. `message` is the Killing event's text.
struct KillContainer {
  std::string id;
  std::string name;
  std::string message;
  bool startup_probe_failed = false;  // selects the probe's own grace period
  bool liveness_probe_failed = false;
};
// Removes a container that does not run: old instances of init containers, all of them before a new sandbox.
struct RemoveContainer {
  std::string id;
  std::string name;
  bool failure_stops = false;  // what comes next must not find it
};
struct CreateSandbox {
  std::uint32_t attempt = 0;
};
// Starts a container in the pod's sandbox. When `in_backoff` is set it is not started: its status shows
// CrashLoopBackOff.
struct StartContainer {
  ContainerRef container;
  std::optional<RestartBackoff::Wait> in_backoff;
  // The exit this start follows, to be noted in the back-off; none for a first start.
  std::optional<base::SteadyTime> after_exit;
  // A failure of this start ends the sync of the pod (a plain init container).
  bool failure_stops = false;
};
// All containers must go, in the order of contract 02 §6.5, before anything is started again.
struct RestartAllContainers {
  std::vector<std::string> remove_ids;  // in removal order
};

using Step = std::variant<KillPod, KillContainer, RemoveContainer, CreateSandbox, StartContainer, RestartAllContainers,
                          ResizePod>;

struct Plan {
  std::vector<Step> steps;
  // The sandbox that new containers go into; empty when a CreateSandbox step makes it or none is wanted.
  std::string sandbox_id;
  // One line per decision, for `keelson explain` and the log.
  std::vector<std::string> reasons;
  // Init containers are done (regular ones may run).
  bool initialized = false;

  bool kills_pod() const;
  bool creates_sandbox() const;
  bool empty() const { return steps.empty(); }
};

Plan plan(const PlanInput& input);

// contract 02 §6.1, also the condition PodReadyToStartContainers.
struct SandboxVerdict {
  bool changed = false;
  std::uint32_t attempt = 0;
  std::string id;  // the old sandbox, when its id is usable
  std::string why;
};
SandboxVerdict judge_sandbox(const api::Pod& pod, const ObservedPod& observed);

}  // namespace keelson::agent
