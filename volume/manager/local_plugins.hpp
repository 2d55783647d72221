// Plugins of the volumes that need nothing but this node's disk: emptyDir, hostPath; and gitRepo, which is no more.
//
// Over local.hpp on the pool. Source: contract 04 §3, §4, §5.
#pragma once

#include <functional>

#include "volume/local.hpp"
#include "volume/manager/disk_work.hpp"
#include "volume/manager/plugin.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {

using LocalOptionsOf = std::function<LocalVolumeOptions(const api::Pod&)>;

// Of volumes that the sweep at the pod's end takes off.
class SweptPlugin : public VolumePlugin {
 public:
  base::Task<VolumeResult<VolumeManner>> manner(VolumeSpec) override { co_return swept(); }
  base::Task<Result<FoundManner>> manner_of_found(FoundVolume) override { co_return FoundManner{swept(), ""}; }
  base::Task<VolumeStatus> tear_down(TearDownOrder) override { co_return VolumeStatus(); }

 protected:
  static VolumeManner swept();
};

class EmptyDirPlugin final : public SweptPlugin {
 public:
  EmptyDirPlugin(DiskWork& work, LocalOptionsOf options) : work_(work), options_(std::move(options)) {}
  std::string name() const override { return std::string(empty_dir_plugin); }
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override;

 private:
  DiskWork& work_;
  LocalOptionsOf options_;
};

class HostPathPlugin final : public SweptPlugin {
 public:
  explicit HostPathPlugin(DiskWork& work) : work_(work) {}
  std::string name() const override { return "kubernetes.io/host-path"; }
  bool serves(const VolumeSpec& spec) const override;
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override;

 private:
  DiskWork& work_;
};

class GitRepoPlugin final : public SweptPlugin {
 public:
  std::string name() const override { return "kubernetes.io/git-repo"; }
  bool serves(const VolumeSpec& spec) const override { return spec.volume().volumesource().has_gitrepo(); }
  base::Task<VolumeResult<MountedVolume>> set_up(MountOrder order) override;
};

}  // namespace keelson::volume
