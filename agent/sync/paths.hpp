// Where the agent keeps what on disk: the tree of contract 02 §21, drawn once.
//
//   ROOT/                                    0750
//   ROOT/pods/UID/                           0750  one pod
//   ROOT/pods/UID/volumes/PLUGIN/VOLUME      0750 above the volume
//   ROOT/pods/UID/plugins/                   0750
//   ROOT/pods/UID/containers/NAME/HEX        0750, the file 0666: termination message
//   ROOT/pods/UID/etc-hosts                  0644
//   ROOT/pods/UID/userns                     0600  the range of IDs of a pod with a user namespace
//   ROOT/pods/UID/volume-subpaths/           0750  sub-paths of volumes: VOLUME/CONTAINER/INDEX, bind mounts
//   LOGS/                                    0750
//   LOGS/NS_NAME_UID/CONTAINER/N.log         0755 directories
//   /var/log/containers/POD_NS_CONTAINER-ID.log -> the log file, directory 0755
//
// A plain value. Source: contract 02 §2 log_directory, §3.5, §3.6, §21.
#pragma once

#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

struct Paths {
  std::string root = "/var/lib/kubelet";
  std::string logs = "/var/log/pods";
  std::string container_links = "/var/log/containers";

  std::string pods() const { return root + "/pods"; }
  std::string pod(const std::string& uid) const { return pods() + "/" + uid; }
  std::string pod_hosts(const std::string& uid) const { return pod(uid) + "/etc-hosts"; }
  std::string container(const std::string& uid, const std::string& name) const {
    return pod(uid) + "/containers/" + name;
  }
  std::string pod_logs(const api::Pod& pod) const {
    const auto& meta = pod.metadata();
    return logs + "/" + meta.namespace_() + "_" + meta.name() + "_" + meta.uid();
  }
  std::string container_logs(const api::Pod& pod, const std::string& container) const {
    return pod_logs(pod) + "/" + container;
  }
};

}  // namespace keelson::agent
