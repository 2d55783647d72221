// VolumeGauge: how the usage meter has a volume measured; and NodeGauge, which does it on this node.
//
// Owner: the agent's wiring; outlives the meter. Thread: the loop; what blocks runs by the DiskWork given: trees on its
// pool for files of the node, all else, which may hang, on the other. That should be pools of their own: what hangs
// here must not take the threads by which volumes are mounted, and dead servers pulled off. Each call has an end: a
// tree's walk after an hour or by the order's `stop`. What fails: the measuring; `deadline_exceeded`, `exhausted` and
// `cancelled` say nothing of the volume. Source: contract 04 §25.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/task.hpp"
#include "volume/manager/disk_work.hpp"
#include "volume/manager/volume_usage.hpp"

namespace keelson::volume {

struct MeasureOrder {
  VolumeSpec spec;
  std::string path;  // MountedVolume::path
  std::shared_ptr<std::atomic<bool>> stop = std::make_shared<std::atomic<bool>>(false);
};

class VolumeGauge {
 public:
  virtual ~VolumeGauge() = default;
  // Nothing: the volume cannot be measured.
  virtual base::Task<Result<std::optional<Measured>>> measure(MeasureOrder order) = 0;
};

class NodeGauge final : public VolumeGauge {
 public:
  // `driver`: for the volumes of CSI drivers; null: there are none.
  NodeGauge(DiskWork& work, VolumeGauge* driver) : work_(work), driver_(driver) {}
  base::Task<Result<std::optional<Measured>>> measure(MeasureOrder order) override;

 private:
  base::Task<Result<VolumeFigures>> on_disk(const MeasureOrder& order, Measure how);

  DiskWork& work_;
  VolumeGauge* driver_;
};

}  // namespace keelson::volume
