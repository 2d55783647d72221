// Security contexts of pods and containers, sysctls, and what spec.os rules out.
#include <algorithm>

#include "api/pod_validation_internal.hpp"

namespace keelson::api::validation {
namespace {

constexpr std::size_t kMaxProfile = 4095;  // PATH_MAX - 1
constexpr std::size_t kMaxSysctl = 253;

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

void check_seccomp(const core::SeccompProfile& profile, const Path& path, Errors& errors) {
  if (profile.type().empty()) {
    errors.required(path.child("type"), "type is required when seccompProfile is set");
  } else {
    errors.one_of(path.child("type"), profile.type(), {"Localhost", "RuntimeDefault", "Unconfined"});
  }
  const Path at = path.child("localhostProfile");
  if (profile.type() != "Localhost") {
    if (profile.has_localhostprofile()) {
      errors.invalid(at, profile.localhostprofile(), "can only be set when seccomp type is Localhost");
    }
  } else if (!profile.has_localhostprofile()) {
    errors.required(at, "must be set when seccomp type is Localhost");
  } else {
    check_local_path(profile.localhostprofile(), at, errors);
  }
}

void check_apparmor(const core::AppArmorProfile& profile, const Path& path, Errors& errors) {
  if (profile.type().empty()) {
    errors.required(path.child("type"), "type is required when appArmorProfile is set");
    return;
  }
  errors.one_of(path.child("type"), profile.type(), {"Localhost", "RuntimeDefault", "Unconfined"});
  const Path at = path.child("localhostProfile");
  const std::string& name = profile.localhostprofile();
  if (profile.type() != "Localhost") {
    if (profile.has_localhostprofile()) errors.invalid(at, name, "can only be set when AppArmor type is Localhost");
    return;
  }
  if (name.empty()) {
    errors.required(at, "must be set when AppArmor type is Localhost");
  } else if (trim_space(name) != name) {
    errors.invalid(at, name, "must not be padded with whitespace");
  }
  if (name.size() > kMaxProfile) errors.too_long(at, kMaxProfile);
}

bool is_sysctl_segment(std::string_view text) {
  const auto edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (text.empty() || !edge(text.front()) || !edge(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return edge(c) || c == '-' || c == '_'; });
}

bool is_sysctl_name(std::string_view name) {
  if (name.size() > kMaxSysctl) return false;
  for (;;) {
    const auto end = name.find_first_of("./");
    if (!is_sysctl_segment(name.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    name.remove_prefix(end + 1);
  }
}

// The namespace that a sysctl belongs to; names may be written with '.' or '/'.
enum class SysctlNamespace { none, net, ipc };
SysctlNamespace sysctl_namespace(std::string name) {
  std::replace(name.begin(), name.end(), '/', '.');
  if (starts_with(name, "net.")) return SysctlNamespace::net;
  const bool ipc = name == "kernel.sem" || starts_with(name, "kernel.shm") || starts_with(name, "kernel.msg") ||
                   starts_with(name, "fs.mqueue.");
  return ipc ? SysctlNamespace::ipc : SysctlNamespace::none;
}

void check_sysctls(const core::PodSpec& spec, const Path& path, Errors& errors) {
  std::set<std::string> names;
  for (int i = 0; i < spec.securitycontext().sysctls_size(); ++i) {
    const std::string& name = spec.securitycontext().sysctls(i).name();
    const Path at = path.index(i).child("name");
    if (name.empty()) {
      errors.required(at);
    } else if (!is_sysctl_name(name)) {
      errors.invalid(at, name,
                     "must have at most 253 characters and match regex "
                     "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
    } else if (!names.insert(name).second) {
      errors.duplicate(at, name);
    }
    const auto owner = sysctl_namespace(name);
    if (spec.hostnetwork() && owner == SysctlNamespace::net) {
      errors.invalid(at, name, "may not be specified when 'hostNetwork' is true");
    } else if (spec.hostipc() && owner == SysctlNamespace::ipc) {
      errors.invalid(at, name, "may not be specified when 'hostIPC' is true");
    }
  }
}

void check_id(bool has, int64_t id, const Path& path, Errors& errors) {
  if (has) errors.invalid_each(path, id, user_or_group_id(id));
}

void check_windows_pod(const core::PodSpec& spec, const Path& path, Errors& errors) {
  const char* reason = "cannot be set for a windows pod";
  const auto& security = spec.securitycontext();
  const Path at = path.child("securityContext");
  const std::pair<bool, Path> pod_fields[] = {
      {security.has_apparmorprofile(), at.child("appArmorProfile")},
      {security.has_selinuxoptions(), at.child("seLinuxOptions")},
      {spec.has_hostusers(), path.child("hostUsers")},
      {spec.hostpid(), path.child("hostPID")},
      {spec.hostipc(), path.child("hostIPC")},
      {security.has_seccompprofile(), at.child("seccompProfile")},
      {security.has_fsgroup(), at.child("fsGroup")},
      {security.has_fsgroupchangepolicy(), at.child("fsGroupChangePolicy")},
      {security.sysctls_size() > 0, at.child("sysctls")},
      {spec.has_shareprocessnamespace(), path.child("shareProcessNamespace")},
      {security.has_runasuser(), at.child("runAsUser")},
      {security.has_runasgroup(), at.child("runAsGroup")},
      {security.supplementalgroups_size() > 0, at.child("supplementalGroups")},
      {security.has_supplementalgroupspolicy(), at.child("supplementalGroupsPolicy")},
      {security.has_selinuxchangepolicy(), at.child("seLinuxChangePolicy")},
  };
  for (const auto& [set, field] : pod_fields) {
    if (set) errors.forbidden(field, reason);
  }
  for_each_container(spec, path, [&](const core::Container& container, const Path& container_path) {
    const auto& own = container.securitycontext();
    const std::pair<bool, const char*> fields[] = {
        {own.has_apparmorprofile(), "appArmorProfile"},
        {own.has_selinuxoptions(), "seLinuxOptions"},
        {own.has_seccompprofile(), "seccompProfile"},
        {own.has_capabilities(), "capabilities"},
        {own.has_readonlyrootfilesystem(), "readOnlyRootFilesystem"},
        {own.has_privileged(), "privileged"},
        {own.has_allowprivilegeescalation(), "allowPrivilegeEscalation"},
        {own.has_procmount(), "procMount"},
        {own.has_runasuser(), "runAsUser"},
        {own.has_runasgroup(), "runAsGroup"},
    };
    for (const auto& [set, name] : fields) {
      if (set) errors.forbidden(container_path.child("securityContext").child(name), reason);
    }
  });
}

void check_linux_pod(const core::PodSpec& spec, const Path& path, Errors& errors) {
  const char* reason = "windows options cannot be set for a linux pod";
  if (spec.securitycontext().has_windowsoptions()) {
    errors.forbidden(path.child("securityContext").child("windowsOptions"), reason);
  }
  for_each_container(spec, path, [&](const core::Container& container, const Path& container_path) {
    if (container.securitycontext().has_windowsoptions()) {
      errors.forbidden(container_path.child("securityContext").child("windowsOptions"), reason);
    }
  });
}

}  // namespace

void check_container_security(const core::SecurityContext& security, bool host_users, const Path& path,
                              Errors& errors) {
  check_id(security.has_runasuser(), security.runasuser(), path.child("runAsUser"), errors);
  check_id(security.has_runasgroup(), security.runasgroup(), path.child("runAsGroup"), errors);
  if (security.has_procmount()) {
    errors.one_of(path.child("procMount"), security.procmount(), {"Default", "Unmasked"});
    if (host_users && security.procmount() == "Unmasked") {
      errors.invalid(path.child("procMount"), security.procmount(), "`hostUsers` must be false to use `Unmasked`");
    }
  }
  if (security.has_seccompprofile()) check_seccomp(security.seccompprofile(), path.child("seccompProfile"), errors);
  if (security.has_allowprivilegeescalation() && !security.allowprivilegeescalation()) {
    const Shown whole = Shown::raw("{...}");
    if (security.privileged()) {
      errors.invalid(path, whole, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    const auto& added = security.capabilities().add();
    if (std::find(added.begin(), added.end(), "CAP_SYS_ADMIN") != added.end()) {
      errors.invalid(path, whole,
                     "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
    }
  }
  if (security.has_apparmorprofile()) check_apparmor(security.apparmorprofile(), path.child("appArmorProfile"), errors);
}

void check_pod_security(const core::PodSpec& spec, const Path& spec_path, Errors& errors) {
  const Path path = spec_path.child("securityContext");
  const auto& security = spec.securitycontext();
  check_id(security.has_fsgroup(), security.fsgroup(), path.child("fsGroup"), errors);
  check_id(security.has_runasuser(), security.runasuser(), path.child("runAsUser"), errors);
  check_id(security.has_runasgroup(), security.runasgroup(), path.child("runAsGroup"), errors);
  for (int i = 0; i < security.supplementalgroups_size(); ++i) {
    check_id(true, security.supplementalgroups(i), path.child("supplementalGroups").index(i), errors);
  }
  if (spec.shareprocessnamespace() && spec.hostpid()) {
    errors.invalid(spec_path.child("shareProcessNamespace"), true,
                   "ShareProcessNamespace and HostPID cannot both be enabled");
  }
  check_sysctls(spec, path.child("sysctls"), errors);
  if (security.has_fsgroupchangepolicy()) {
    errors.one_of(path.child("fsGroupChangePolicy"), security.fsgroupchangepolicy(), {"Always", "OnRootMismatch"});
  }
  if (security.has_seccompprofile()) check_seccomp(security.seccompprofile(), path.child("seccompProfile"), errors);
  if (security.has_apparmorprofile()) check_apparmor(security.apparmorprofile(), path.child("appArmorProfile"), errors);
  if (security.has_supplementalgroupspolicy()) {
    errors.one_of(path.child("supplementalGroupsPolicy"), security.supplementalgroupspolicy(), {"Merge", "Strict"});
  }
  if (security.has_selinuxchangepolicy()) {
    errors.one_of(path.child("seLinuxChangePolicy"), security.selinuxchangepolicy(), {"MountOption", "Recursive"});
  }
}

void check_os(const core::PodSpec& spec, const Path& spec_path, Errors& errors) {
  if (!spec.has_os()) return;
  errors.one_of(spec_path.child("os").child("name"), spec.os().name(), {"linux", "windows"}, true);
  if (spec.os().name() == "linux") check_linux_pod(spec, spec_path, errors);
  if (spec.os().name() == "windows") check_windows_pod(spec, spec_path, errors);
}

}  // namespace keelson::api::validation
