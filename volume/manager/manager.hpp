// VolumeManager: which volumes are mounted for which pods of this node, and what is done so that it is those that
// should be.
//
// mount() wants all used volumes of a pod and waits for them; unmount() wants none. For each volume of a pod a task of
// its own works towards that and tries again with back-off until it is so, whoever waits: a volume that hangs keeps its
// own pod waiting only. Volumes that are mounted on the node once (devices) come before the pod's own mount and go
// after the last; attachable ones are asked of the cluster through the Node's volumesInUse and volumesAttached. After a
// restart restore() takes up what lies on the disk: until it is done, mount(), unmount() and in_use() wait. A volume
// whose PersistentVolume has grown is made larger when it is mounted, and while it is by a task of its device.
//
// Owner: the agent's wiring; what it stands on outlives it. Thread: the loop. Stops: stop(), after those who wait have
// left. What fails: mount() with the kubelet's text, `deadline_exceeded` when time is up and each cause has been told
// as an event, `exhausted` when the node has no room for one more attached volume; unmount() when time is up or
// something stays. Source: contract 04 §12, §16, §17, §18, §24.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "volume/manager/claims.hpp"
#include "volume/manager/expansion.hpp"
#include "volume/manager/plugin.hpp"
#include "volume/manager/selinux.hpp"
#include "volume/manager/volume_metrics.hpp"

namespace keelson::volume {

// What a pod's directory needs besides single volumes.
class VolumeDisk {
 public:
  virtual ~VolumeDisk() = default;
  virtual base::Task<Result<FoundVolumes>> find() = 0;
  // They hold the volumes that they are bound from.
  virtual base::Task<Status> clear_sub_paths(std::string uid) = 0;
  // Takes off what is swept and all that is empty; anything else is an error and stays.
  virtual base::Task<Status> sweep(std::string uid) = 0;
};

class VolumeManager {
 public:
  struct Hooks {
    VolumeEvent event;
    VolumeObjectEvent object_event;
    // What the pod waits for, for `keelson explain`.
    std::function<void(const std::string& uid, std::string text)> waits;
    std::function<void()> in_use_changed;
  };
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    VolumeDisk& disk;
    ClaimSources claims;
    bool waits_for_attach = true;  // enableControllerAttachDetach
    Hooks hooks;
    base::Logger log;
    SELinuxHost selinux = {};
    VolumeMetrics* metrics = nullptr;  // null: nobody reads them
  };
  explicit VolumeManager(Base base);
  ~VolumeManager();
  VolumeManager(const VolumeManager&) = delete;
  VolumeManager& operator=(const VolumeManager&) = delete;

  // Before restore().
  void add_plugin(std::unique_ptr<VolumePlugin> plugin);
  base::Task<void> restore();
  base::Task<void> stop();

  // By the volumes' names in the pod. One call for a pod at a time; called at each of its syncs.
  base::Task<Result<std::map<std::string, MountedVolume>>> mount(api::PodPtr pod);
  base::Task<Status> unmount(std::string uid);

  // Something that the pod's volumes are made of has changed: what waits to be tried again is tried now.
  void look_again(const std::string& uid);
  void look_again_all();
  // The Node was heard of anew: attached volumes.
  void node_changed();
  // All sources of pods have spoken: what was found on the node and nobody uses may go.
  void pods_known();

  // What is mounted, by its name in the pod.
  using SeeMounted = std::function<void(const std::string& outer, const VolumeSpec& spec, const MountedVolume& volume)>;
  void each_mounted(const SeeMounted& see) const;

  // The Node's volumesInUse, sorted; nothing before restore() is done.
  std::optional<std::vector<std::string>> in_use() const;
  // Something of the pod may be mounted.
  bool holds(const std::string& uid) const;
  std::size_t mounts() const;
  // Mounts that are being worked at, those left out that wait to be tried again.
  std::size_t under_way() const;
  std::size_t devices() const { return devices_.size(); }
  // Volumes of pods, for metrics.
  VolumeCounts counts() const;

 private:
  enum class State { absent, uncertain, mounted };
  struct Device;
  struct Mount;
  struct Pod;
  struct Step;
  struct Resolved;
  using AllResolved = std::map<std::string, Resolved>;  // by VOL
  using MountPtr = std::shared_ptr<Mount>;
  using DevicePtr = std::shared_ptr<Device>;
  using PodRecord = std::shared_ptr<Pod>;
  // Found on the disk, and not to be taken up.
  struct Lost {
    VolumePlugin* plugin = nullptr;
    FoundVolume found;
  };

