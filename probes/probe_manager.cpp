#include "probes/probe_manager.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "probes/prober.hpp"

namespace keelson::probes {

// One probe of one container. While nothing is attempted it waits in the queue of those due.
struct ProbeManager::Worker {
  Worker(Probed& container, Kind what, const api::core::Probe& spec) : probed(&container), probe(spec), state(spec) {
    metrics.key.kind = what;
  }
  Kind kind() const { return metrics.key.kind; }

  Probed* probed;  // not after `ended`
  api::core::Probe probe;
  ProbeState state;
  std::shared_ptr<const Errand> errand;  // for the container that runs now
  std::string problem;                   // why there is no errand
  std::optional<Due::iterator> place;
  base::SteadyTime next{};  // the next time by the period
  bool has_begun = false;   // its first time has come
  bool attempting = false;
  bool asked = false;  // while attempting: once more, at once
  bool ended = false;
  ProbeMetrics metrics;
};

// A container with probes.
struct ProbeManager::Probed {
  ProbedPod pod;
  api::core::Container container;  // its name and ports, no more
  Sight sight;
  base::SteadyTime running_since{};
  Verdicts verdicts;
  bool has_startup_probe = false;
  std::array<std::shared_ptr<Worker>, std::size(kKinds)> workers;

  std::optional<Verdict>& verdict(Kind kind) { return verdicts.all[static_cast<std::size_t>(kind)]; }
  std::shared_ptr<Worker>& worker(Kind kind) { return workers[static_cast<std::size_t>(kind)]; }
  bool started() { return !has_startup_probe || verdict(Kind::startup) == Verdict::success; }
};

namespace {

// Times by the period are put on a common grid, so that the loop wakes for several probes at once.
constexpr base::Duration kGrid = std::chrono::milliseconds(50);

base::SteadyTime on_grid(base::SteadyTime time) { return time - time.time_since_epoch() % kGrid; }

const api::core::Probe* probe_of(const api::core::Container& container, Kind kind) {
  switch (kind) {
    case Kind::liveness: return container.has_livenessprobe() ? &container.livenessprobe() : nullptr;
    case Kind::readiness: return container.has_readinessprobe() ? &container.readinessprobe() : nullptr;
    case Kind::startup: return container.has_startupprobe() ? &container.startupprobe() : nullptr;
  }
  return nullptr;
}

}  // namespace

ProbeManager::ProbeManager(base::Loop& loop, base::Clock& clock, base::Random& random, base::SystemTime agent_started,
                           Transport& transport, ProbeListener& listener)
    : clock_(clock),
      random_(random),
      transport_(transport),
      listener_(listener),
      began_(clock.steady_now()),
      agent_started_(agent_started),
      alarm_(loop, clock, "probes due", [this] { return run_those_due(); }),
      attempts_(loop) {}

ProbeManager::~ProbeManager() = default;

base::Task<void> ProbeManager::stop() {
  co_await alarm_.stop();
  co_await attempts_.stop();
}

ProbeManager::Probed* ProbeManager::find(const std::string& uid, const std::string& container) const {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return nullptr;
  const auto found = pod->second.find(container);
  return found == pod->second.end() ? nullptr : found->second.get();
}

void ProbeManager::watch(const ProbedPod& pod, const api::core::Container& container) {
  for (const Kind kind : kKinds) {
    const api::core::Probe* probe = probe_of(container, kind);
    if (probe == nullptr) continue;
    auto& place = pods_[pod.uid][container.name()];
    if (place == nullptr) {
      place = std::make_unique<Probed>();
      place->pod = pod;
      place->container.set_name(container.name());
      *place->container.mutable_ports() = container.ports();
      place->has_startup_probe = container.has_startupprobe();
    }
    Probed& probed = *place;
    if (probed.worker(kind) != nullptr || probed.sight.life == Sight::Life::ended_for_good) continue;
    auto worker = std::make_shared<Worker>(probed, kind, *probe);
    worker->metrics.key = {pod.uid, container.name(), kind};
    worker->metrics.pod = pod.name;
    worker->metrics.ns = pod.ns;
    probed.worker(kind) = worker;
    if (!probed.verdict(kind) && !probed.sight.container_id.empty()) {
      probed.verdict(kind) = first_verdict(kind, probed.sight, agent_started_);
    }
    ++workers_;
    // After a restart of the agent all workers begin together: their probes are spread over the period.
    base::SteadyTime first = clock_.steady_now();
    const base::Duration period = worker->state.period();
    if (first - began_ < period) {
      std::uniform_int_distribution<base::Duration::rep> part(0, period.count());
      first += base::Duration(part(random_));
    }
    worker->next = first;
    wait(worker, first);
  }
}

void ProbeManager::see(const std::string& uid, const std::string& container, const Sight& sight) {
  Probed* probed = find(uid, container);
  if (probed == nullptr) return;
  const bool other_container = sight.container_id != probed->sight.container_id;
  const bool starts = sight.running() && (other_container || !probed->sight.running());
  if (other_container || sight.pod_ip != probed->sight.pod_ip) {
    for (const auto& worker : probed->workers) {
      if (worker != nullptr) worker->errand.reset();
    }
  }
  probed->sight = sight;
  if (other_container) begin_container(*probed, sight);
  if (starts) {
    const auto age = std::max<base::Duration>(base::Duration::zero(), clock_.now() - sight.started_at);
    probed->running_since = clock_.steady_now() - age;
  }
  if (sight.life == Sight::Life::ended || sight.life == Sight::Life::ended_for_good) {
    for (const Kind kind : kKinds) {
      if (probed->worker(kind) != nullptr) probed->verdict(kind) = Verdict::failure;
      if (sight.life == Sight::Life::ended_for_good) end(probed->worker(kind));
    }
    return;
  }
  const auto& readiness = probed->worker(Kind::readiness);
  const bool unready = sight.running() && probed->started() && probed->verdict(Kind::readiness) != Verdict::success;
  if (readiness == nullptr || !unready) return;
  if (readiness->attempting) {
    readiness->asked = true;
  } else if (readiness->has_begun) {
    run_now(readiness);
  }
}

void ProbeManager::begin_container(Probed& probed, const Sight& sight) {
  probed.verdicts = {};
  probed.verdicts.container_id = sight.container_id;
  for (const Kind kind : kKinds) {
    auto& worker = probed.worker(kind);
    if (worker == nullptr) continue;
    worker->state.begin();
    if (!sight.container_id.empty()) probed.verdict(kind) = first_verdict(kind, sight, agent_started_);
  }
}

void ProbeManager::end(const std::string& uid, const std::string& container, Kind kind) {
  if (Probed* probed = find(uid, container)) end(probed->worker(kind));
}

void ProbeManager::end_all(const std::string& uid) {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return;
  for (const auto& [name, probed] : pod->second) {
    for (auto& worker : probed->workers) end(worker);
  }
}

void ProbeManager::forget(const std::string& uid) {
  end_all(uid);
  pods_.erase(uid);
}

// An attempt in progress goes on, but nobody heeds it.
void ProbeManager::end(std::shared_ptr<Worker>& worker) {
  if (worker == nullptr) return;
  worker->ended = true;
  if (worker->place) due_.erase(*worker->place);
  worker.reset();
  --workers_;
}

std::optional<Verdicts> ProbeManager::verdicts(const std::string& uid, const std::string& container) const {
  const Probed* probed = find(uid, container);
  if (probed == nullptr || probed->verdicts.container_id.empty()) return std::nullopt;
  return probed->verdicts;
}

std::vector<ProbeMetrics> ProbeManager::metrics() const {
  std::vector<ProbeMetrics> all;
  for (const auto& [uid, containers] : pods_) {
    for (const auto& [name, probed] : containers) {
      for (const auto& worker : probed->workers) {
        if (worker != nullptr) all.push_back(worker->metrics);
      }
    }
  }
  return all;
}

void ProbeManager::wait(const std::shared_ptr<Worker>& worker, base::SteadyTime until) {
  worker->place = due_.emplace(until, worker);
  alarm_.set(until);
}

base::SteadyTime ProbeManager::run_those_due() {
  const base::SteadyTime now = clock_.steady_now();
  while (!due_.empty() && due_.begin()->first <= now) {
    const std::shared_ptr<Worker> worker = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    worker->place.reset();
    worker->has_begun = true;
    // A time that was missed is made good once, not more.
    const base::Duration late = now - worker->next;
    worker->next = on_grid(worker->next + worker->state.period() * (late / worker->state.period() + 1));
    if (worker->next <= now) worker->next += worker->state.period();
    run_or_wait(worker);
  }
  return due_.empty() ? base::SteadyTime::max() : due_.begin()->first;
}

// Out of turn; the period begins anew.
void ProbeManager::run_now(const std::shared_ptr<Worker>& worker) {
  if (worker->place) due_.erase(*worker->place);
  worker->place.reset();
  worker->next = on_grid(clock_.steady_now() + worker->state.period());
  run_or_wait(worker);
}

bool ProbeManager::may_run(const Worker& worker) const {
  Probed& probed = *worker.probed;
  return worker.state.may_run(worker.kind(), probed.sight, clock_.steady_now() - probed.running_since,
                              probed.started());
}

void ProbeManager::run_or_wait(const std::shared_ptr<Worker>& worker) {
  if (!may_run(*worker)) return wait(worker, worker->next);
  const Probed& probed = *worker->probed;
  if (worker->errand == nullptr) {
    worker->problem.clear();
    auto action = make_action(worker->probe, probed.container, probed.sight.container_id, probed.sight.pod_ip);
    if (action.ok()) {
      worker->errand = std::make_shared<const Errand>(Errand{worker->metrics.key, std::move(*action)});
    } else {
      worker->problem = action.error().message();
    }
  }
  worker->attempting = true;
  base::spawn(attempts_, "probe", attempt(worker, worker->errand, probed.sight.container_id));
}

base::Task<void> ProbeManager::attempt(std::shared_ptr<Worker> worker, std::shared_ptr<const Errand> errand,
                                       std::string container_id) {
  const base::SteadyTime began = clock_.steady_now();
  Attempt attempt(Outcome::unknown, worker->problem, true);
  if (errand != nullptr) attempt = co_await attempt_with_tries(transport_, std::move(errand));
  if (!worker->ended) conclude(worker, container_id, attempt, clock_.steady_now() - began);
}

void ProbeManager::conclude(const std::shared_ptr<Worker>& worker, const std::string& container_id,
                            const Attempt& attempt, base::Duration took) {
  Probed& probed = *worker->probed;
  const Kind kind = worker->kind();
  std::optional<Verdict> changed;
  const bool still_it = container_id == probed.sight.container_id && probed.sight.running();
  if (still_it && !attempt.errored) {
    const bool success = attempt.outcome == Outcome::success || attempt.outcome == Outcome::warning;
    if (success) {
      ++worker->metrics.successful;
      worker->metrics.duration.observe(took);
    } else {
      ++worker->metrics.failed;
    }
    const auto verdict = worker->state.take(kind, success);
    if (verdict && probed.verdict(kind) != verdict) {
      probed.verdict(kind) = verdict;
      if (kind != Kind::liveness || verdict == Verdict::failure) changed = verdict;
    }
  }
  worker->attempting = false;
  const bool asked = std::exchange(worker->asked, false);
  if (asked && probed.verdict(kind) != Verdict::success) {
    run_now(worker);
  } else {
    wait(worker, std::max(worker->next, clock_.steady_now()));
  }
  // Last, for the listener comes back with what it makes of it.
  const ProbeKey key = worker->metrics.key;
  if (still_it) {
    if (const auto event = event_of(kind, attempt)) listener_.on_event(key, event->reason, event->message);
  }
  if (changed) listener_.on_verdict(key, *changed);
}

}  // namespace keelson::probes
