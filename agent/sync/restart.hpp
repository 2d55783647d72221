// Whether an exited container is started again, and when: restart policies, rules, restarts of all, back-off.
//
// Pure functions and one table of plain values; owner of the table is the pod's worker. Times are the steady clock's,
// so a jump of the system time neither stops nor hurries a restart. Source: contract 02 §6.4 (decision), §6.5, §7
// (back-off).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/sync/containers.hpp"
#include "agent/sync/observed.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

enum class RestartDecision { no, yes, restart_all };

// For a container that has exited. `container` may be an init container: a plain one is restarted only when it failed.
RestartDecision restart_decision(const api::Pod& pod, const api::core::Container& container, int exit_code);

// The pod without what is switched off of it: `rules` by the gate ContainerRestartRules (policies of regular and plain
// init containers, and all rules), `all` by RestartAllContainersOnContainerExits (the rules that ask for it).
api::PodPtr with_restart_gates(api::PodPtr pod, bool rules, bool all);

// Whether the policies alone (not the rules) let a container that we kill for a failed probe come back.
bool restarts_after_probe_kill(const api::Pod& pod, const api::core::Container& container);

// --- contract 02 §6.5: all containers are restarted together ---

// The reason of a container's states while that goes on.
inline constexpr std::string_view kRestartingAll = "RestartingAllContainers";
// Some rule of the pod asks for it.
bool can_restart_all(const api::Pod& pod);
// It has begun and is not over in `before`, or a container has exited with such a rule.
bool restarts_all(const api::Pod& pod, const ObservedPod& observed, const api::core::PodStatus& before);
// No container that must go is left in the runtime.
bool all_removed(const api::Pod& pod, const ObservedPod& observed);

// contract 02 §7: 10 s, doubled up to `cap`; an exit more than 2 x the default cap after the last update starts anew.
struct BackoffLimits {
  base::Duration first = std::chrono::seconds(10);
  base::Duration cap = std::chrono::seconds(300);
  base::Duration reset_after = std::chrono::seconds(600);
};

class RestartBackoff {
 public:
  explicit RestartBackoff(BackoffLimits limits = {}) : limits_(limits) {}

  struct Wait {
    base::Duration current{};  // the whole delay, as the message names it
    base::SteadyTime until{};
  };
  // Set when `key`, whose newest instance ended at `exited`, must still wait at `now`.
  std::optional<Wait> waiting(const std::string& key, base::SteadyTime exited, base::SteadyTime now) const;
  // A start follows an exit at `exited`: makes or doubles the entry.
  void note_restart(const std::string& key, base::SteadyTime exited, base::SteadyTime now);
  // Drops entries that were not touched for reset_after.
  void forget_old(base::SteadyTime now);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    base::Duration delay;
    base::SteadyTime updated;
  };
  bool expired(const Entry& entry, base::SteadyTime event) const { return event - entry.updated > limits_.reset_after; }

  BackoffLimits limits_;
  std::map<std::string, Entry> entries_;
};

// The key of contract 02 §7: pod name, namespace, UID, container name, image and resources, so that a new image or a
// resize starts anew.
std::string backoff_key(const api::Pod& pod, const api::core::Container& container);

// "back-off 10s restarting failed container=C pod=POD DESC".
std::string backoff_message(const api::Pod& pod, const std::string& container, base::Duration delay);

}  // namespace keelson::agent
