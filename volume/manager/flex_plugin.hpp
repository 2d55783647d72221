// FlexPlugin: volumes of FlexVolume drivers, which are programs of the host.
//
// A driver is looked for when a volume of it is wanted or taken off, and asked what it can whenever its file is
// another. Owner: the volume manager; what DiskHost names outlives it. Thread: the loop; programs run on the pool. What
// fails: as in flex.hpp; a driver that is not there is a volume that no plugin serves. Source: contract 04 §3, §6, §11,
// §24.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "volume/flex.hpp"
#include "volume/manager/disk_plugins.hpp"

namespace keelson::volume {

class FlexPlugin final : public VolumePlugin {
 public:
  // `directory`: of the drivers.
  FlexPlugin(DiskHost host, std::string directory) : host_(std::move(host)), directory_(std::move(directory)) {}

  std::string name() const override { return "flexvolume"; }
  bool is_called(const std::string& plugin) const override;
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec spec) override;
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume found) override;
  base::Task<Result<std::vector<DeviceOrder>>> found_devices() override;
  base::Task<VolumeResult<std::string>> mount_device(MountOrder order) override;
  base::Task<VolumeStatus> unmount_device(DeviceOrder order) override;
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override;
  base::Task<VolumeStatus> tear_down(TearDownOrder order) override;
  base::Task<ExpandResult> expand(ExpandOrder order) override;

 private:
  struct Known {
    std::string version;
    FlexDriver driver;
  };
  using Words = std::map<std::string, std::string>;
  using DriverPtr = std::shared_ptr<const FlexDriver>;

  base::Task<Result<DriverPtr>> driver(std::string name);
  base::Task<Result<Known>> look(const std::string& name, const std::string& version);
  // What a driver is told of the pod, its secret included.
  base::Task<Result<Words>> words_for(VolumeSpec spec);
  base::Task<Result<Ok>> mount_for_node(const MountOrder& order, DriverPtr driver);
  base::Task<Result<Ok>> unmount_for_node(const DeviceOrder& order, DriverPtr driver);
  base::Task<Result<Ok>> mount(const MountOrder& order, DriverPtr driver, Words words,
                               std::shared_ptr<FsGroupProgress> progress);
  base::Task<Result<Ok>> unmount(const TearDownOrder& order, DriverPtr driver);
  base::Task<Result<Ok>> grow(const ExpandOrder& order, DriverPtr driver);

  DiskHost host_;
  std::string directory_;
  std::map<std::string, Known> known_;                                    // by driver
  std::map<std::string, std::map<std::string, std::string>> drivers_of_;  // by UID and NAME
};

}  // namespace keelson::volume
