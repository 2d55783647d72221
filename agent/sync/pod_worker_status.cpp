// What a pod's worker reads and tells of its pod: the half of PodWorker that the status is made of.
#include <algorithm>

#include "agent/allocation/resizes.hpp"
#include "agent/status/container_status.hpp"
#include "agent/sync/pod_worker.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kDeadlineExceeded = "DeadlineExceeded";
constexpr std::string_view kOverdueMessage = "Pod was active on the node longer than the specified deadline";
constexpr char kTerminationPathAnnotation[] = "io.kubernetes.container.terminationMessagePath";
constexpr char kTerminationPolicyAnnotation[] = "io.kubernetes.container.terminationMessagePolicy";

std::string annotation(const cri::ContainerStatus& status, const char* key) {
  const auto found = status.annotations.find(key);
  return found == status.annotations.end() ? std::string() : found->second;
}

bool handler_mounts_recursively(const NodeFacts& facts, const api::Pod& pod) {
  const std::string handler = facts.handler_of(pod);
  const auto found = std::find_if(facts.handlers.begin(), facts.handlers.end(),
                                  [&](const auto& known) { return known.name == handler; });
  return found != facts.handlers.end() && found->recursive_read_only_mounts;
}

std::string termination_file(const cri::ContainerStatus& status) {
  const std::string path = annotation(status, kTerminationPathAnnotation);
  for (const auto& mount : status.mounts) {
    if (!path.empty() && mount.container_path == absolute_path(path)) return mount.host_path;
  }
  return "";
}

}  // namespace

// contract 02 §3.5: the file, or with FallbackToLogsOnError the end of the log.
base::Task<void> PodWorker::read_termination_messages() {
  const ObservedPtr observed = observed_;
  std::erase_if(termination_messages_, [&](const auto& entry) { return observed->by_id(entry.first) == nullptr; });
  for (const auto& status : observed->containers) {
    if (status.state != cri::ContainerState::exited || termination_messages_.count(status.id) > 0) continue;
    std::string text;
    if (const std::string path = termination_file(status); !path.empty()) {
      text = co_await context_.files.termination_message(path);
    }
    const bool fall_back = annotation(status, kTerminationPolicyAnnotation) == "FallbackToLogsOnError" &&
                           status.exit_code != 0 && status.reason != "ContainerCannotRun";
    if (text.empty() && fall_back && !status.log_path.empty()) {
      text = co_await context_.files.log_tail(status.log_path);
    }
    termination_messages_[status.id] = std::move(text);
  }
}

// The steady clock counts, so that a jump of the system time neither ends a pod nor spares it.
std::optional<base::SteadyTime> PodWorker::deadline() {
  if (!pod_->spec().has_activedeadlineseconds() || !status_.has_starttime()) return std::nullopt;
  if (!active_since_) {
    const base::SystemTime start{std::chrono::seconds(status_.starttime().seconds())};
    const base::Duration active = context_.clock.now() - start;
    active_since_ = context_.clock.steady_now() - std::max(active, base::Duration::zero());
  }
  constexpr std::int64_t kMost = 100ll * 365 * 24 * 3600;  // a clock of nanoseconds holds no more
  return *active_since_ + std::chrono::seconds(std::min(pod_->spec().activedeadlineseconds(), kMost));
}

bool PodWorker::is_overdue() {
  const auto end = deadline();
  return end && *end <= context_.clock.steady_now();
}

// A round must not hold up the end, whatever it waits for.
void PodWorker::watch_deadline() {
  deadline_alarm_.reset();
  const auto end = deadline();
  if (!heeds_deadline_ || !end) return;
  deadline_alarm_ = context_.clock.set_alarm(*end, [this] { interruption_.request(); });
}

