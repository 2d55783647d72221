// The part of PodWorker that sees a resize through (contract 02 §5.1 step 1, §8).
#include "agent/allocation/resizes.hpp"
#include "agent/sync/containers.hpp"
#include "agent/sync/pod_worker.hpp"

namespace keelson::agent {

bool PodWorker::resize_told() const {
  if (!context_.resizes.conditions(pod_->metadata().uid()).in_progress) return false;
  return !resized_for_ || !same_allocation(*resized_for_, allocation_of(*pod_));
}

// contract 02 §5.1 step 1.
void PodWorker::note_resize() {
  Allocations& allocations = context_.allocations;
  const std::string& uid = pod_->metadata().uid();
  for_each_container(*pod_, [&](ContainerRef ref, const std::string& name) {
    const cri::ContainerStatus* newest = observed_->newest(name);
    if (ref.type == ContainerType::ephemeral || newest == nullptr) return;
    if (newest->state != cri::ContainerState::running || allocations.is_actuated(uid, name)) return;
    allocations.adopt(*pod_, container_of(*pod_, ref), *newest);
  });
  context_.resizes.progress(*pod_, resize_told() || resize_unfinished(*pod_, *observed_, allocations.actuated(uid)));
}

void PodWorker::apply_resize(const api::Pod& planned, const SyncOutcome& outcome) {
  pod_cgroup_.reset();
  // Another one was accepted meanwhile: this one is nobody's news any more.
  if (!same_allocation(allocation_of(planned), allocation_of(*pod_))) return;
  if (outcome.resized->ok()) {
    resized_for_ = allocation_of(planned);
    context_.resizes.recovered(planned);
    if (outcome.ok()) wake();
    return;
  }
  context_.resizes.failed(planned, outcome.resized->error().to_string());
  compute_status();
  publish(true);
}

}  // namespace keelson::agent
