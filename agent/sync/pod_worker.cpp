#include "agent/sync/pod_worker.hpp"

#include <algorithm>

#include "agent/allocation/resizes.hpp"
#include "agent/pod_config/qos.hpp"
#include "agent/sync/containers.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

constexpr auto kErrorRetry = std::chrono::seconds(10);
constexpr auto kNetworkRetry = std::chrono::seconds(1);
constexpr double kJitter = 0.5;

base::Task<void> tell_exceeded(WorkerContext context, api::PodPtr pod, std::shared_ptr<const bool> still_running,
                               base::Duration patience) {
  co_await context.clock.sleep_for(patience);
  if (!*still_running) co_return;
  PodEvent event;
  event.warning = true;
  event.reason = "ExceededGracePeriod";
  event.message = "Container runtime did not kill the pod within specified grace period.";
  context.events.record(*pod, std::move(event));
}

}  // namespace

std::string_view to_string(WorkerState state) {
  switch (state) {
    case WorkerState::sync: return "sync";
    case WorkerState::terminating: return "terminating";
    case WorkerState::terminated: return "terminated";
    case WorkerState::finished: return "finished";
  }
  return "sync";
}

PodWorker::PodWorker(const WorkerContext& context, api::PodPtr pod, std::function<void()> on_finished)
    : context_(context),
      pod_(std::move(pod)),
      on_finished_(std::move(on_finished)),
      journal_(context.clock, context.log.with("pod", pod_path(*pod_)).with("uid", pod_->metadata().uid())),
      bell_(context.loop),
      first_seen_(context.clock.steady_now()),
      observed_(std::make_shared<ObservedPod>()),
      backoff_(BackoffLimits{std::min(context.facts.restart_backoff_first, context.facts.restart_backoff_cap),
                             context.facts.restart_backoff_cap}) {
  // What was last shown is what the next status goes on from; nothing is computed before the runtime was looked at.
  // The end of an earlier life is nothing to a static pod (contract 02 §4.1).
  if (const auto known = context_.sink.known(*pod_); known && !(is_static(*pod_) && is_terminal(*known))) {
    status_ = *known;
  } else {
    status_ = pod_->status();
  }
  if (status_.containerstatuses_size() == 0 && !is_terminal(status_)) compute_status();
  heed_the_api();
}

void PodWorker::start(base::Gate& gate) {
  gate_ = &gate;
  base::spawn(gate, "pod " + pod_->metadata().uid(), run());
}

void PodWorker::update(api::PodPtr pod) {
  pod_ = std::move(pod);
  updated_ = true;
  pod_cgroup_.reset();
  heed_the_api();
  watch_deadline();
  wake();
}

void PodWorker::refresh(api::PodPtr pod) {
  pod_ = std::move(pod);
  heed_the_api();
  if (state_ != WorkerState::finished || !is_terminal(pod_->status()) || pod_->metadata().has_deletiontimestamp())
    return;
  // The API shows the end now: what depends on that is told once more.
  compute_status();
  make_final(*pod_, status_);
  context_.sink.terminated(pod_, status_);
}

// contract 02 §5: a deletion that was asked for, or an end that the API already shows, ends the pod here.
void PodWorker::heed_the_api() {
  if (pod_->metadata().has_deletiontimestamp()) {
    Termination termination{"its deletion was asked for", std::nullopt, std::nullopt, true};
    if (pod_->metadata().deletiongraceperiodseconds() > 0) {
      termination.grace = std::chrono::seconds(pod_->metadata().deletiongraceperiodseconds());
    }
    const bool shorter = termination_ && termination.grace && *termination.grace < grace();
    if (!termination_ || !termination_->deleted || shorter) terminate(std::move(termination));
  } else if (is_terminal(pod_->status()) && state_ == WorkerState::sync) {
    terminate({"the API shows phase " + pod_->status().phase(), std::nullopt, std::nullopt, false});
  }
}

