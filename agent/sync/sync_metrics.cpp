#include "agent/sync/sync_metrics.hpp"

#include <algorithm>

namespace keelson::agent {
namespace {

using api::core::ContainerStateTerminated;
using Statuses = google::protobuf::RepeatedPtrField<api::core::ContainerStatus>;

bool same_end(const ContainerStateTerminated& a, const ContainerStateTerminated& b) {
  return a.containerid() == b.containerid() && a.exitcode() == b.exitcode() && a.reason() == b.reason();
}

bool knew(const Statuses& before, const std::string& name, const ContainerStateTerminated& end) {
  return std::any_of(before.begin(), before.end(), [&](const api::core::ContainerStatus& status) {
    if (status.name() != name) return false;
    return (status.state().has_terminated() && same_end(status.state().terminated(), end)) ||
           (status.laststate().has_terminated() && same_end(status.laststate().terminated(), end));
  });
}

void count_new_ends(const Statuses& before, const Statuses& after, ContainerType type, base::CountsBy<3>& counts) {
  for (const auto& status : after) {
    for (const auto* state : {&status.state(), &status.laststate()}) {
      if (!state->has_terminated() || knew(before, status.name(), state->terminated())) continue;
      const auto& end = state->terminated();
      ++counts[{metric_label(type), std::to_string(end.exitcode()), end.reason()}];
    }
  }
}

}  // namespace

std::string metric_label(ContainerType type) {
  switch (type) {
    case ContainerType::init: return "init_container";
    case ContainerType::ephemeral: return "ephemeral_container";
    case ContainerType::regular: break;
  }
  return "container";
}

base::Duration init_time(const api::Pod& pod, const ObservedPod& observed) {
  base::Duration total{};
  for (const auto& container : pod.spec().initcontainers()) {
    if (is_sidecar(container)) continue;
    for (const auto& status : observed.containers) {
      const bool ended = status.metadata.name == container.name() && status.state == cri::ContainerState::exited;
      if (ended && status.started_at > 0) total += base::Duration(status.finished_at - status.started_at);
    }
  }
  return total;
}

void count_terminated(const api::core::PodStatus& before, const api::core::PodStatus& after,
                      base::CountsBy<3>& counts) {
  count_new_ends(before.initcontainerstatuses(), after.initcontainerstatuses(), ContainerType::init, counts);
  count_new_ends(before.containerstatuses(), after.containerstatuses(), ContainerType::regular, counts);
  count_new_ends(before.ephemeralcontainerstatuses(), after.ephemeralcontainerstatuses(), ContainerType::ephemeral,
                 counts);
}

}  // namespace keelson::agent
