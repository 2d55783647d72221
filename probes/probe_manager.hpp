// ProbeManager: runs the probes of all containers, and knows what each holds to be true.
//
// One worker for each (pod UID, container, kind). A worker is a few hundred bytes and no task: one timer serves all,
// and a task runs only while an attempt does, so that an attempt that hangs keeps nobody else. What a worker must know
// of its container is told by see() each time the pod's status was computed. The specification is fixed when the worker
// begins. Owner: agent/wiring, or a test. Thread: the loop. Stops: stop(), which cancels attempts in progress. What
// fails: nothing to the outside; failures are events and verdicts. Source: contract 02 §17, §22.2.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "probes/alarm.hpp"
#include "probes/metrics.hpp"
#include "probes/probe_rules.hpp"
#include "probes/transport.hpp"

namespace keelson::probes {

// Called on the loop, from within an attempt's end.
class ProbeListener {
 public:
  virtual ~ProbeListener() = default;
  // The pod is to be looked at: readiness or startup changed, or liveness has failed.
  virtual void on_verdict(const ProbeKey& key, Verdict verdict) = 0;
  // A Warning about the container: Unhealthy or ProbeWarning.
  virtual void on_event(const ProbeKey& key, const std::string& reason, const std::string& message) = 0;
};

struct ProbedPod {
  std::string uid;
  std::string name;
  std::string ns;
};

struct Verdicts {
  std::string container_id;
  // By kind; nothing where there is no such probe, or where it has said nothing yet of an adopted container.
  std::optional<Verdict> of(Kind kind) const { return all[static_cast<std::size_t>(kind)]; }
  std::array<std::optional<Verdict>, std::size(kKinds)> all;
};

class ProbeManager {
 public:
  ProbeManager(base::Loop& loop, base::Clock& clock, base::Random& random, base::SystemTime agent_started,
               Transport& transport, ProbeListener& listener);
  ~ProbeManager();
  base::Task<void> stop();

  // Begins the workers of that container which are not there yet.
  void watch(const ProbedPod& pod, const api::core::Container& container);
  // What the container does now. One that is not ready is asked at once.
  void see(const std::string& uid, const std::string& container, const Sight& sight);
  // Ends workers; what they found stays until forget().
  void end(const std::string& uid, const std::string& container, Kind kind);
  void end_all(const std::string& uid);
  void forget(const std::string& uid);

  std::optional<Verdicts> verdicts(const std::string& uid, const std::string& container) const;
  std::vector<ProbeMetrics> metrics() const;
  std::size_t workers() const { return workers_; }

 private:
  struct Worker;
  struct Probed;
  using Due = std::multimap<base::SteadyTime, std::shared_ptr<Worker>>;

  Probed* find(const std::string& uid, const std::string& container) const;
  void begin_container(Probed& probed, const Sight& sight);
  bool may_run(const Worker& worker) const;
  base::SteadyTime run_those_due();
  void run_now(const std::shared_ptr<Worker>& worker);
  void run_or_wait(const std::shared_ptr<Worker>& worker);
  void wait(const std::shared_ptr<Worker>& worker, base::SteadyTime until);
  void end(std::shared_ptr<Worker>& worker);
  base::Task<void> attempt(std::shared_ptr<Worker> worker, std::shared_ptr<const Errand> errand,
                           std::string container_id);
  void conclude(const std::shared_ptr<Worker>& worker, const std::string& container_id, const Attempt& attempt,
                base::Duration took);

  base::Clock& clock_;
  base::Random& random_;
  Transport& transport_;
  ProbeListener& listener_;
  base::SteadyTime began_;
  base::SystemTime agent_started_;
  std::map<std::string, std::map<std::string, std::unique_ptr<Probed>>> pods_;  // by UID, by container
  std::size_t workers_ = 0;
  Due due_;
  Alarm alarm_;
  base::Gate attempts_;
};

}  // namespace keelson::probes