void PodWorker::terminate(Termination termination) {
  // contract 02 §5: a 0 counts as not given.
  if (termination.grace && termination.grace->count() == 0) termination.grace.reset();
  if (termination_) {
    termination_->deleted = termination_->deleted || termination.deleted;
    if (termination.grace && *termination.grace < grace()) {
      termination_->grace = termination.grace;
      interruption_.request();
    }
    wake();
    return;
  }
  journal_.decided("the pod is ended: " + termination.why);
  journal_.log().info("Pod is terminating", {{"why", termination.why}});
  termination_ = std::move(termination);
  termination_->since = context_.clock.now();
  if (termination_->evicts) watch_the_grace();
  if (state_ == WorkerState::sync) {
    state_ = WorkerState::terminating;
    interruption_.request();
  }
  wake();
}

// contract 02 §9: who ends a pod to get its room waits for so long.
void PodWorker::watch_the_grace() {
  if (gate_ == nullptr) return;
  const auto patience = std::max<base::Duration>(std::chrono::seconds(10), grace() * 3 / 2);
  base::spawn(*gate_, "grace period of pod " + pod_->metadata().uid(),
              tell_exceeded(context_, pod_, still_running_, patience));
}

std::optional<base::SteadyTime> PodWorker::backoff_end(const std::string& container) const {
  const auto found = backoff_ends_.find(container);
  if (found == backoff_ends_.end()) return std::nullopt;
  return found->second;
}

base::Task<void> PodWorker::run() {
  co_await rounds();
  state_ = WorkerState::finished;
  journal_.waits_for("");
  // Last, because the owner may destroy us.
  if (on_finished_) on_finished_();
}

base::Task<void> PodWorker::rounds() {
  while (true) {
    base::Duration next = std::chrono::seconds(1);
    const WorkerState at_start = state_;
    const bool was_overdue = is_overdue();
    const base::SteadyTime begun = context_.clock.steady_now();
    base::Histogram<base::buckets::kDurations>& durations = context_.metrics->worker_duration[{begin_round(begun)}];
    if (at_start == WorkerState::terminated) {
      const bool done = co_await terminated_round();
      durations.observe(context_.clock.steady_now() - begun);
      if (done) co_return;
    } else {
      // The end of the deadline breaks the round off like a termination does, unless the round began after it and is on
      // its way to the end already.
      heeds_deadline_ = at_start == WorkerState::sync && !was_overdue;
      watch_deadline();
      const bool whole = co_await interruption_.run(make_round(&next));
      durations.observe(context_.clock.steady_now() - begun);
      heeds_deadline_ = false;
      watch_deadline();
      if (!whole) {
        // What the round was doing may have taken effect.
        last_change_ = context_.clock.steady_now();
        continue;
      }
    }
    if (state_ != at_start) continue;
    // One that was over when the round began has been seen by it; if that could do nothing about it, it is tried again
    // like all.
    if (const auto end = deadline(); end && state_ == WorkerState::sync && !was_overdue) {
      next = std::clamp<base::Duration>(*end - context_.clock.steady_now(), base::Duration::zero(), next);
    }
    co_await bell_.wait_for(context_.clock, next);
  }
}

base::Task<void> PodWorker::make_round(base::Duration* next) {
  if (state_ == WorkerState::sync) {
    const base::Duration pause = co_await sync_round();
    *next = pause;
  } else {
    const base::Duration pause = co_await terminating_round();
    *next = pause;
  }
}

base::Task<bool> PodWorker::observe() {
  auto seen = co_await context_.observer.observe(pod_->metadata().uid(), last_change_);
  if (!seen.ok()) {
    const std::string text = "error determining status: " + seen.error().to_string();
    context_.events.record(*pod_, {true, "FailedSync", text, ""});
    journal_.failed(text);
    journal_.waits_for("container runtime to show the pod's state");
    co_return false;
  }
  observed_ = *seen;
  settled_ = false;
  exit_clock_.observe(*observed_, context_.clock.now(), context_.clock.steady_now());
  backoff_.forget_old(context_.clock.steady_now());
  co_await read_termination_messages();
  co_await read_cgroup();
  co_return true;
}

