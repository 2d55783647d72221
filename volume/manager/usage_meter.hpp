// UsageMeter: how much each mounted volume of each pod uses, measured again every one to two periods.
//
// Each volume is measured by a task of its own, never twice within a period, and rests for one after a long walk: one
// that is slow or hangs keeps only its own figures from being renewed. What is mounted is looked at once a period at
// least; pods and volumes that are no longer there are forgotten then, a pod also at forget(): a walk in it would keep
// it from being unmounted, and is ended. Who reads (the stats summary, metrics, eviction) gets what was measured last
// and never waits. A volume whose measuring fails has no figures, as with the kubelet; one that is late keeps those it
// has. Owner: the agent's wiring; what it stands on outlives it. Thread: the loop. Stops: stop(). Source: contract 04
// §25 (volumeStatsAggPeriod), contract 05 §10.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "volume/manager/manager.hpp"
#include "volume/manager/volume_gauge.hpp"
#include "volume/manager/volume_metrics.hpp"

namespace keelson::volume {

class UsageMeter {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    VolumeGauge& gauge;
    std::function<void(const VolumeManager::SeeMounted&)> each_mounted;
    base::Duration period;  // 0 or less: nothing is measured
    base::Logger log;
    VolumeMetrics* metrics = nullptr;  // null: nobody reads them
  };
  explicit UsageMeter(Base base);

  void start();
  base::Task<void> stop();

  // Nothing as long as no volume of the pod has been measured.
  std::optional<PodUsage> usage(const std::string& uid) const;
  // Its volumes are about to be taken off.
  void forget(const std::string& uid);

 private:
  struct Volume {
    VolumeUsage last;
    bool known = false;  // `last` was measured
    bool busy = false;
    base::SteadyTime due;
    std::shared_ptr<std::atomic<bool>> stop;  // of what is under way
    std::uint64_t seen = 0;                   // the last look that found it
  };
  using VolumePtr = std::shared_ptr<Volume>;
  struct Pod {
    std::map<std::string, VolumePtr> volumes;  // by VOL
    base::Duration step{};                     // until what begins at this look is due again
    std::uint64_t seen = 0;
  };

  base::Task<void> run();
  base::SteadyTime look();
  void see(const std::string& outer, const VolumeSpec& spec, const MountedVolume& mounted);
  void begin(const VolumePtr& volume, MeasureOrder order);
  base::Task<void> measure(VolumePtr volume, MeasureOrder order);
  void count(const std::string& source, base::SteadyTime begun);
  void keep(Volume& volume, const std::string& about, Result<std::optional<Measured>> measured);
  void forget_unseen();
  base::SteadyTime next_look() const;
  static void end(const Volume& volume);

  Base base_;
  std::map<std::string, Pod> pods_;  // by UID
  std::uint64_t looks_ = 0;
  base::Gate gate_;
};

}  // namespace keelson::volume
