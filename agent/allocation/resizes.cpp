#include "agent/allocation/resizes.hpp"

#include "agent/allocation/resize_events.hpp"
#include "agent/sync/containers.hpp"

namespace keelson::agent {
namespace {

constexpr auto kFirstRetry = std::chrono::seconds(30);
constexpr auto kRetry = std::chrono::minutes(3);
constexpr char kInfeasible[] = "Infeasible";

std::optional<base::SystemTime> deferred_since(const ResizeConditions& conditions) {
  if (!conditions.pending) return std::nullopt;
  return base::SystemTime(std::chrono::seconds(conditions.pending->lasttransitiontime().seconds()));
}

}  // namespace

Resizes::Resizes(base::Loop& loop, base::Clock& clock, Allocations& allocations, EventRecorder& events,
                 ResizeRules rules, const NodeInfo& node, base::Logger log)
    : clock_(clock),
      allocations_(allocations),
      events_(events),
      rules_(rules),
      node_(node),
      log_(std::move(log)),
      bell_(loop),
      gate_(loop) {}

void Resizes::start() { base::spawn(gate_, "resizes", run()); }

base::Task<void> Resizes::stop() { co_await gate_.stop(); }

void Resizes::pod_appeared(const api::Pod& pod) {
  const std::string& uid = pod.metadata().uid();
  ResizeConditions known = resize_conditions_of(pod.status());
  if (known.pending || known.in_progress) conditions_[uid] = std::move(known);
  pod_changed(pod);
}

void Resizes::pod_changed(const api::Pod& pod) {
  const std::string& uid = pod.metadata().uid();
  const PodAllocation* allocated = allocations_.allocated(uid);
  const bool differs = allocated != nullptr && !same_allocation(*allocated, allocations_.wanted_by(pod));
  if (differs || conditions(uid).pending) queue_.insert(uid);
  look_again("pod_updated");
}

void Resizes::pod_gone(const std::string& uid) {
  conditions_.erase(uid);
  queue_.erase(uid);
  look_again("pods_removed");
}

void Resizes::look_again(std::string_view trigger) {
  if (queue_.empty()) return;
  trigger_ = trigger;
  bell_.notify();
}

const ResizeConditions& Resizes::conditions(const std::string& uid) const {
  static const ResizeConditions kNone;
  const auto found = conditions_.find(uid);
  return found == conditions_.end() ? kNone : found->second;
}

void Resizes::progress(const api::Pod& pod, bool unfinished) {
  const std::string& uid = pod.metadata().uid();
  if (unfinished) {
    conditions_[uid].go_on(pod.metadata().generation(), clock_.now());
    return;
  }
  const auto found = conditions_.find(uid);
  if (found == conditions_.end() || !found->second.in_progress) return;
  const std::int64_t generation = found->second.in_progress->observedgeneration();
  found->second.finish();
  events_.record(pod, resize_completed(pod, generation));
}

void Resizes::failed(const api::Pod& pod, const std::string& error) {
  ResizeConditions& conditions = conditions_[pod.metadata().uid()];
  if (!conditions.fail(error, pod.metadata().generation(), clock_.now())) return;
  events_.record(pod, resize_failed(pod, conditions.in_progress->observedgeneration(), error));
}

void Resizes::recovered(const api::Pod& pod) {
  const auto found = conditions_.find(pod.metadata().uid());
  if (found != conditions_.end()) found->second.recover(clock_.now());
}

base::Task<void> Resizes::run() {
  while (true) {
    co_await look_at_all();
    if (queue_.empty()) {
      retry_at_.reset();
      co_await bell_.wait();
      continue;
    }
    if (!retry_at_) retry_at_ = clock_.steady_now() + kFirstRetry;
    const bool rung = co_await bell_.wait_until(clock_, *retry_at_);
    if (rung) continue;
    trigger_ = "periodic_retry";
    retry_at_ = clock_.steady_now() + kRetry;
  }
}

base::Task<void> Resizes::look_at_all() {
  if (hooks_.ready && !hooks_.ready()) co_return;
  const std::vector<PendingResize> order = pending();
  std::vector<Accepted> accepted;
  for (const PendingResize& resize : order) decide(resize.uid, accepted);
  if (accepted.empty()) co_return;
  // It is told when a crash can no longer take it back.
  const Status saved = co_await allocations_.saved();
  for (const Accepted& resize : accepted) {
    if (saved.ok()) {
      finish(resize);
    } else {
      undo(resize, saved.error());
    }
  }
}

std::vector<PendingResize> Resizes::pending() const {
  std::vector<PendingResize> out;
  for (const std::string& uid : queue_) {
    const api::PodPtr pod = hooks_.wanted ? hooks_.wanted(uid) : nullptr;
    if (pod == nullptr || allocations_.allocated(uid) == nullptr) continue;
    out.push_back(pending_resize(*pod, *allocations_.allocated_pod(pod), deferred_since(conditions(uid))));
  }
  sort_pending(out);
  return out;
}

void Resizes::decide(const std::string& uid, std::vector<Accepted>& accepted) {
  const api::PodPtr pod = hooks_.wanted(uid);
  const PodAllocation* allocated = pod == nullptr ? nullptr : allocations_.allocated(uid);
  if (allocated == nullptr) return;
  PodAllocation wanted = allocations_.wanted_by(*pod);
  if (same_allocation(*allocated, wanted)) {
    queue_.erase(uid);
    if (conditions_[uid].stop_pending()) tell(uid);
    return;
  }
  if (const auto why = infeasible_resize(*pod, *allocations_.allocated_pod(pod), rules_, node_)) {
    queue_.erase(uid);
    ++metrics_.infeasible[{infeasible_label(*why)}];
    return refuse(*pod, kInfeasible, *why);
  }
  const ResizeVerdict verdict = hooks_.admit ? hooks_.admit(pod) : ResizeVerdict();
  if (verdict.kind == ResizeVerdict::Kind::refused) return refuse(*pod, verdict.reason, verdict.message);
  if (verdict.kind == ResizeVerdict::Kind::wait) return;
  queue_.erase(uid);
  if (conditions(uid).is_deferred()) ++metrics_.deferred_accepted[{trigger_}];
  accepted.push_back({pod, *allocated});
  // The others are judged with what this one takes, or leaves.
  allocations_.set_allocated(uid, std::move(wanted));
}

void Resizes::refuse(const api::Pod& pod, const std::string& reason, const std::string& message) {
  const std::int64_t generation = pod.metadata().generation();
  if (!conditions_[pod.metadata().uid()].refuse(reason, message, generation, clock_.now())) return;
  log_.info("Resize of a pod was refused",
            {{"pod", pod_path(pod)}, {"uid", pod.metadata().uid()}, {"reason", reason}, {"message", message}});
  events_.record(pod, resize_refused(pod, generation, reason, message));
  tell(pod.metadata().uid());
}

void Resizes::finish(const Accepted& resize) {
  const std::string& uid = resize.pod->metadata().uid();
  if (hooks_.wanted(uid) == nullptr) return;
  const std::int64_t generation = resize.pod->metadata().generation();
  log_.info("Resize of a pod begins", {{"pod", pod_path(*resize.pod)}, {"uid", uid}, {"generation", generation}});
  conditions_[uid].begin(generation, clock_.now());
  events_.record(*resize.pod, resize_started(*resize.pod, generation));
  tell(uid);
}

void Resizes::undo(const Accepted& resize, const Error& error) {
  const std::string& uid = resize.pod->metadata().uid();
  log_.error("Resize of a pod cannot be recorded", {{"pod", pod_path(*resize.pod)}, {"uid", uid}, {"err", error}});
  if (hooks_.wanted(uid) == nullptr) return;
  allocations_.set_allocated(uid, resize.before);
  queue_.insert(uid);
}

void Resizes::tell(const std::string& uid) {
  if (hooks_.changed) hooks_.changed(uid);
}

}  // namespace keelson::agent
