// Plugins of NFS, of local PersistentVolumes and of disks of a storage network (iSCSI, Fibre Channel), as file systems
// and as block devices.
//
// Over nfs.hpp, local_volume.hpp, iscsi.hpp, fc.hpp, pod_mount.hpp and block_device.hpp on the pool. Owner: the volume
// manager; what DiskHost names outlives it. Thread: the loop. What fails: with the texts of those. Source: contract 04
// §3, §6, §11, §15.
#pragma once

#include <map>

#include "volume/fc.hpp"
#include "volume/iscsi.hpp"
#include "volume/local_volume.hpp"
#include "volume/loop_device.hpp"
#include "volume/manager/disk_work.hpp"
#include "volume/manager/fs_group_watch.hpp"
#include "volume/manager/plugin.hpp"
#include "volume/pod_mount.hpp"
#include "volume/programs.hpp"

namespace keelson::volume {

// What such plugins work with; shared with calls that outlive their deadline.
struct DiskHost {
  base::Clock& clock;
  DiskWork& work;
  std::shared_ptr<Programs> programs;
  std::shared_ptr<const ScsiDevices> scsi;
  std::shared_ptr<LoopDevices> loops;
  VolumeEvent event;
  // A Secret's data, for CHAP. Unset: there is no API server.
  std::function<base::Task<Result<IscsiSecret>>(std::string ns, std::string name)> secret;
  VolumeObjectEvent object_event = {};
};

// The two events of a block device that was mapped for a pod (contract 04 §18).
void tell_mapped(const VolumeEvent& event, const MountOrder& order, const std::string& global_dir,
                 const std::string& link);
// Never at an empty path, nor where the table cannot be read. Blocking.
bool is_still_mounted(const std::string& place, Mounts& mounts);
// `unavailable` while somebody has the device open or mounted.
base::Task<Status> check_free(DiskWork& work, const std::string& device);
// What lies in a directory of global mounts or maps, used or not; `device` is left to the caller. Blocking.
std::vector<DeviceOrder> find_global_dirs(const std::string& directory, bool block);

class NfsPlugin final : public VolumePlugin {
 public:
  explicit NfsPlugin(DiskWork& work) : work_(work) {}
  std::string name() const override { return "kubernetes.io/nfs"; }
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec) override { co_return of_a_server(); }
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume) override {
    FoundManner out;
    out.manner = of_a_server();
    co_return out;
  }
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override;
  base::Task<VolumeStatus> tear_down(TearDownOrder order) override;

 private:
  static VolumeManner of_a_server() {
    VolumeManner manner;
    manner.of_server = true;
    return manner;
  }

  DiskWork& work_;
};

// What the three types of disks have in common: the pod's own bind mount with fsGroup, or its device.
class DiskPlugin : public VolumePlugin {
 public:
  explicit DiskPlugin(DiskHost host) : host_(std::move(host)) {}
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override;
  base::Task<VolumeStatus> tear_down(TearDownOrder order) override;

 protected:
  // What of the pod's mount the type knows; called on the pool.
  using PodMountOf = std::function<Result<PodMount>()>;
  virtual PodMountOf pod_mount(const MountOrder& order) const = 0;
  virtual bool is_read_only(const VolumeSpec& spec) const = 0;
  // Whether people are told of a long walk of fsGroup by events (contract 04 §11).
  virtual bool tells_of_walks() const { return false; }
  // Where the device is that a pod's link is to lead to.
  virtual std::string device(const MountOrder& order) const = 0;

  // Where a pod's mount that was found may be; empty when none was. What is_still_mounted() is not looked at any more:
  // its server may have gone meanwhile.
  std::string found_place(const MountOrder& order) const;

  base::Task<Result<PodMounted>> bind(MountOrder order, std::shared_ptr<FsGroupProgress> progress);
  base::Task<Status> map(MountOrder order);
  base::Task<Status> unmap(TearDownOrder order);
  base::Task<Status> unbind(TearDownOrder order);
  base::Task<Status> check_released(DeviceOrder order);
  // Mounts of a disk for the node, with what is told of a wrong file system.
  VolumeResult<std::string> placed(const MountOrder& order, Result<DiskMounted> mounted, std::string place) const;

  DiskHost host_;

 private:
  std::map<std::string, std::string> mapped_;  // by unique name: the device that pods were given
};

class LocalVolumePlugin final : public DiskPlugin {
 public:
  using DiskPlugin::DiskPlugin;
  std::string name() const override { return std::string(local_plugin); }
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec spec) override;
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume found) override;
  base::Task<Result<std::vector<DeviceOrder>>> found_devices() override;
  base::Task<VolumeResult<std::string>> mount_device(MountOrder order) override;
  base::Task<VolumeStatus> unmount_device(DeviceOrder order) override;
  base::Task<ExpandResult> expand(ExpandOrder order) override;

 private:
  PodMountOf pod_mount(const MountOrder& order) const override;
  bool is_read_only(const VolumeSpec& spec) const override { return spec.read_only; }
  bool tells_of_walks() const override { return true; }
  std::string device(const MountOrder& order) const override;
};

// Disks of a storage network: attached first, then mounted from their global mount.
class SanPlugin : public DiskPlugin {
 public:
  using DiskPlugin::DiskPlugin;

 protected:
  PodMountOf pod_mount(const MountOrder& order) const override;
  std::string device(const MountOrder& order) const override;

  std::map<std::string, std::string> attached_;  // by unique name: the device; found anew by the next attach
};

class IscsiPlugin final : public SanPlugin {
 public:
  using SanPlugin::SanPlugin;
  std::string name() const override { return std::string(iscsi_plugin); }
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec spec) override;
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume found) override;
  base::Task<Result<std::vector<DeviceOrder>>> found_devices() override;
  base::Task<VolumeResult<std::string>> mount_device(MountOrder order) override;
  base::Task<VolumeStatus> unmount_device(DeviceOrder order) override;

 private:
  bool is_read_only(const VolumeSpec& spec) const override;
};

class FcPlugin final : public SanPlugin {
 public:
  using SanPlugin::SanPlugin;
  std::string name() const override { return std::string(fc_plugin); }
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec spec) override;
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume found) override;
  base::Task<Result<std::vector<DeviceOrder>>> found_devices() override;
  base::Task<VolumeResult<std::string>> mount_device(MountOrder order) override;
  base::Task<VolumeStatus> unmount_device(DeviceOrder order) override;

 private:
  bool is_read_only(const VolumeSpec& spec) const override;
};

}  // namespace keelson::volume