void PodWorker::compute_status() {
  const auto probes = context_.probes.views(*pod_);
  StatusInput input{*pod_, status_, *observed_, probes, waiting_, termination_messages_};
  input.host_ips = context_.facts.info.node_ips;
  input.runtime_name = context_.facts.runtime_name;
  input.now = context_.clock.now();
  input.agent_started = context_.facts.agent_started;
  input.terminating = termination_.has_value();
  input.stopped = input.terminating && !observed_->any_running() && !observed_->any_ready_sandbox();
  if (termination_) input.forced = termination_->forced;
  const bool overdue = is_overdue();
  if (overdue && !input.forced) {
    input.forced = ForcedEnd{"Failed", std::string(kDeadlineExceeded), std::string(kOverdueMessage), ""};
  }
  input.pod_cgroup = pod_cgroup_;
  input.stop_signals = context_.facts.info.container_stop_signals;
  input.actuated = context_.allocations.actuated(pod_->metadata().uid());
  input.resize = &context_.resizes.conditions(pod_->metadata().uid());
  input.recursive_read_only = handler_mounts_recursively(context_.facts, *pod_);
  api::core::PodStatus computed = agent::status(input);
  count_status(computed);
  const std::string before = status_.phase();
  status_ = std::move(computed);
  // contract 02 §14: told with every status from then on.
  if (overdue && state_ != WorkerState::finished && status_.reason() == kDeadlineExceeded) {
    context_.events.record(*pod_, {false, std::string(kDeadlineExceeded), std::string(kOverdueMessage), ""});
  }
  if (!before.empty() && before != status_.phase()) {
    journal_.log().info("Pod phase changed", {{"from", before}, {"to", status_.phase()}});
  }
  settled_ = true;
  context_.probes.see(*pod_, *observed_, status_);
}

// contract 05 §12: what a round is called by its cause; what a pod has to wait for at first counts apart.
std::string PodWorker::begin_round(base::SteadyTime begun) {
  const bool updated = std::exchange(updated_, false);
  const bool first = !std::exchange(began_, true);
  if (first) context_.metrics->worker_start.observe(begun - first_seen_);
  if (state_ != WorkerState::sync) return "terminated";
  if (first) return "create";
  return updated ? "update" : "sync";
}

void PodWorker::count_status(const api::core::PodStatus& next) const {
  SyncMetrics& metrics = *context_.metrics;
  if (status_.phase() == "Pending" && next.phase() == "Running") {
    metrics.pod_start.observe(context_.clock.steady_now() - first_seen_);
  }
  count_terminated(status_, next, metrics.terminated_containers);
  const std::string& uid = pod_->metadata().uid();
  if (metrics.starts.awaits(uid)) metrics.starts.initialised(uid, init_time(*pod_, *observed_));
}

// Also while a round goes on; what is to be done about it is the next round's.
void PodWorker::probe_changed() {
  wake();
  if (!settled_ || (state_ != WorkerState::sync && state_ != WorkerState::terminating)) return;
  compute_status();
  publish(state_ == WorkerState::sync || observed_->any_running() || observed_->any_ready_sandbox());
}

void PodWorker::publish(bool containers_may_run) {
  if (termination_ && termination_->unknown) return;
  context_.sink.publish(pod_, status_, containers_may_run);
}

// Made outside of coroutines (docs/architecture.md, "One loop").
std::function<void()> PodWorker::sandbox_hook() {
  return [this] { show_sandbox(); };
}

// From now on a probe of the container that was observed may be answered by the new one.
std::function<void()> PodWorker::started_hook() {
  return [this] { settled_ = false; };
}

// contract 02 §6.1: told as soon as it stands, before images are pulled.
void PodWorker::show_sandbox() {
  for (auto& condition : *status_.mutable_conditions()) {
    if (condition.type() != "PodReadyToStartContainers" || condition.status() == "True") continue;
    condition.set_status("True");
    *condition.mutable_lasttransitiontime() = to_api_time(context_.clock.now());
    settled_ = false;  // our observation does not have it yet
    publish(true);
  }
}

// The kernel's values are shown once the API shows the pod as running (contract 02 §15.4).
base::Task<void> PodWorker::read_cgroup() {
  if (pod_cgroup_ || pod_->status().phase() != "Running") co_return;
  pod_cgroup_ = co_await context_.cgroups.values(pod_);
}

}  // namespace keelson::agent
