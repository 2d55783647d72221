// NFS volumes: one mount per pod at its volume directory.
//
// Blocking, for as long as the server lets us wait; on the pool, never two calls for one directory at a time. Values
// only. What fails: mount(8), with its words; a failed attempt leaves no mount and no directory. Source: contract 04 §6
// "nfs"; taken off by clean_up_mount_point().
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

inline constexpr std::string_view nfs_plugin = "kubernetes.io/nfs";

struct NfsVolume {
  std::string server;
  std::string path;
  bool read_only = false;                  // the volume's own, or the claim's
  std::vector<std::string> mount_options;  // of the PV
};

// "server:/path", an IPv6 address in brackets.
std::string nfs_source(const NfsVolume& volume);
// Nothing to do when something is mounted there.
Status set_up_nfs(const std::string& root, const std::string& uid, const std::string& name, const NfsVolume& volume,
                  Mounts& mounts);

}  // namespace keelson::volume
