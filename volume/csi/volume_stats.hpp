// CsiGauge: the usage of a CSI volume, as its driver tells it.
//
// Owner: the agent's wiring; the CsiPlugin outlives it. Thread: the loop. Nothing is measured when the driver has no
// statistics. What fails: the driver is not registered, or its call; an answer without any usage. Source: contract 04
// §23 (NodeGetVolumeStats), §25.
#pragma once

#include <optional>
#include <string>

#include "volume/csi/plugin.hpp"
#include "volume/manager/volume_gauge.hpp"

namespace keelson::volume {

class CsiGauge final : public VolumeGauge {
 public:
  CsiGauge(CsiPlugin& csi, std::string root) : csi_(csi), root_(std::move(root)) {}
  base::Task<Result<std::optional<Measured>>> measure(MeasureOrder order) override;

 private:
  CsiPlugin& csi_;
  std::string root_;
};

// Nothing when it has neither bytes nor inodes. Pure.
std::optional<Measured> measured_by_driver(const CsiStats& stats);

}  // namespace keelson::volume