base::Task<base::Duration> PodWorker::sync_round() {
  if (const std::string problem = context_.health.problem(); !problem.empty()) {
    journal_.waits_for(problem);
    co_return std::chrono::seconds(5);
  }
  const bool seen = co_await observe();
  if (!seen) co_return after_error(kErrorRetry);
  note_resize();
  compute_status();
  publish(true);
  if (is_terminal(status_)) {
    terminate({is_overdue() ? "it was active for longer than its deadline"
                            : "all its containers have finished: phase " + status_.phase(),
               std::nullopt, std::nullopt, false});
    co_return base::Duration::zero();
  }
  base::Duration retry{};
  ResolvedVolumes volumes;
  const bool prepared = co_await prepare(volumes, retry);
  if (!prepared) co_return retry;
  const api::PodPtr planned = pod_;
  const auto probes = context_.probes.views(*pod_);
  PlanInput input{*pod_, *observed_, backoff_, probes, exit_clock_.exits(), context_.clock.steady_now()};
  input.restart_all = restarts_all(*pod_, *observed_, status_);
  input.actuated = context_.allocations.actuated(pod_->metadata().uid());
  input.resize_told = resize_told();
  PodRuntime::SyncRequest request;
  request.pod = pod_;
  request.observed = observed_;
  request.plan = plan(input);
  for (const std::string& reason : request.plan.reasons) journal_.decided(reason);
  request.volumes = std::move(volumes);
  request.journal = &journal_;
  request.sandbox_ready = sandbox_hook();
  request.container_started = started_hook();
  request.backoff = &backoff_;
  if (request.plan.empty()) journal_.waits_for("");
  SyncOutcome outcome = co_await context_.runtime.execute(std::move(request));
  apply(outcome);
  if (outcome.resized) apply_resize(*planned, outcome);
  if (outcome.did_anything) {
    last_change_ = context_.clock.steady_now();
    context_.observer.look_again(pod_->metadata().uid());
  }
  // contract 02 §6.5: begun anew without waiting for anything.
  if (outcome.removed_all) co_return std::chrono::milliseconds(1);
  if (!outcome.waiting.empty()) co_await show_failures();
  base::Duration next = outcome.ok() ? after_success() : after_error(kErrorRetry);
  if (outcome.retry_at) {
    const base::Duration left = *outcome.retry_at - context_.clock.steady_now();
    next = std::min(next, std::max<base::Duration>(left, std::chrono::milliseconds(1)));
  }
  co_return next;
}

// Why containers could not be started is told with the state that the round has left behind, not the one it began with.
base::Task<void> PodWorker::show_failures() {
  const bool seen = co_await observe();
  if (!seen) co_return;
  compute_status();
  publish(true);
}

// A round that cannot go on: told as an event and in the journal, with what the pod waits for meanwhile.
void PodWorker::fail(const std::string& reason, const std::string& text, const std::string& waits_for) {
  context_.events.record(*pod_, {true, reason, text, ""});
  journal_.failed(text);
  journal_.waits_for(waits_for);
}

