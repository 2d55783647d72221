// ClusterVolumes: volume::VolumeCluster over the kube client.
//
// Claims, PersistentVolumes and the Node are read anew each time. Owner: the agent's wiring. Thread: the loop. What
// fails: what the API server says, or that it did not answer in time. Source: contract 04 §16, §17, §24.
#pragma once

#include <functional>
#include <string>

#include "kube-client/client.hpp"
#include "volume/manager/cluster.hpp"

namespace keelson::agent {

// The patch that makes the status of `now` that of `wanted`; empty when nothing differs. Pure.
std::string claim_patch(const api::core::PersistentVolumeClaim& now, const api::core::PersistentVolumeClaim& wanted,
                        bool only_unchanged);

class ClusterVolumes final : public volume::VolumeCluster {
 public:
  // `cached`: the Node as it was last heard of.
  ClusterVolumes(kube::Client& client, std::string node, std::function<NodePtr()> cached)
      : client_(client), node_(std::move(node)), cached_(std::move(cached)) {}

  base::Task<Result<volume::VolumeSpec::ClaimPtr>> claim(std::string ns, std::string name) override;
  base::Task<Result<volume::VolumeSpec::PvPtr>> persistent_volume(std::string name) override;
  base::Task<Result<volume::VolumeSpec::ClaimPtr>> patch_claim_status(volume::VolumeSpec::ClaimPtr now,
                                                                      api::core::PersistentVolumeClaim wanted,
                                                                      bool only_unchanged) override;
  base::Task<Result<NodePtr>> read_node() override;
  NodePtr node() const override { return cached_(); }

 private:
  template <class T>
  base::Task<Result<std::shared_ptr<const T>>> read(std::string ns, std::string name);

  kube::Client& client_;
  std::string node_;
  std::function<NodePtr()> cached_;
};

}  // namespace keelson::agent
