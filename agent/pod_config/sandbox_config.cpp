#include "agent/pod_config/sandbox_config.hpp"

#include <utility>

#include "agent/pod_config/annotations.hpp"
#include "agent/pod_config/dns.hpp"
#include "agent/pod_config/hostname.hpp"
#include "agent/pod_config/log_paths.hpp"
#include "agent/pod_config/port_mappings.hpp"
#include "agent/pod_config/resources.hpp"
#include "agent/pod_config/security_context.hpp"
#include "agent/pod_config/sysctls.hpp"

namespace keelson::agent {

Result<cri::PodSandboxConfig> make_sandbox_config(const api::Pod& pod, const SandboxInputs& inputs,
                                                  std::vector<ConfigEvent>* events) {
  const auto& meta = pod.metadata();
  std::vector<ConfigEvent> own_events;
  auto dns = make_dns_config(pod, inputs.resolv_conf, inputs.node, events != nullptr ? *events : own_events);
  if (!dns.ok()) return dns.error();
  auto security = make_sandbox_security_context(pod, inputs);
  if (!security.ok()) return security.error();

  cri::PodSandboxConfig config;
  config.metadata = {meta.name(), meta.uid(), meta.namespace_(), inputs.attempt};
  if (!pod.spec().hostnetwork()) {
    auto hostname = make_hostname(pod, inputs.node.cluster_domain);
    if (!hostname.ok()) return hostname.error();
    config.hostname = std::move(hostname).value().kernel;
  }
  config.log_directory = pod_log_directory(inputs.node.logs_dir, pod);
  config.dns_config = std::move(dns).value();
  config.port_mappings = make_port_mappings(pod);
  config.labels = sandbox_labels(pod);
  config.annotations = sandbox_annotations(pod);

  cri::LinuxPodSandboxConfig& linux_part = config.linux_config.emplace();
  linux_part.cgroup_parent = inputs.cgroup_parent;
  linux_part.security_context = std::move(security).value();
  linux_part.sysctls = make_sysctls(pod);
  linux_part.overhead = overhead_resources(pod, inputs.node);
  linux_part.resources = sandbox_resources(pod, inputs.node, inputs.exclusive_cpus);
  return config;
}

}  // namespace keelson::agent
