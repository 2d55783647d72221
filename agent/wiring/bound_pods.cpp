#include "agent/wiring/bound_pods.hpp"

#include <memory>

#include "agent/status/status_patch.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

constexpr char kSource[] = "kubernetes.io/config.source";
constexpr char kSeen[] = "kubernetes.io/config.seen";

base::SystemTime::duration since_zero(base::SteadyTime time) {
  return std::chrono::duration_cast<base::SystemTime::duration>(time.time_since_epoch());
}

}  // namespace

BoundPodsAdapter::BoundPodsAdapter(const base::Clock& clock, const PodWorkers& workers)
    : workers_(workers), zero_(clock.now() - since_zero(clock.steady_now())) {}

std::vector<std::string> BoundPodsAdapter::uids() const {
  std::vector<std::string> out;
  out.reserve(workers_.wanted().size());
  for (const auto& [uid, wanted] : workers_.wanted()) out.push_back(uid);
  return out;
}

api::PodPtr BoundPodsAdapter::told(const PodWorkers::Wanted& wanted) const {
  auto pod = std::make_shared<api::Pod>(*wanted.pod);
  auto& annotations = *pod->mutable_metadata()->mutable_annotations();
  if (!annotations.contains(kSource)) annotations[kSource] = wanted.source;
  if (!annotations.contains(kSeen)) annotations[kSeen] = base::format_rfc3339_nano(zero_ + since_zero(wanted.seen));
  if (wanted.refused) {
    *pod->mutable_status() = *wanted.refused;
    return pod;
  }
  const PodWorker* worker = workers_.worker(pod->metadata().uid());
  if (worker == nullptr || worker->status().phase().empty()) return pod;
  // Conditions of others stay, as in what the API is told.
  const bool may_run = worker->state() == WorkerState::sync || worker->state() == WorkerState::terminating;
  StatusPatch patch = status_patch(*wanted.pod, *worker->pod(), worker->status(), may_run);
  *pod->mutable_status() = std::move(patch.merged);
  return pod;
}

api::PodPtr BoundPodsAdapter::pod(const std::string& uid) const {
  const auto found = workers_.wanted().find(uid);
  return found == workers_.wanted().end() ? nullptr : told(found->second);
}

api::PodPtr BoundPodsAdapter::find(const std::string& ns, const std::string& name) const {
  const PodWorkers::Wanted* found = nullptr;
  for (const auto& [uid, wanted] : workers_.wanted()) {
    const auto& metadata = wanted.pod->metadata();
    if (metadata.name() != name || metadata.namespace_() != ns) continue;
    if (found == nullptr || workers_.worker(uid) != nullptr) found = &wanted;
  }
  return found == nullptr ? nullptr : told(*found);
}

}  // namespace keelson::agent
