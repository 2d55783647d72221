#include "agent/status/status_patch.hpp"
#include "agent/pod_config/qos.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "agent/status/status.hpp"
#include "agent/sync/containers.hpp"
#include "agent/sync/restart.hpp"
#include "api/json_codec.hpp"
#include "api/patch.hpp"

namespace keelson::agent {
namespace {

using api::core::ContainerStatus;
using api::core::PodCondition;
using api::core::PodStatus;
using Conditions = google::protobuf::RepeatedPtrField<PodCondition>;
using ContainerStatuses = google::protobuf::RepeatedPtrField<ContainerStatus>;

// contract 02 §15.2; the resize pair and AllContainersRestarting are ours as well, present or absent.
constexpr std::array<std::string_view, 8> kOwned = {"PodScheduled",
                                                    "Ready",
                                                    "Initialized",
                                                    "ContainersReady",
                                                    "PodResizePending",
                                                    "PodResizeInProgress",
                                                    "PodReadyToStartContainers",
                                                    "AllContainersRestarting"};
constexpr std::string_view kShared = "DisruptionTarget";

bool is_owned(std::string_view type) { return std::find(kOwned.begin(), kOwned.end(), type) != kOwned.end(); }

template <class List>
auto* find_type(List& list, std::string_view type) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.type() == type; });
  return found == list.end() ? nullptr : &*found;
}

bool is_true(const PodCondition* condition) { return condition != nullptr && condition->status() == "True"; }

// Sent together with the phase that ends the pod, and only then.
void merge_disruption(const PodStatus& newest, Conditions& out) {
  const PodCondition* ours = find_type(newest.conditions(), kShared);
  if (ours == nullptr) return;
  PodCondition* there = find_type(out, kShared);
  PodCondition merged = *ours;
  if (there != nullptr && there->status() == merged.status()) {
    *merged.mutable_lasttransitiontime() = there->lasttransitiontime();
  }
  *(there != nullptr ? there : out.Add()) = std::move(merged);
}

Conditions merge_conditions(const PodStatus& known, const PodStatus& newest, bool ends_now) {
  Conditions out;
  for (const auto& condition : known.conditions()) {
    if (!is_owned(condition.type())) *out.Add() = condition;
  }
  if (ends_now) merge_disruption(newest, out);
  for (const auto& condition : newest.conditions()) {
    if (is_owned(condition.type())) *out.Add() = condition;
  }
  return out;
}

// A static pod runs before its mirror is known: since when its conditions are as they are, the mirror knows better.
void keep_times(const PodStatus& known, PodStatus& merged) {
  for (const auto& before : known.conditions()) {
    if (!is_owned(before.type())) continue;
    PodCondition* condition = find_type(*merged.mutable_conditions(), before.type());
    if (condition == nullptr || condition->status() != before.status()) continue;
    *condition->mutable_lasttransitiontime() = before.lasttransitiontime();
  }
}

// contract 02 §15.5: conditions that are False already keep their reason.
void end_readiness(PodStatus& merged) {
  const bool failed = merged.phase() == "Failed";
  for (const std::string_view type : {"Ready", "ContainersReady"}) {
    PodCondition* condition = find_type(*merged.mutable_conditions(), type);
    if (!is_true(condition)) continue;
    condition->set_status("False");
    condition->set_reason(failed ? "PodFailed" : "PodCompleted");
    condition->clear_message();
  }
}

void copy_words(const PodStatus& from, PodStatus& to) {
  to.set_phase(from.phase());
  to.clear_reason();
  to.clear_message();
  if (!from.reason().empty()) to.set_reason(from.reason());
  if (!from.message().empty()) to.set_message(from.message());
}

// An agent that starts anew counts a static pod's restarts from what the runtime still has; its mirror may know of
// more.
void keep_counts(const ContainerStatuses& known, ContainerStatuses& merged) {
  for (ContainerStatus& entry : merged) {
    for (const ContainerStatus& before : known) {
      if (before.name() == entry.name()) entry.set_restartcount(std::max(before.restartcount(), entry.restartcount()));
    }
  }
}

void keep_counts(const PodStatus& known, PodStatus& merged) {
  keep_counts(known.containerstatuses(), *merged.mutable_containerstatuses());
  keep_counts(known.initcontainerstatuses(), *merged.mutable_initcontainerstatuses());
}

// Fields that the agent does not decide, or does not know yet.
void keep_known(const PodStatus& known, PodStatus& merged) {
  *merged.mutable_resourceclaimstatuses() = known.resourceclaimstatuses();
  *merged.mutable_nodeallocatableresourceclaimstatuses() = known.nodeallocatableresourceclaimstatuses();
  merged.clear_extendedresourceclaimstatus();
  if (known.has_extendedresourceclaimstatus()) {
    *merged.mutable_extendedresourceclaimstatus() = known.extendedresourceclaimstatus();
  }
  merged.set_nominatednodename(known.nominatednodename());
  merged.set_resize(known.resize());
  if (!known.qosclass().empty()) merged.set_qosclass(known.qosclass());
  if (known.has_starttime()) *merged.mutable_starttime() = known.starttime();
  if (merged.hostip().empty() && !known.hostip().empty()) {
    merged.set_hostip(known.hostip());
    *merged.mutable_hostips() = known.hostips();
  }
}

