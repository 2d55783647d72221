// Mounts: volumeMounts, the hosts file and the termination message as CRI mounts, in the order of the contract.
//
// Pure functions on resolved volumes, any thread. Sub-paths are prepared by the caller (bind mounts on the disk): it
// asks sub_path_requests() what a container needs and hands the resulting host paths to make_mounts(). The texts of
// errors are those that the container's waiting state shows. Source: contract 02 §3 mounts, §3.4, §3.5.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_config/node_info.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// A volume of the pod, ready for use.
struct ResolvedVolume {
  std::string host_path;
  bool read_only = false;        // the volume itself, whatever the mount says
  bool selinux_relabel = false;  // managed, supports relabelling, and not labelled yet
  // Image volumes: {image: pulled ref, user_specified_image}; host_path stays empty, every mount is read-only.
  std::optional<cri::ImageSpec> image;
  bool block = false;                 // `host_path` leads to a device, for volumeDevices
  std::string name;                   // NAME in paths: that of the PersistentVolume; empty: as the pod names it
  std::optional<std::int64_t> group;  // that its PersistentVolume asks for
};
using ResolvedVolumes = std::map<std::string, ResolvedVolume>;  // by volume name

// A volume in block mode: the host's symlink to the device.
struct ResolvedBlockVolume {
  std::string host_path;
  bool read_only = false;
};

// A sub-path that must be bind-mounted before the container is created.
struct SubPathRequest {
  int index = 0;       // position in volumeMounts
  std::string volume;  // as the volumeMount names it
  std::string container;
  std::string volume_path;  // host path of the volume
  std::string sub_path;     // relative, expanded, without ".."
  std::string target;       // ROOT/pods/UID/volume-subpaths/NAME/CONTAINER/INDEX
  std::string name;         // NAME: the PV's, or that of `volume`
  bool operator==(const SubPathRequest&) const = default;
};

struct MountInputs {
  const NodeInfo& node;
  const ResolvedVolumes& volumes;
  // Host paths of prepared sub-paths, by position in volumeMounts.
  const std::map<int, std::string>& sub_paths;
  // The container's complete environment, for subPathExpr.
  const std::vector<cri::KeyValue>& envs;
  bool recursive_read_only_supported = false;  // by the pod's runtime handler
  bool has_pod_ips = false;                    // a pod on the pod network without IP gets no hosts file
  std::string termination_file;                // host path; empty = none
};

Result<std::vector<SubPathRequest>> sub_path_requests(const api::Pod& pod, const api::core::Container& container,
                                                      const std::vector<cri::KeyValue>& envs,
                                                      const ResolvedVolumes& volumes, const NodeInfo& node);
// Without the mounts of device plugins, and without IDs of a user namespace.
Result<std::vector<cri::Mount>> make_mounts(const api::Pod& pod, const api::core::Container& container,
                                            const MountInputs& inputs);
Result<std::vector<cri::Device>> make_block_devices(const api::core::Container& container,
                                                    const std::map<std::string, ResolvedBlockVolume>& volumes);
// As the runtime is given it: a relative path is meant from the container's root.
std::string absolute_path(const std::string& path);
// Whether the container gets the agent's hosts file; if so the file must be written before the container is created.
bool mounts_hosts_file(const api::Pod& pod, const api::core::Container& container, bool has_pod_ips);

}  // namespace keelson::agent
