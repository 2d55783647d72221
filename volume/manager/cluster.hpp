// VolumeCluster: what the volume manager needs of the API server.
//
// Declared here, implemented by the agent's wiring and by tests. Thread: the loop. Each read has a limit of its own.
// Source: contract 04 §16 (attach handshake), §17 (live GETs), §24 (status of
// claims).
#pragma once

#include <memory>
#include <string>

#include "base/task.hpp"
#include "volume/manager/volume_spec.hpp"

namespace keelson::volume {

class VolumeCluster {
 public:
  using NodePtr = std::shared_ptr<const api::core::Node>;

  virtual ~VolumeCluster() = default;
  // As they are now.
  virtual base::Task<Result<VolumeSpec::ClaimPtr>> claim(std::string ns, std::string name) = 0;
  virtual base::Task<Result<VolumeSpec::PvPtr>> persistent_volume(std::string name) = 0;
  // Gives the claim, which was read as `now`, the status of `wanted`; the claim as it is then. `only_unchanged`: not
  // when somebody has changed it meanwhile (`conflict`).
  virtual base::Task<Result<VolumeSpec::ClaimPtr>> patch_claim_status(VolumeSpec::ClaimPtr now,
                                                                      api::core::PersistentVolumeClaim wanted,
                                                                      bool only_unchanged) = 0;
  virtual base::Task<Result<NodePtr>> read_node() = 0;
  // The newest that was heard of; null before the first.
  virtual NodePtr node() const = 0;
};

}  // namespace keelson::volume
