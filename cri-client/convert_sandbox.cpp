#include <arpa/inet.h>

#include <algorithm>

#include "cri-client/convert_inl.hpp"

namespace keelson::cri {

// Static, not in an unnamed namespace, which would hide the overloads of convert.hpp.
static void to_proto(const LinuxSandboxSecurityContext& from, pb::LinuxSandboxSecurityContext* to) {
  if (from.namespace_options) to_proto(*from.namespace_options, to->mutable_namespace_options());
  if (from.selinux_options) to_proto(*from.selinux_options, to->mutable_selinux_options());
  if (from.run_as_user) to->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) to->mutable_run_as_group()->set_value(*from.run_as_group);
  to->set_readonly_rootfs(from.readonly_rootfs);
  fill_plain_list(from.supplemental_groups, to->mutable_supplemental_groups());
  to->set_supplemental_groups_policy(static_cast<pb::SupplementalGroupsPolicy>(from.supplemental_groups_policy));
  to->set_privileged(from.privileged);
  if (from.seccomp) to_proto(*from.seccomp, to->mutable_seccomp());
  if (from.apparmor) to_proto(*from.apparmor, to->mutable_apparmor());
}

static LinuxSandboxSecurityContext from_proto(const pb::LinuxSandboxSecurityContext& from) {
  LinuxSandboxSecurityContext to;
  to.namespace_options = KEELSON_OPTIONAL(from, namespace_options);
  to.selinux_options = KEELSON_OPTIONAL(from, selinux_options);
  to.run_as_user = KEELSON_OPTIONAL_NUMBER(from, run_as_user);
  to.run_as_group = KEELSON_OPTIONAL_NUMBER(from, run_as_group);
  to.readonly_rootfs = from.readonly_rootfs();
  to.supplemental_groups = plain_list_of(from.supplemental_groups());
  to.supplemental_groups_policy = static_cast<SupplementalGroupsPolicy>(from.supplemental_groups_policy());
  to.privileged = from.privileged();
  to.seccomp = KEELSON_OPTIONAL(from, seccomp);
  to.apparmor = KEELSON_OPTIONAL(from, apparmor);
  return to;
}

static void to_proto(const LinuxPodSandboxConfig& from, pb::LinuxPodSandboxConfig* to) {
  to->set_cgroup_parent(from.cgroup_parent);
  if (from.security_context) to_proto(*from.security_context, to->mutable_security_context());
  fill_strings(from.sysctls, to->mutable_sysctls());
  if (from.overhead) to_proto(*from.overhead, to->mutable_overhead());
  if (from.resources) to_proto(*from.resources, to->mutable_resources());
}

static LinuxPodSandboxConfig from_proto(const pb::LinuxPodSandboxConfig& from) {
  LinuxPodSandboxConfig to;
  to.cgroup_parent = from.cgroup_parent();
  to.security_context = KEELSON_OPTIONAL(from, security_context);
  to.sysctls = strings_of(from.sysctls());
  to.overhead = KEELSON_OPTIONAL(from, overhead);
  to.resources = KEELSON_OPTIONAL(from, resources);
  return to;
}

static DnsConfig from_proto(const pb::DNSConfig& from) {
  return {plain_list_of(from.servers()), plain_list_of(from.searches()), plain_list_of(from.options())};
}

void to_proto(const PodSandboxConfig& from, pb::PodSandboxConfig* to) {
  to_proto(from.metadata, to->mutable_metadata());
  to->set_hostname(from.hostname);
  to->set_log_directory(from.log_directory);
  if (from.dns_config) {
    auto* dns = to->mutable_dns_config();
    fill_plain_list(from.dns_config->servers, dns->mutable_servers());
    fill_plain_list(from.dns_config->searches, dns->mutable_searches());
    fill_plain_list(from.dns_config->options, dns->mutable_options());
  }
  for (const PortMapping& port : from.port_mappings) {
    auto* added = to->add_port_mappings();
    added->set_protocol(static_cast<pb::Protocol>(port.protocol));
    added->set_container_port(port.container_port);
    added->set_host_port(port.host_port);
    added->set_host_ip(port.host_ip);
  }
  fill_strings(from.labels, to->mutable_labels());
  fill_strings(from.annotations, to->mutable_annotations());
  if (from.linux_config) to_proto(*from.linux_config, to->mutable_linux());
}

PodSandboxConfig from_proto(const pb::PodSandboxConfig& from) {
  PodSandboxConfig to;
  to.metadata = from_proto(from.metadata());
  to.hostname = from.hostname();
  to.log_directory = from.log_directory();
  to.dns_config = KEELSON_OPTIONAL(from, dns_config);
  for (const auto& port : from.port_mappings()) {
    to.port_mappings.push_back(
        {static_cast<Protocol>(port.protocol()), port.container_port(), port.host_port(), port.host_ip()});
  }
  to.labels = strings_of(from.labels());
  to.annotations = strings_of(from.annotations());
  to.linux_config = KEELSON_OPTIONAL(from, linux);
  return to;
}

void to_proto(const PodSandboxFilter& from, pb::PodSandboxFilter* to) {
  to->set_id(from.id);
  if (from.state) to->mutable_state()->set_state(static_cast<pb::PodSandboxState>(*from.state));
  fill_strings(from.label_selector, to->mutable_label_selector());
}

PodSandbox from_proto(const pb::PodSandbox& from) {
  PodSandbox to;
  to.id = from.id();
  to.metadata = from_proto(from.metadata());
  to.state = static_cast<SandboxState>(from.state());
  to.created_at = from.created_at();
  to.labels = strings_of(from.labels());
  to.annotations = strings_of(from.annotations());
  to.runtime_handler = from.runtime_handler();
  return to;
}

static bool is_address(const std::string& text) {
  in6_addr parsed{};
  return ::inet_pton(AF_INET, text.c_str(), &parsed) == 1 || ::inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

// contract 02 §2: one that cannot be parsed voids the whole list. Such a sandbox counts as one without network status:
// without a first address it would be made anew (contract 02 §6.1), over and over.
static void take_addresses(const pb::PodSandboxNetworkStatus& from, PodSandboxStatus& to) {
  if (from.ip().empty()) return;
  to.ips.push_back(from.ip());
  for (const auto& other : from.additional_ips()) to.ips.push_back(other.ip());
  if (std::all_of(to.ips.begin(), to.ips.end(), is_address)) return;
  to.ips.clear();
  to.has_network = false;
}

PodSandboxStatus from_proto(const pb::PodSandboxStatus& from) {
  PodSandboxStatus to;
  to.id = from.id();
  to.metadata = from_proto(from.metadata());
  to.state = static_cast<SandboxState>(from.state());
  to.created_at = from.created_at();
  to.has_network = from.has_network();
  take_addresses(from.network(), to);
  to.network_mode = static_cast<NamespaceMode>(from.linux().namespaces().options().network());
  to.labels = strings_of(from.labels());
  to.annotations = strings_of(from.annotations());
  to.runtime_handler = from.runtime_handler();
  return to;
}

}  // namespace keelson::cri
