// What the volume manager remembers. Private to manager*.cpp.
#pragma once

#include "volume/manager/manager.hpp"

namespace keelson::volume {

// The kubelet's back-off of operations on volumes (contract 04 §16).
inline base::Backoff volume_backoff() {
  return base::Backoff(std::chrono::milliseconds(500), std::chrono::seconds(122), 2.0, 0.0);
}

inline std::string key_of(const std::string& plugin, const std::string& name) { return plugin + "/" + name; }
inline std::string device_key(const std::string& device, bool block) { return device + (block ? " block" : ""); }

struct VolumeManager::Device {
  Device(base::Loop& loop, VolumePlugin& given_plugin) : plugin(given_plugin), lock(loop, 1), bell(loop) {}
  VolumePlugin& plugin;
  DeviceOrder order;
  bool attachable = false;
  State state = State::absent;
  std::string device_path;
  bool restored = false;                    // found after a restart, and not mounted since
  base::Semaphore lock;                     // one operation at a time
  std::shared_ptr<base::Semaphore> serial;  // of those that may not be mounted side by side
  base::Backoff backoff = volume_backoff();
  base::Notification bell;
  bool busy = false;  // its task runs
  std::string label;  // of metrics

  std::optional<api::Quantity> size;  // that it was given here, as far as is known
  base::SteadyTime next_look{};       // at its PersistentVolume
  bool growing = false;               // the task that makes it larger runs
  bool growth_refused = false;        // its driver does not expand it while it is in use
  bool growth_failed = false;         // with a final error, the last time
};

struct VolumeManager::Mount {
  Mount(base::Loop& loop, VolumePlugin& given_plugin) : plugin(given_plugin), bell(loop) {}
  std::string uid;
  std::string name;  // NAME
  VolumePlugin& plugin;
  VolumeManner manner;
  std::optional<VolumeSpec> spec;  // none: found on the disk, and nobody has wanted it yet
  bool block = false;
  bool wanted = false;
  bool due = false;       // to be set up anew
  bool restored = false;  // found on the disk, and not set up since
  bool placed = false;    // set up, though not to be used yet: a later failure does not undo it
  State state = State::absent;
  MountedVolume result;
  DevicePtr device;
  base::Backoff backoff = volume_backoff();
  base::Notification bell;
  bool busy = false;       // its task runs
  std::string waits_for;   // why it is not as wanted; empty: it is, or is being worked at
  bool verified = false;   // it is attached, or need not be
  base::SteadyTime asked;  // when it was wanted, or to be set up anew
  VolumeProgressPtr progress = std::make_shared<VolumeProgress>();

  bool has_work() const { return wanted ? state != State::mounted || due : state != State::absent; }
};

struct VolumeManager::Pod {
  explicit Pod(base::Loop& loop) : changed(loop) {}
  std::string uid;
  std::map<std::string, MountPtr> mounts;   // by plugin and NAME
  std::map<std::string, MountPtr> volumes;  // by VOL
  std::map<std::string, Error> failed;      // by VOL: could not be resolved
  base::Notification changed;
};

// What a volume of a pod leads to.
struct VolumeManager::Resolved {
  VolumePlugin* plugin = nullptr;
  VolumeSpec spec;
  VolumeManner manner;
};

// How a step towards what is wanted ended.
struct VolumeManager::Step {
  std::optional<Error> error;
  std::string prefix;                  // of the event's message; empty: no event
  std::string reason = "FailedMount";  // of the event
  bool quiet = false;                  // nothing failed: it is waited for, without back-off
  bool verifies = false;               // it was only looked whether it is attached
  bool worked = false;                 // something was done, not only found to be needless

  static Step done() { return {}; }
  static Step worked_well() {
    Step step;
    step.worked = true;
    return step;
  }
  static Step failed(Error error, std::string prefix, bool block = false);
  static Step waiting(Error error);
  // No event tells of it.
  static Step unverified(Error error);
};

}  // namespace keelson::volume
