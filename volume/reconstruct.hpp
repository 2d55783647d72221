// What volumes there were before the agent started: read from ROOT/pods and the mount table, for the volume manager to
// take up or to take off.
//
// Blocking; on the pool. Values only; nothing is changed. No volume is looked into and no mount is touched: a server
// that is gone makes none of this hang. What cannot be read is told beside what can. Source: contract 04 §16 "Restart".
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

struct FoundVolume {
  std::string uid;     // of the pod
  std::string plugin;  // "kubernetes.io/csi"
  std::string name;    // NAME
  // volumes/PLUGIN~/NAME; with CSI its child `mount` is where the mount is. Of mode Block: the link to the device.
  std::string path;
  bool block = false;
  bool mounted = false;  // of mode Block: the device is bound at GLOBAL/UID
  // Where the node has it: iscsi, fc and local disks: the global mount that the pod's mount shows; of mode Block:
  // GLOBAL. Empty when nothing shows it. parse_iscsi_global_dir() and parse_fc_global_dir() say which disk it is.
  std::string global_dir;
  std::string
      device;  // what is mounted, as the table names it: "/dev/sdb", "server:/export"; Block: where the link leads
  bool operator==(const FoundVolume&) const = default;
};

struct UnreadablePath {
  std::string path;
  Error error;
};

struct FoundVolumes {
  std::vector<FoundVolume> volumes;  // by pod, plugin, name
  std::vector<UnreadablePath> unreadable;
};

// Fails only when the mount table cannot be read. No ROOT/pods is no volume.
Result<FoundVolumes> find_volumes(const std::string& root, Mounts& mounts);

}  // namespace keelson::volume
