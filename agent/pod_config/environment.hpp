// Environment: the variables of a container from env, envFrom and services, and the expansion of $(NAME).
//
// Pure functions on values; ConfigMaps and Secrets come through a resolver. Thread: any. The texts of errors are those
// that the container's waiting state shows (CreateContainerConfigError). Source: contract 02 §3.2, §3.3.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pod_config/node_info.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// Where ConfigMaps and Secrets of a pod's namespace come from. A missing object is `not_found`.
class ObjectResolver {
 public:
  virtual ~ObjectResolver() = default;
  virtual Result<const api::core::ConfigMap*> config_map(const std::string& ns, const std::string& name) const = 0;
  virtual Result<const api::core::Secret*> secret(const std::string& ns, const std::string& name) const = 0;
};

// What makes service variables of a service.
struct ServicePort {
  std::string name;
  std::string protocol = "TCP";
  std::int32_t port = 0;
};
struct ServiceInfo {
  std::string ns;
  std::string name;
  std::string cluster_ip;  // "" and "None" give no variables
  std::vector<ServicePort> ports;
};

// A file of variables in a volume.
struct EnvFile {
  std::string path;                    // on the host
  std::optional<std::string> content;  // nothing when it cannot be read
};

struct EnvironmentInputs {
  // Null: no API server. Pods that need one of its objects get an error.
  const ObjectResolver* objects = nullptr;
  std::vector<ServiceInfo> services;
  bool services_synced = false;       // the list was read at least once; static pods do not wait for it
  std::string host_ip;                // the node's primary IP
  std::vector<std::string> host_ips;  // all of them, primary first
  std::vector<std::string> pod_ips;   // of the sandbox; the node's for hostNetwork pods
  bool primary_ipv6 = false;          // the node's primary IP is IPv6
  ResourceList allocatable;
  // Files that fileKeyRef names, by "VOLUME/PATH". The caller reads them; see env_file_requests(). No entry: the pod
  // has no such volume.
  std::map<std::string, EnvFile> env_files;
};

// The variables, in the order of their first appearance. Names are unique.
Result<std::vector<cri::KeyValue>> make_environment(const api::Pod& pod, const api::core::Container& container,
                                                    const EnvironmentInputs& inputs);

// The service variables a pod sees. Pure table of contract 02 §3.2 step 1.
std::vector<cri::KeyValue> service_variables(const std::vector<ServiceInfo>& services, const std::string& ns,
                                             bool enable_service_links);

// Pod IPs as containers see them: the first of the node's primary family, then the first of the other.
std::vector<std::string> sort_pod_ips(const std::vector<std::string>& ips, bool primary_ipv6);

// Files the caller must read for fileKeyRef before make_environment(): names() of EnvironmentInputs::env_files.
struct EnvFileRequest {
  std::string volume;
  std::string path;
  std::string key;  // what is looked for in it
  std::string name() const { return volume + "/" + path; }
};
std::vector<EnvFileRequest> env_file_requests(const api::core::Container& container);

}  // namespace keelson::agent
