// What the volume manager remembers. Private to manager*.cpp.
#pragma once

#include "volume/manager/manager.hpp"

namespace keelson::volume {

// The kubelet's back-off of operations on volumes (contract 04 §16).
inline base::Backoff volume_backoff() {
  return base::Backoff(std::chrono::milliseconds(500), std::chrono::seconds(122), 2.0, 0.0);
}

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
  State state = State::absent;
  MountedVolume result;
  DevicePtr device;
  base::Backoff backoff = volume_backoff();
  base::Notification bell;
  bool busy = false;      // its task runs
  std::string waits_for;  // why it is not as wanted; empty: it is, or is being worked at
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

  static Step done() { return {}; }
  static Step failed(Error error, std::string prefix, bool block = false);
  static Step waiting(Error error);
};

}  // namespace keelson::volume
