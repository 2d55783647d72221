// ProjectionPlugin: volumes of files that the agent writes itself (configMap, secret, downwardAPI, projected).
//
// At each sync their content is put together anew from the API's objects, and written only when it is another. Owner:
// the volume manager. Thread: the loop; the writing is done on the pool. What fails: what they name is missing, or has
// a wrong key; the disk. Source: contract 04 §3, §8, §9, §10.
#pragma once

#include <map>
#include <string>

#include "agent/objects/volume_payload.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_objects.hpp"
#include "volume/manager/disk_work.hpp"
#include "volume/manager/local_plugins.hpp"
#include "volume/manager/plugin.hpp"

namespace keelson::agent {

class ProjectionPlugin final : public volume::SweptPlugin {
 public:
  ProjectionPlugin(volume::DiskWork& work, const NodeFacts& facts, PodObjects& objects, volume::LocalOptionsOf options)
      : work_(work), facts_(facts), objects_(objects), options_(std::move(options)) {}

  std::string name() const override { return "kubernetes.io/projection"; }
  bool is_called(const std::string& plugin) const override;
  bool serves(const volume::VolumeSpec& spec) const override;
  base::Task<volume::VolumeResult<volume::VolumeManner>> manner(volume::VolumeSpec spec) override;
  base::Task<volume::VolumeResult<volume::MountedVolume>> set_up(volume::MountOrder order) override;
  base::Task<volume::VolumeStatus> tear_down(volume::TearDownOrder order) override;

  // Nothing of the pod is on the disk any more.
  void forget(const std::string& uid) { written_.erase(uid); }

 private:
  // A hash of what was written last, and where.
  struct Written {
    std::size_t payload = 0;
    volume::MountedVolume shown;
  };

  base::Task<PayloadObjects> fetch(volume::VolumeSpec spec, PayloadNeeds needs);

  volume::DiskWork& work_;
  const NodeFacts& facts_;
  PodObjects& objects_;
  volume::LocalOptionsOf options_;
  std::map<std::string, std::map<std::string, Written>> written_;  // by UID and NAME
};

}  // namespace keelson::agent
