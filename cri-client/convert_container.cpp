#include "cri-client/convert_inl.hpp"

namespace keelson::cri {

// Static, not in an unnamed namespace, which would hide the overloads of convert.hpp.
static void to_proto(const Mount& from, pb::Mount* to) {
  to->set_container_path(from.container_path);
  to->set_host_path(from.host_path);
  to->set_readonly(from.readonly);
  to->set_selinux_relabel(from.selinux_relabel);
  to->set_propagation(static_cast<pb::MountPropagation>(from.propagation));
  fill_list(from.uid_mappings, to->mutable_uidmappings());
  fill_list(from.gid_mappings, to->mutable_gidmappings());
  to->set_recursive_read_only(from.recursive_read_only);
  if (from.image) to_proto(*from.image, to->mutable_image());
  to->set_image_sub_path(from.image_sub_path);
}

static Mount from_proto(const pb::Mount& from) {
  Mount to;
  to.container_path = from.container_path();
  to.host_path = from.host_path();
  to.readonly = from.readonly();
  to.selinux_relabel = from.selinux_relabel();
  to.propagation = static_cast<MountPropagation>(from.propagation());
  to.uid_mappings = list_of(from.uidmappings());
  to.gid_mappings = list_of(from.gidmappings());
  to.recursive_read_only = from.recursive_read_only();
  to.image = KEELSON_OPTIONAL(from, image);
  to.image_sub_path = from.image_sub_path();
  return to;
}

static void to_proto(const Capability& from, pb::Capability* to) {
  fill_plain_list(from.add_capabilities, to->mutable_add_capabilities());
  fill_plain_list(from.drop_capabilities, to->mutable_drop_capabilities());
  fill_plain_list(from.add_ambient_capabilities, to->mutable_add_ambient_capabilities());
}

static Capability from_proto(const pb::Capability& from) {
  return {plain_list_of(from.add_capabilities()), plain_list_of(from.drop_capabilities()),
          plain_list_of(from.add_ambient_capabilities())};
}

static void to_proto(const LinuxContainerSecurityContext& from, pb::LinuxContainerSecurityContext* to) {
  if (from.capabilities) to_proto(*from.capabilities, to->mutable_capabilities());
  to->set_privileged(from.privileged);
  if (from.namespace_options) to_proto(*from.namespace_options, to->mutable_namespace_options());
  if (from.selinux_options) to_proto(*from.selinux_options, to->mutable_selinux_options());
  if (from.run_as_user) to->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) to->mutable_run_as_group()->set_value(*from.run_as_group);
  to->set_run_as_username(from.run_as_username);
  to->set_readonly_rootfs(from.readonly_rootfs);
  fill_plain_list(from.supplemental_groups, to->mutable_supplemental_groups());
  to->set_supplemental_groups_policy(static_cast<pb::SupplementalGroupsPolicy>(from.supplemental_groups_policy));
  to->set_no_new_privs(from.no_new_privs);
  fill_plain_list(from.masked_paths, to->mutable_masked_paths());
  fill_plain_list(from.readonly_paths, to->mutable_readonly_paths());
  if (from.seccomp) to_proto(*from.seccomp, to->mutable_seccomp());
  if (from.apparmor) to_proto(*from.apparmor, to->mutable_apparmor());
  to->set_apparmor_profile(from.apparmor_profile);
}

static LinuxContainerSecurityContext from_proto(const pb::LinuxContainerSecurityContext& from) {
  LinuxContainerSecurityContext to;
  to.capabilities = KEELSON_OPTIONAL(from, capabilities);
  to.privileged = from.privileged();
  to.namespace_options = KEELSON_OPTIONAL(from, namespace_options);
  to.selinux_options = KEELSON_OPTIONAL(from, selinux_options);
  to.run_as_user = KEELSON_OPTIONAL_NUMBER(from, run_as_user);
  to.run_as_group = KEELSON_OPTIONAL_NUMBER(from, run_as_group);
  to.run_as_username = from.run_as_username();
  to.readonly_rootfs = from.readonly_rootfs();
  to.supplemental_groups = plain_list_of(from.supplemental_groups());
  to.supplemental_groups_policy = static_cast<SupplementalGroupsPolicy>(from.supplemental_groups_policy());
  to.no_new_privs = from.no_new_privs();
  to.masked_paths = plain_list_of(from.masked_paths());
  to.readonly_paths = plain_list_of(from.readonly_paths());
  to.seccomp = KEELSON_OPTIONAL(from, seccomp);
  to.apparmor = KEELSON_OPTIONAL(from, apparmor);
  to.apparmor_profile = from.apparmor_profile();
  return to;
}

static LinuxContainerConfig from_proto(const pb::LinuxContainerConfig& from) {
  LinuxContainerConfig to;
  to.resources = KEELSON_OPTIONAL(from, resources);
  to.security_context = KEELSON_OPTIONAL(from, security_context);
  return to;
}

