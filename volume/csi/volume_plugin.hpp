// CsiVolumePlugin: CSI volumes as the volume manager has them done, over CsiPlugin; block devices are bound and linked
// here.
//
// Owner: the volume manager; the CsiPlugin outlives it. Thread: the loop. What fails: see plugin.hpp. Source: contract
// 04 §3, §15, §16, §21, §22.
#pragma once

#include "volume/csi/plugin.hpp"
#include "volume/manager/disk_plugins.hpp"

namespace keelson::volume {

class CsiVolumePlugin final : public VolumePlugin {
 public:
  CsiVolumePlugin(CsiPlugin& csi, DiskHost host) : csi_(csi), host_(std::move(host)) {}

  std::string name() const override;
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec spec) override;
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume found) override;
  base::Task<Result<std::vector<DeviceOrder>>> found_devices() override;
  base::Task<VolumeStatus> check_attached(MountOrder order) override;
  base::Task<VolumeResult<std::string>> mount_device(MountOrder order) override;
  base::Task<VolumeStatus> unmount_device(DeviceOrder order) override;
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override;
  base::Task<VolumeStatus> tear_down(TearDownOrder order) override;
  base::Task<ExpandResult> expand(ExpandOrder order) override;
  base::Task<bool> is_node_full(MountOrder order) override;

 private:
  base::Task<VolumeResult<MountedVolume>> map(CsiVolume volume, MountOrder order);
  base::Task<Status> bind(std::string uid, std::string name, std::string device);
  base::Task<Status> unbind(std::string uid, std::string name);
  base::Task<Result<std::vector<std::string>>> pods_of(std::string name);
  base::Task<VolumeStatus> release_pods(std::string name);

  CsiPlugin& csi_;
  DiskHost host_;
  std::map<std::string, std::string> mapped_;  // by NAME: the block device that pods were given
};

// What the drivers were asked to stage and what lies there of block volumes, from the files that say so. Blocking.
std::vector<DeviceOrder> find_csi_devices(const std::string& root);
// "kubernetes.io/csi/DRIVER^HANDLE" taken apart; empty when it is no such name.
std::pair<std::string, std::string> parse_csi_unique_name(const std::string& unique);

}  // namespace keelson::volume