  // --- What was there before (manager_restore.cpp) ---
  base::Task<void> await_restored();
  base::Task<Status> look_around();
  void take_up(VolumePlugin& plugin, const FoundVolume& found, FoundManner manner);
  void take_up(VolumePlugin& plugin, const DeviceOrder& found);
  base::Task<void> clean_lost(std::string uid);
  bool has_lost(const std::string& uid) const;
  // What is wanted again is its own task's to take off. Whether there was such a one.
  bool forget_lost(const std::string& uid, const VolumePlugin& plugin, const std::string& name);

  // --- Wanting (manager.cpp) ---
  base::Task<AllResolved> resolve_all(PodRecord pod, api::PodPtr wanted, std::vector<std::string> outer);
  base::Task<Result<Resolved>> resolve_one(api::PodPtr wanted, std::string outer);
  void want_all(Pod& pod, const api::PodPtr& wanted, AllResolved resolved);
  void take(Mount& mount, const std::string& uid, Resolved found);
  void start_unmounting(const Pod& pod, bool only_of_servers);
  base::Task<bool> await_unmounted(PodRecord pod);
  Error still_mounted(const Pod& pod) const;
  void in_use_changed();
  bool all_mounted(const Pod& pod, const std::vector<std::string>& outer, bool fresh) const;
  base::Task<Error> unfinished(PodRecord pod, std::vector<std::string> outer, ErrorKind kind, std::string why);
  void start(const MountPtr& mount);
  void settled(Mount& mount);
  void tell_waits(const Pod& pod);
  PodRecord record(const std::string& uid);
  VolumePlugin* plugin_of(const VolumeSpec& spec) const;
  VolumePlugin* plugin_named(const std::string& name) const;
  DevicePtr device_of(VolumePlugin& plugin, const VolumeManner& manner, const std::string& name, bool block);

  // --- Working (manager_work.cpp) ---
  base::Task<void> drive(MountPtr mount);
  base::Task<Step> mount_step(MountPtr mount);
  base::Task<Step> mount_with_device(MountPtr mount);
  base::Task<Step> leave_other_context(MountPtr mount);
  base::Task<Step> mount_device(MountPtr mount);
  Step check_taken(const Mount& mount) const;
  base::Task<Step> attach(MountPtr mount);
  base::Task<Step> set_up(MountPtr mount);
  base::Task<Step> unmount_step(MountPtr mount);
  base::Task<void> drive_device(DevicePtr device);
  base::Task<VolumeStatus> unmount_device(DevicePtr device);
  void start_device(const DevicePtr& device);
  bool is_used(const Device& device) const;
  bool is_taken_by_another(const Mount& mount) const;
  void tell(const Mount& mount, const Step& step);
  void wake_others(const Mount& mount);
  static MountOrder order_of(const Mount& mount);

  // --- Growing (manager_growth.cpp) ---
  base::Task<Status> grow_at_mount(MountPtr mount, std::string path);
  void start_growth(const DevicePtr& device);
  base::Task<void> drive_growth(DevicePtr device);
  base::Task<bool> grow(DevicePtr device);
  base::Task<Status> expand(MountPtr mount, std::string path, VolumeSpec::ClaimPtr claim, Expansion plan);
  base::Task<Result<VolumeSpec::ClaimPtr>> tell_claim(VolumeSpec::ClaimPtr claim,
                                                      api::core::PersistentVolumeClaim wanted, bool only_unchanged);
  MountPtr grown_by(const Device& device) const;
  void tell_growth(const Mount& mount, const api::core::PersistentVolumeClaim& claim, bool warning,
                   const std::string& reason, const std::string& message);

  // --- Counting ---
  static std::string label_of(const Mount& mount);
  void count(const Mount& mount, const char* operation, base::SteadyTime begun, bool failed);
  void count(const Mount& mount, bool wanted, const Step& step, base::SteadyTime begun);
  void count(const Device& device, base::SteadyTime begun, bool failed);
  void count_total(const Mount& mount);
  void count_verified(Mount& mount, base::SteadyTime begun);

  Base base_;
  std::vector<std::unique_ptr<VolumePlugin>> plugins_;
  std::map<std::string, PodRecord> pods_;     // by UID
  std::map<std::string, DevicePtr> devices_;  // by unique name, mode Block apart
  std::map<std::string, std::weak_ptr<base::Semaphore>> serials_;
  std::optional<std::vector<std::string>> told_in_use_;
  std::vector<Lost> lost_;
  VolumeMetrics uncounted_;  // where nobody reads them
  VolumeMetrics& metrics_;
  bool restored_ = false;
  bool pods_known_ = false;
  base::Notification restored_bell_;
  base::Gate gate_;
};

}  // namespace keelson::volume