void to_proto(const ContainerConfig& from, pb::ContainerConfig* to) {
  to_proto(from.metadata, to->mutable_metadata());
  to_proto(from.image, to->mutable_image());
  fill_plain_list(from.command, to->mutable_command());
  fill_plain_list(from.args, to->mutable_args());
  to->set_working_dir(from.working_dir);
  for (const KeyValue& env : from.envs) {
    auto* added = to->add_envs();
    added->set_key(env.key);
    added->set_value(env.value);
  }
  for (const Mount& mount : from.mounts) to_proto(mount, to->add_mounts());
  for (const Device& device : from.devices) {
    auto* added = to->add_devices();
    added->set_container_path(device.container_path);
    added->set_host_path(device.host_path);
    added->set_permissions(device.permissions);
  }
  for (const std::string& name : from.cdi_devices) to->add_cdi_devices()->set_name(name);
  fill_strings(from.labels, to->mutable_labels());
  fill_strings(from.annotations, to->mutable_annotations());
  to->set_log_path(from.log_path);
  to->set_stdin(from.stdin_open);
  to->set_stdin_once(from.stdin_once);
  to->set_tty(from.tty);
  to->set_stop_signal(static_cast<pb::Signal>(from.stop_signal));
  if (!from.linux_config) return;
  auto* config = to->mutable_linux();
  if (from.linux_config->resources) to_proto(*from.linux_config->resources, config->mutable_resources());
  if (from.linux_config->security_context) {
    to_proto(*from.linux_config->security_context, config->mutable_security_context());
  }
}

ContainerConfig from_proto(const pb::ContainerConfig& from) {
  ContainerConfig to;
  to.metadata = from_proto(from.metadata());
  to.image = from_proto(from.image());
  to.command = plain_list_of(from.command());
  to.args = plain_list_of(from.args());
  to.working_dir = from.working_dir();
  for (const auto& env : from.envs()) to.envs.push_back({env.key(), env.value()});
  for (const auto& mount : from.mounts()) to.mounts.push_back(from_proto(mount));
  for (const auto& device : from.devices()) {
    to.devices.push_back({device.container_path(), device.host_path(), device.permissions()});
  }
  for (const auto& device : from.cdi_devices()) to.cdi_devices.push_back(device.name());
  to.labels = strings_of(from.labels());
  to.annotations = strings_of(from.annotations());
  to.log_path = from.log_path();
  to.stdin_open = from.stdin();
  to.stdin_once = from.stdin_once();
  to.tty = from.tty();
  to.linux_config = KEELSON_OPTIONAL(from, linux);
  to.stop_signal = static_cast<std::int32_t>(from.stop_signal());
  return to;
}

void to_proto(const ContainerFilter& from, pb::ContainerFilter* to) {
  to->set_id(from.id);
  if (from.state) to->mutable_state()->set_state(static_cast<pb::ContainerState>(*from.state));
  to->set_pod_sandbox_id(from.pod_sandbox_id);
  fill_strings(from.label_selector, to->mutable_label_selector());
}

Container from_proto(const pb::Container& from) {
  Container to;
  to.id = from.id();
  to.pod_sandbox_id = from.pod_sandbox_id();
  to.metadata = from_proto(from.metadata());
  to.state = static_cast<ContainerState>(from.state());
  to.created_at = from.created_at();
  to.image = from_proto(from.image());
  to.image_ref = from.image_ref();
  to.image_id = from.image_id().empty() ? from.image_ref() : from.image_id();
  to.labels = strings_of(from.labels());
  to.annotations = strings_of(from.annotations());
  return to;
}

ContainerStatus from_proto(const pb::ContainerStatus& from) {
  ContainerStatus to;
  to.id = from.id();
  to.metadata = from_proto(from.metadata());
  to.state = static_cast<ContainerState>(from.state());
  to.created_at = from.created_at();
  to.started_at = from.started_at();
  to.finished_at = from.finished_at();
  to.exit_code = from.exit_code();
  to.image = from_proto(from.image());
  to.image_ref = from.image_ref();
  to.image_id = from.image_id().empty() ? from.image_ref() : from.image_id();
  to.reason = from.reason();
  to.message = from.message();
  to.labels = strings_of(from.labels());
  to.annotations = strings_of(from.annotations());
  for (const auto& mount : from.mounts()) to.mounts.push_back(from_proto(mount));
  to.log_path = from.log_path();
  to.resources = KEELSON_OPTIONAL(from.resources(), linux);
  if (from.user().has_linux()) {
    const auto& user = from.user().linux();
    to.user = ContainerUser{user.uid(), user.gid(), plain_list_of(user.supplemental_groups())};
  }
  to.stop_signal = static_cast<std::int32_t>(from.stop_signal());
  return to;
}

ContainerEvent from_proto(const pb::ContainerEventResponse& from) {
  ContainerEvent to;
  to.container_id = from.container_id();
  to.type = static_cast<ContainerEventType>(from.container_event_type());
  to.created_at = from.created_at();
  to.sandbox = KEELSON_OPTIONAL(from, pod_sandbox_status);
  to.containers = list_of(from.containers_statuses());
  return to;
}

}  // namespace keelson::cri
