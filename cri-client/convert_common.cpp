#include "cri-client/convert_inl.hpp"

namespace keelson::cri {

void to_proto(const LinuxContainerResources& from, pb::LinuxContainerResources* to) {
  to->set_cpu_period(from.cpu_period);
  to->set_cpu_quota(from.cpu_quota);
  to->set_cpu_shares(from.cpu_shares);
  to->set_memory_limit_in_bytes(from.memory_limit_in_bytes);
  to->set_memory_swap_limit_in_bytes(from.memory_swap_limit_in_bytes);
  to->set_oom_score_adj(from.oom_score_adj);
  to->set_cpuset_cpus(from.cpuset_cpus);
  to->set_cpuset_mems(from.cpuset_mems);
  for (const HugepageLimit& limit : from.hugepage_limits) {
    auto* added = to->add_hugepage_limits();
    added->set_page_size(limit.page_size);
    added->set_limit(limit.limit);
  }
  fill_strings(from.unified, to->mutable_unified());
}

LinuxContainerResources from_proto(const pb::LinuxContainerResources& from) {
  LinuxContainerResources to;
  to.cpu_period = from.cpu_period();
  to.cpu_quota = from.cpu_quota();
  to.cpu_shares = from.cpu_shares();
  to.memory_limit_in_bytes = from.memory_limit_in_bytes();
  to.memory_swap_limit_in_bytes = from.memory_swap_limit_in_bytes();
  to.oom_score_adj = from.oom_score_adj();
  to.cpuset_cpus = from.cpuset_cpus();
  to.cpuset_mems = from.cpuset_mems();
  for (const auto& limit : from.hugepage_limits()) to.hugepage_limits.push_back({limit.page_size(), limit.limit()});
  to.unified = strings_of(from.unified());
  return to;
}

void to_proto(const IdMapping& from, pb::IDMapping* to) {
  to->set_host_id(from.host_id);
  to->set_container_id(from.container_id);
  to->set_length(from.length);
}

IdMapping from_proto(const pb::IDMapping& from) { return {from.host_id(), from.container_id(), from.length()}; }

void to_proto(const NamespaceOption& from, pb::NamespaceOption* to) {
  to->set_network(static_cast<pb::NamespaceMode>(from.network));
  to->set_pid(static_cast<pb::NamespaceMode>(from.pid));
  to->set_ipc(static_cast<pb::NamespaceMode>(from.ipc));
  to->set_target_id(from.target_id);
  if (!from.userns_options) return;
  auto* userns = to->mutable_userns_options();
  userns->set_mode(static_cast<pb::NamespaceMode>(from.userns_options->mode));
  fill_list(from.userns_options->uids, userns->mutable_uids());
  fill_list(from.userns_options->gids, userns->mutable_gids());
}

NamespaceOption from_proto(const pb::NamespaceOption& from) {
  NamespaceOption to;
  to.network = static_cast<NamespaceMode>(from.network());
  to.pid = static_cast<NamespaceMode>(from.pid());
  to.ipc = static_cast<NamespaceMode>(from.ipc());
  to.target_id = from.target_id();
  if (from.has_userns_options()) {
    const auto& userns = from.userns_options();
    to.userns_options =
        UserNamespace{static_cast<NamespaceMode>(userns.mode()), list_of(userns.uids()), list_of(userns.gids())};
  }
  return to;
}

void to_proto(const SeLinuxOption& from, pb::SELinuxOption* to) {
  to->set_user(from.user);
  to->set_role(from.role);
  to->set_type(from.type);
  to->set_level(from.level);
}

SeLinuxOption from_proto(const pb::SELinuxOption& from) {
  return {from.user(), from.role(), from.type(), from.level()};
}

void to_proto(const SecurityProfile& from, pb::SecurityProfile* to) {
  to->set_profile_type(static_cast<pb::SecurityProfile::ProfileType>(from.profile_type));
  to->set_localhost_ref(from.localhost_ref);
}

SecurityProfile from_proto(const pb::SecurityProfile& from) {
  return {static_cast<ProfileType>(from.profile_type()), from.localhost_ref()};
}

void to_proto(const PodSandboxMetadata& from, pb::PodSandboxMetadata* to) {
  to->set_name(from.name);
  to->set_uid(from.uid);
  to->set_namespace_(from.ns);
  to->set_attempt(from.attempt);
}

PodSandboxMetadata from_proto(const pb::PodSandboxMetadata& from) {
  return {from.name(), from.uid(), from.namespace_(), from.attempt()};
}

void to_proto(const ContainerMetadata& from, pb::ContainerMetadata* to) {
  to->set_name(from.name);
  to->set_attempt(from.attempt);
}

ContainerMetadata from_proto(const pb::ContainerMetadata& from) { return {from.name(), from.attempt()}; }

}  // namespace keelson::cri
