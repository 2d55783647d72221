#include "agent/pod_config/security_context.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "agent/pod_config/names.hpp"

namespace keelson::agent {
namespace {

using api::core::Container;

constexpr std::int64_t kMaxUserId = 2'147'483'647;
constexpr std::string_view kAppArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/";

// Readers of fields that both the pod's and the container's security context have.
#define KEELSON_READER(name, field)                                               \
  constexpr auto name = [](const auto& context) {                                 \
    return context.has_##field() ? std::optional(context.field()) : std::nullopt; \
  }
KEELSON_READER(run_as_user, runasuser);
KEELSON_READER(run_as_group, runasgroup);
KEELSON_READER(run_as_non_root, runasnonroot);
KEELSON_READER(se_linux_options, selinuxoptions);
KEELSON_READER(seccomp_profile, seccompprofile);
#undef KEELSON_READER

// The container's field if set, else the pod's.
template <class Reader>
auto effective(const api::Pod& pod, const Container& container, Reader read) {
  auto own = read(container.securitycontext());
  return own ? own : read(pod.spec().securitycontext());
}

std::optional<cri::SeLinuxOption> to_cri(const std::optional<api::core::SELinuxOptions>& options) {
  if (!options) return std::nullopt;
  return cri::SeLinuxOption{options->user(), options->role(), options->type(), options->level()};
}

std::string who(const api::Pod& pod, const Container& container) {
  return " (pod: \"" + pod_config::describe(pod) + "\", container: " + container.name() + ")";
}

Result<cri::SupplementalGroupsPolicy> groups_policy(const api::Pod& pod) {
  const auto& security = pod.spec().securitycontext();
  if (!security.has_supplementalgroupspolicy() || security.supplementalgroupspolicy() == "Merge") {
    return cri::SupplementalGroupsPolicy::merge;
  }
  if (security.supplementalgroupspolicy() == "Strict") return cri::SupplementalGroupsPolicy::strict;
  return Error(ErrorKind::invalid, "unsupported supplementalGroupsPolicy: " + security.supplementalgroupspolicy() +
                                       " (expected Merge or Strict)");
}

void append(std::vector<std::int64_t>& groups, const google::protobuf::RepeatedField<std::int64_t>& more) {
  groups.insert(groups.end(), more.begin(), more.end());
}

// Those that the pod lists itself are not added (contract 04 §11).
void append_volume_groups(std::vector<std::int64_t>& groups, const api::Pod& pod,
                          const std::vector<std::int64_t>& volume_groups) {
  const auto& listed = pod.spec().securitycontext().supplementalgroups();
  for (const std::int64_t group : volume_groups) {
    if (std::find(listed.begin(), listed.end(), group) == listed.end()) groups.push_back(group);
  }
}

bool is_privileged(const Container& container) { return container.securitycontext().privileged(); }

bool has_privileged_container(const api::core::PodSpec& spec) {
  return std::any_of(spec.initcontainers().begin(), spec.initcontainers().end(), is_privileged) ||
         std::any_of(spec.containers().begin(), spec.containers().end(), is_privileged) ||
         std::any_of(spec.ephemeralcontainers().begin(), spec.ephemeralcontainers().end(), [](const auto& ephemeral) {
           return ephemeral.ephemeralcontainercommon().securitycontext().privileged();
         });
}

Result<cri::SecurityProfile> to_cri(const api::core::SeccompProfile& profile, const NodeInfo& node) {
  if (profile.type() == "RuntimeDefault") return cri::SecurityProfile{cri::ProfileType::runtime_default, ""};
  if (profile.type() != "Localhost") return cri::SecurityProfile{cri::ProfileType::unconfined, ""};
  if (profile.localhostprofile().empty()) {
    return Error(ErrorKind::invalid, "localhostProfile must be set if seccompProfile type is Localhost.");
  }
  return cri::SecurityProfile{
      cri::ProfileType::localhost,
      std::filesystem::path(node.root_dir + "/seccomp/" + profile.localhostprofile()).lexically_normal()};
}

Result<cri::SecurityProfile> seccomp_of(const api::Pod& pod, const Container& container, const NodeInfo& node) {
  if (const auto profile = effective(pod, container, seccomp_profile)) return to_cri(*profile, node);
  return cri::SecurityProfile{node.seccomp_default ? cri::ProfileType::runtime_default : cri::ProfileType::unconfined,
                              ""};
}

// A profile in the form of the annotation: runtime/default, unconfined, localhost/NAME.
std::optional<api::core::AppArmorProfile> parse_apparmor_annotation(const std::string& text) {
  constexpr std::string_view kLocalhost = "localhost/";
  api::core::AppArmorProfile profile;
  if (text == "runtime/default") {
    profile.set_type("RuntimeDefault");
  } else if (text == "unconfined") {
    profile.set_type("Unconfined");
  } else if (text.starts_with(kLocalhost) && text.size() > kLocalhost.size()) {
    profile.set_type("Localhost");
    profile.set_localhostprofile(text.substr(kLocalhost.size()));
  } else {
    return std::nullopt;
  }
  return profile;
}

std::optional<api::core::AppArmorProfile> apparmor_of(const api::Pod& pod, const Container& container) {
  if (container.securitycontext().has_apparmorprofile()) return container.securitycontext().apparmorprofile();
  const auto& annotations = pod.metadata().annotations();
  const auto it = annotations.find(std::string(kAppArmorAnnotation) + container.name());
  if (it != annotations.end()) {
    if (auto profile = parse_apparmor_annotation(it->second)) return profile;
  }
  if (pod.spec().securitycontext().has_apparmorprofile()) return pod.spec().securitycontext().apparmorprofile();
  return std::nullopt;
}

Status set_apparmor(cri::LinuxContainerSecurityContext& context, const api::Pod& pod, const Container& container) {
  const auto profile = apparmor_of(pod, container);
  if (!profile) return {};
  if (profile->type() == "RuntimeDefault") {
    context.apparmor = cri::SecurityProfile{cri::ProfileType::runtime_default, ""};
    context.apparmor_profile = "runtime/default";
  } else if (profile->type() == "Unconfined") {
    context.apparmor = cri::SecurityProfile{cri::ProfileType::unconfined, ""};
    context.apparmor_profile = "unconfined";
  } else if (profile->type() == "Localhost") {
    if (profile->localhostprofile().empty()) {
      return Error(ErrorKind::invalid, "missing localhost apparmor profile name");
    }
    context.apparmor = cri::SecurityProfile{cri::ProfileType::localhost, profile->localhostprofile()};
    context.apparmor_profile = "localhost/" + profile->localhostprofile();
  } else {
    return Error(ErrorKind::invalid, "unknown apparmor profile type: \"" + profile->type() + "\"");
  }
  return {};
}

void set_user(cri::LinuxContainerSecurityContext& context, const std::optional<std::int64_t>& wanted,
              const ImageUser& image_user) {
  if (wanted) {
    context.run_as_user = wanted;
  } else if (image_user.uid) {
    context.run_as_user = image_user.uid;
  } else if (!image_user.username.empty()) {
    context.run_as_username = image_user.username;
  } else {
    context.run_as_user = 0;
  }
}

std::optional<cri::Capability> capabilities_of(const Container& container) {
  if (!container.securitycontext().has_capabilities()) return std::nullopt;
  const auto& capabilities = container.securitycontext().capabilities();
  return cri::Capability{{capabilities.add().begin(), capabilities.add().end()},
                         {capabilities.drop().begin(), capabilities.drop().end()},
                         {}};
}

}  // namespace

Result<cri::LinuxSandboxSecurityContext> make_sandbox_security_context(const api::Pod& pod,
                                                                       const SandboxInputs& inputs) {
  const auto& security = pod.spec().securitycontext();
  cri::LinuxSandboxSecurityContext context;
  KEELSON_TRY(check_user_namespace_support(pod, inputs.runtime_handler, inputs.handlers));
  auto namespaces = make_namespace_options(pod, inputs.user_namespace);
  if (!namespaces.ok()) return namespaces.error();
  context.namespace_options = std::move(namespaces).value();
  auto policy = groups_policy(pod);
  if (!policy.ok()) return policy.error();
  context.supplemental_groups_policy = policy.value();

  if (security.has_selinuxoptions()) context.selinux_options = to_cri(std::optional(security.selinuxoptions()));
  if (security.has_runasuser()) context.run_as_user = security.runasuser();
  if (security.has_runasgroup()) context.run_as_group = security.runasgroup();
  if (security.has_fsgroup()) context.supplemental_groups.push_back(security.fsgroup());
  append_volume_groups(context.supplemental_groups, pod, inputs.volume_groups);
  append(context.supplemental_groups, security.supplementalgroups());
  context.privileged = has_privileged_container(pod.spec());
  context.seccomp = cri::SecurityProfile{cri::ProfileType::runtime_default, ""};
  return context;
}

Result<cri::LinuxContainerSecurityContext> make_container_security_context(const api::Pod& pod,
                                                                           const Container& container,
                                                                           const ContainerInputs& inputs) {
  const auto& own = container.securitycontext();
  const auto& of_pod = pod.spec().securitycontext();
  KEELSON_TRY(check_run_as_non_root(pod, container, inputs.image_user));

  cri::LinuxContainerSecurityContext context;
  auto namespaces = make_namespace_options(pod, inputs.user_namespace);
  if (!namespaces.ok()) return namespaces.error();
  context.namespace_options = with_target(std::move(namespaces).value(), inputs.target_id);
  auto seccomp = seccomp_of(pod, container, inputs.node);
  if (!seccomp.ok()) return seccomp.error();
  context.seccomp = std::move(seccomp).value();
  KEELSON_TRY(set_apparmor(context, pod, container));
  auto policy = groups_policy(pod);
  if (!policy.ok()) return policy.error();
  context.supplemental_groups_policy = policy.value();

  set_user(context, effective(pod, container, run_as_user), inputs.image_user);
  context.run_as_group = effective(pod, container, run_as_group);
  context.selinux_options = to_cri(effective(pod, container, se_linux_options));
  if (of_pod.has_fsgroup()) context.supplemental_groups.push_back(of_pod.fsgroup());
  append(context.supplemental_groups, of_pod.supplementalgroups());
  append_volume_groups(context.supplemental_groups, pod, inputs.volume_groups);
  context.capabilities = capabilities_of(container);
  context.privileged = own.privileged();
  context.readonly_rootfs = own.readonlyrootfilesystem();
  context.no_new_privs = own.has_allowprivilegeescalation() && !own.allowprivilegeescalation();
  if (own.procmount() != "Unmasked") {
    context.masked_paths = default_masked_paths(inputs.node.thermal_throttle_paths);
    context.readonly_paths = default_readonly_paths();
  }
  return context;
}

Status check_run_as_non_root(const api::Pod& pod, const Container& container, const ImageUser& image_user) {
  if (!effective(pod, container, run_as_non_root).value_or(false)) return {};
  const auto refuse = [&](const std::string& why) {
    return Status(Error(ErrorKind::invalid, why + who(pod, container)));
  };
  if (const auto user = effective(pod, container, run_as_user)) {
    return *user == 0 ? refuse("container's runAsUser breaks non-root policy") : Status();
  }
  if (!image_user.uid && !image_user.username.empty()) {
    return refuse("container has runAsNonRoot and image has non-numeric user (" + image_user.username +
                  "), cannot verify user is non-root");
  }
  const std::int64_t uid = image_user.uid.value_or(0);
  if (uid == 0) return refuse("container has runAsNonRoot and image will run as root");
  if (uid < 0 || uid > kMaxUserId) {
    return refuse("container has runAsNonRoot and image has an invalid user id (" + std::to_string(uid) +
                  "). (Must be 1-(2147483647)): must be between 0 and 2147483647, inclusive");
  }
  return {};
}

std::vector<std::string> default_masked_paths(const std::vector<std::string>& thermal_throttle_paths) {
  std::vector<std::string> paths{"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
                                 "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
                                 "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                                 "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
  paths.insert(paths.end(), thermal_throttle_paths.begin(), thermal_throttle_paths.end());
  return paths;
}

std::vector<std::string> default_readonly_paths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

}  // namespace keelson::agent