base::Task<bool> PodWorker::prepare(ResolvedVolumes& volumes, base::Duration& retry) {
  if (const std::string problem = context_.health.network_problem(); !problem.empty() && !pod_->spec().hostnetwork()) {
    fail("NetworkNotReady", "network is not ready: " + problem, "the pod network of the container runtime");
    retry = after_error(kNetworkRetry);
    co_return false;
  }
  context_.objects.hold(pod_);
  const bool in_its_cgroup = co_await leave_lost_cgroup(retry);
  if (!in_its_cgroup) co_return false;
  auto grouped = co_await context_.cgroups.ensure(pod_);
  if (!grouped.ok()) {
    fail("FailedCreatePodContainer", "unable to ensure pod container exists: " + grouped.error().to_string(),
         "the pod's cgroup");
    retry = after_error(kErrorRetry);
    co_return false;
  }
  auto made = co_await context_.files.make_pod_directories(pod_->metadata().uid());
  if (!made.ok()) {
    fail("Failed", "error making pod data directories: " + made.error().to_string(), "the pod's directories");
    retry = after_error(kErrorRetry);
    co_return false;
  }
  auto mounted = co_await context_.volumes.mount(pod_);
  if (!mounted.ok()) {
    tell_unmounted(mounted.error());
    retry = after_error(kErrorRetry);
    co_return false;
  }
  volumes = std::move(*mounted);
  context_.probes.start(pod_);
  context_.probes.see(*pod_, *observed_, status_);
  co_return true;
}

// contract 04 §18: while it was waited for, each cause has been told. On a node that has no room for one more attached
// volume the pod would wait for ever: its owner is to make another.
void PodWorker::tell_unmounted(const Error& error) {
  if (error.kind() == ErrorKind::exhausted) {
    const std::string reason = "VolumeAttachmentLimitExceeded";
    if (context_.metrics != nullptr) ++context_.metrics->rejected[{reason}];
    context_.events.record(*pod_, {true, reason, error.to_string(), ""});
    Termination rejected{"its volumes find no room on this node", std::nullopt, std::nullopt, false};
    rejected.forced = ForcedEnd{"Failed", reason, "Pod was rejected: " + error.to_string(), ""};
    terminate(std::move(rejected));
    return;
  }
  const std::string text = "Unable to attach or mount volumes: " + error.to_string();
  if (error.kind() != ErrorKind::deadline_exceeded) {
    fail("FailedMount", text, "the pod's volumes");
    return;
  }
  journal_.failed(text);
  journal_.waits_for("the pod's volumes");
}

// contract 02 §5.1: what runs outside of the pod's cgroup, after a change of cgroupsPerQOS or of the driver, is ended
// before the cgroup is made. A pod that may not restart is then over.
base::Task<bool> PodWorker::leave_lost_cgroup(base::Duration& retry) {
  const auto& shown = status_.containerstatuses();
  const bool runs = std::any_of(shown.begin(), shown.end(), [](const auto& c) { return c.state().has_running(); });
  if (!runs) co_return true;
  const bool grouped = co_await context_.cgroups.exists(pod_);
  if (grouped) co_return true;
  journal_.decided("its containers are ended first: they run, but the pod's cgroup is not there");
  auto killed = co_await context_.killer.kill_pod(pod_, observed_, std::nullopt);
  last_change_ = context_.clock.steady_now();
  context_.observer.look_again(pod_->metadata().uid());
  retry = std::chrono::milliseconds(1);
  if (!killed.ok()) {
    journal_.failed("error killing pod: " + killed.error().to_string());
    retry = after_error(kErrorRetry);
  }
  co_return false;
}

void PodWorker::apply(const SyncOutcome& outcome) {
  for (const std::string& name : outcome.started) {
    waiting_.erase(name);
    backoff_ends_.erase(name);
  }
  for (const auto& [name, reason] : outcome.waiting) {
    waiting_[name] = reason;
    if (const auto end = outcome.retry_of.find(name); end != outcome.retry_of.end()) backoff_ends_[name] = end->second;
  }
  for (const std::string& text : outcome.errors) journal_.failed(text);
  if (!outcome.waiting.empty()) {
    const auto& [name, reason] = *outcome.waiting.begin();
    journal_.waits_for(
        "container " + name + ": " + reason.reason + (reason.message.empty() ? "" : ": " + reason.message),
        outcome.retry_at);
  } else if (!outcome.errors.empty()) {
    journal_.waits_for(outcome.errors.front(), outcome.retry_at);
  } else {
    journal_.waits_for("");
  }
}

