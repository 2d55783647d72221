// Sampler: takes the snapshots of which /stats/summary, /metrics/resource and /metrics/cadvisor are made.
//
// Nothing is read while nobody asks, so it costs nothing then. A question reads what it needs in one batch on the
// blocking pool; the loop only puts together what came back. Rates (usageNanoCores) come from the counters of earlier
// questions (cpu_history.hpp). When there was none for two minutes, the summary's first answer waits half a second
// between two samples: a rate of now, where the kubelet would have one of the last ten seconds. The runtime is asked
// for the sizes of writable layers and images, and for containers whose cgroup we cannot find; when it does not answer,
// these alone are missing. Log directories are measured at most once a minute.
// Owner: the agent's wiring; what it stands on outlives it. Thread: the loop. Stops: it has no tasks of its own; a
// question ends with its asker. What fails: the root cgroup cannot be read; the pool is stuck. A container that
// vanishes meanwhile is left out. Source: contract 05 §10, §13, §14.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/stats/batch.hpp"
#include "agent/stats/cpu_history.hpp"
#include "agent/stats/snapshot.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/in_flight.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"

namespace keelson::stats {

struct SamplerOptions {
  cgroups::Layout layout;
  std::string proc = "/proc";
  std::string root_directory;  // ROOT: its file system is the node's
  // Where runtimes mount what is of containers; what is below ROOT/pods is left out besides.
  std::vector<std::string> container_mounts{"/run/containerd/", "/run/containers/", "/var/lib/containerd/",
                                            "/var/lib/containers/"};
  bool split_image_fs = false;  // believe the runtime's second file system (CRI-O)
  bool volume_health = false;   // gate CSIVolumeHealth
};

// How much disk the logs of a container that runs use.
struct LogUse {
  std::string uid;
  std::string ns;
  std::string pod;
  std::string container;
  std::uint64_t bytes = 0;
};

class Sampler {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::BlockingPool& pool;
    StatsSource& source;
    base::Logger log;
  };
  Sampler(Base base, SamplerOptions options);

  base::Task<Result<SnapshotPtr>> take(Depth depth);
  // As it was measured last, within the last minute. While a measurement hangs none is begun.
  base::Task<Result<std::vector<LogUse>>> log_use();

  base::BlockingPool& pool() { return base_.pool; }
  const base::Logger& log() const { return base_.log; }

 private:
  using Making = std::shared_ptr<Snapshot>;
  struct KnownLogs {
    base::SteadyTime due;
    std::vector<std::string> containers;  // that were measured
    LogReading last;
  };

  base::Task<Status> warm_up();
  base::Task<Status> read(Making snapshot, Depth depth);
  base::Task<Result<Reading>> run(BatchOrder order);
  base::Task<void> ask_runtime(Making snapshot);
  base::Task<void> ask_container_stats(Making snapshot);
  base::Task<void> ask_image_fs(Making snapshot);

  void gather(Snapshot& snapshot, Depth depth) const;
  std::optional<volume::PodUsage> volumes(const std::string& uid) const;
  BatchOrder order_of(const Snapshot& snapshot, Depth depth) const;
  PodOrder pod_order(const PodFacts& pod, Depth depth) const;
  LogOrder log_order(const PodFacts& pod) const;
  base::Task<Result<std::vector<LogReading>>> measure(std::vector<LogOrder> orders);
  void remember(const PodFacts& pod, LogReading reading);
  bool logs_are_due(const PodFacts& pod) const;
  Status take_in(Snapshot& snapshot, Reading reading);
  void take_in_pod(PodSnapshot& pod, PodReading reading);
  void remember(const PodSnapshot& pod);
  void keep_logs_of(const std::set<std::string_view>& uids);
  void forget_gone(const std::vector<PodSnapshot>& pods);
  base::Task<Status> measure_due(const std::vector<PodFacts>* pods);
  void set_rate(const std::string& path, CgroupReading& group);
  void set_runtime_rates(Snapshot& snapshot);

  Base base_;
  SamplerOptions options_;
  base::Semaphore turn_;  // one batch at a time: many askers do not take the pool's threads
  CpuHistory history_;
  std::optional<base::SystemTime> started_;                   // the machine
  std::unordered_map<std::string, std::string> group_names_;  // by container ID
  std::map<std::string, KnownLogs> logs_;                     // by pod UID
  base::InFlight in_flight_;                                  // measurements of logs alone
  base::SteadyTime next_try_ = base::SteadyTime::min();       // after one that failed
};

}  // namespace keelson::stats