// contract 02 §15.3.
void sort_statuses(const api::Pod& pod, PodStatus& status) {
  const auto by_name = [](const ContainerStatus& a, const ContainerStatus& b) { return a.name() < b.name(); };
  std::sort(status.mutable_containerstatuses()->begin(), status.mutable_containerstatuses()->end(), by_name);
  std::sort(status.mutable_ephemeralcontainerstatuses()->begin(), status.mutable_ephemeralcontainerstatuses()->end(),
            by_name);
  const auto& inits = pod.spec().initcontainers();
  const auto place = [&](const ContainerStatus& entry) {
    return std::find_if(inits.begin(), inits.end(), [&](const auto& c) { return c.name() == entry.name(); });
  };
  std::stable_sort(status.mutable_initcontainerstatuses()->begin(), status.mutable_initcontainerstatuses()->end(),
                   [&](const auto& a, const auto& b) { return place(a) < place(b); });
}

PodStatus merge(const api::Pod& known, const api::Pod& pod, const PodStatus& newest, bool containers_may_run) {
  const PodStatus& before = known.status();
  const bool ends = !is_terminal(before) && is_terminal(newest);
  PodStatus merged = newest;
  *merged.mutable_conditions() = merge_conditions(before, newest, ends && !containers_may_run);
  if (is_static(pod)) {
    keep_times(before, merged);
    keep_counts(before, merged);
  }
  if (ends && containers_may_run) copy_words(before, merged);
  if (is_terminal(before) && newest.phase() != before.phase()) copy_words(before, merged);
  if (is_terminal(merged)) end_readiness(merged);
  keep_known(before, merged);
  sort_statuses(pod, merged);
  return merged;
}

// --- transitions that cannot be ---

bool may_run_again(const api::Pod& pod, const api::core::Container& container, int exit_code, bool init) {
  if (pod.spec().restartpolicy() == "Always" || pod.spec().restartpolicy().empty()) return true;
  if (init && is_sidecar(container)) return true;
  return restart_decision(pod, container, exit_code) != RestartDecision::no;
}

template <class Containers>
std::string illegal(const api::Pod& pod, const Containers& containers, const ContainerStatuses& before,
                    const ContainerStatuses& now, bool init) {
  for (const auto& container : containers) {
    const auto named = [&](const ContainerStatus& status) { return status.name() == container.name(); };
    const auto old = std::find_if(before.begin(), before.end(), named);
    const auto next = std::find_if(now.begin(), now.end(), named);
    if (old == before.end() || next == now.end()) continue;
    if (!old->state().has_terminated() || next->state().has_terminated()) continue;
    if (may_run_again(pod, container, old->state().terminated().exitcode(), init)) continue;
    return "container " + container.name() + " has terminated and its restart policy does not let it run again";
  }
  return "";
}

std::string illegal_transition(const api::Pod& pod, const PodStatus& before, const PodStatus& now) {
  if (can_restart_all(pod)) return "";
  std::string why = illegal(pod, pod.spec().containers(), before.containerstatuses(), now.containerstatuses(), false);
  if (!why.empty()) return why;
  return illegal(pod, pod.spec().initcontainers(), before.initcontainerstatuses(), now.initcontainerstatuses(), true);
}

// An order alone is nobody's news: a foreign condition that was put behind ours.
bool says_nothing(const api::Node& patch) {
  return std::all_of(patch.entries.begin(), patch.entries.end(),
                     [](const api::Node::Entry& entry) { return entry.key.starts_with("$setElementOrder/"); });
}

std::string wrap(const api::Pod& known, api::Node status) {
  api::Node uid(api::Node::Kind::string);
  uid.text = known.metadata().uid();
  api::Node metadata(api::Node::Kind::map);
  metadata.entries.push_back({"uid", {}, false, {}, std::move(uid)});
  api::Node patch(api::Node::Kind::map);
  patch.entries.push_back({"metadata", {}, false, {}, std::move(metadata)});
  patch.entries.push_back({"status", {}, false, {}, std::move(status)});
  return api::to_json(patch);
}

}  // namespace

std::string contradiction(const api::Pod& known, const api::Pod& pod, const PodStatus& newest) {
  // contract 02 §4.1: nothing of its end is kept for a static pod, which begins anew with its agent or its manifest.
  if (is_static(pod) && is_terminal(known.status()) && !is_terminal(newest)) return "its mirror shows an earlier end";
  return illegal_transition(pod, known.status(), newest);
}

StatusPatch status_patch(const api::Pod& known, const api::Pod& pod, const PodStatus& newest, bool containers_may_run) {
  StatusPatch out;
  out.refused = contradiction(known, pod, newest);
  if (!out.refused.empty()) {
    out.merged = known.status();
    return out;
  }
  out.merged = merge(known, pod, newest, containers_may_run);
  api::Node change = api::strategic_merge_diff(api::encode_node(known.status()), api::encode_node(out.merged),
                                               PodStatus::descriptor());
  if (!says_nothing(change)) out.body = wrap(known, std::move(change));
  return out;
}

bool is_urgent(const PodStatus& before, const PodStatus& now) {
  if (is_terminal(now) != is_terminal(before)) return true;
  return is_true(find_type(before.conditions(), "Ready")) != is_true(find_type(now.conditions(), "Ready"));
}

}  // namespace keelson::agent