std::chrono::seconds PodWorker::grace() const {
  std::int64_t seconds =
      pod_->spec().has_terminationgraceperiodseconds() ? pod_->spec().terminationgraceperiodseconds() : 30;
  if (termination_ && termination_->grace) seconds = termination_->grace->count();
  constexpr std::int64_t kMost = 100ll * 365 * 24 * 3600;  // a clock of nanoseconds holds no more
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 1, kMost));
}

base::Task<base::Duration> PodWorker::terminating_round() {
  const bool seen = co_await observe();
  if (!seen) co_return after_error(kErrorRetry);
  compute_status();
  const bool anything_left = observed_->any_running() || observed_->any_ready_sandbox();
  publish(anything_left);
  context_.probes.stop_restarting(*pod_);
  if (!anything_left) {
    context_.probes.stop(pod_->metadata().uid());
    state_ = WorkerState::terminated;
    *still_running_ = false;
    co_return base::Duration::zero();
  }
  if (std::exchange(killed_, false)) {
    const std::string text = "error killing pod: the runtime says that all is stopped, but shows something running";
    context_.events.record(*pod_, {true, "FailedKillPod", text, ""});
    journal_.failed(text);
    co_return after_error(kErrorRetry);
  }
  journal_.waits_for("its containers to stop (grace period " + std::to_string(grace().count()) + " s)");
  auto killed = co_await context_.killer.kill_pod(pod_, observed_, grace());
  last_change_ = context_.clock.steady_now();
  if (!killed.ok()) {
    const std::string text = "error killing pod: " + killed.error().to_string();
    context_.events.record(*pod_, {true, "FailedKillPod", text, ""});
    journal_.failed(text);
    co_return after_error(kErrorRetry);
  }
  killed_ = true;
  context_.probes.stop(pod_->metadata().uid());
  context_.observer.look_again(pod_->metadata().uid());
  const bool seen_again = co_await observe();
  if (!seen_again) co_return after_error(kErrorRetry);
  // contract 02 §5.2: what the runtime says it stopped and still runs is an error, not to be tried again at once.
  if (observed_->any_running() || observed_->any_ready_sandbox()) {
    journal_.failed("something of the pod still runs after the runtime said that it stopped all");
    co_return after_error(kErrorRetry);
  }
  co_return std::chrono::milliseconds(1);
}

base::Task<bool> PodWorker::terminated_round() {
  const std::string uid = pod_->metadata().uid();
  compute_status();
  publish(false);
  journal_.waits_for("its volumes to be unmounted");
  auto unmounted = co_await context_.volumes.unmount(uid);
  if (!unmounted.ok()) {
    journal_.failed("while unmounting volumes: " + unmounted.error().to_string());
    co_return false;
  }
  context_.probes.forget(uid);
  context_.objects.release(uid);
  journal_.waits_for("its cgroup to be removed");
  auto removed = co_await context_.cgroups.remove(uid);
  if (!removed.ok()) {
    journal_.failed("while removing the pod's cgroup: " + removed.error().to_string());
    co_return false;
  }
  context_.killer.forget(uid);
  co_await context_.user_namespaces.release(uid);
  make_final(*pod_, status_);
  if (!termination_ || !termination_->unknown) context_.sink.terminated(pod_, status_);
  journal_.log().info("Pod is terminated", {{"phase", status_.phase()}});
  co_return true;
}

base::Duration PodWorker::after_error(base::Duration delay) {
  return base::Backoff::jittered(std::min(delay, context_.facts.sync_frequency), kJitter, context_.random);
}

base::Duration PodWorker::after_success() {
  return base::Backoff::jittered(context_.facts.sync_frequency, kJitter, context_.random);
}

}  // namespace keelson::agent
