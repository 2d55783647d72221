// Containers: names, images, ports, mounts, devices, restart rules; regular, init and ephemeral ones.
#include <algorithm>

#include "api/pod_validation_internal.hpp"

namespace keelson::api::validation {
namespace {

constexpr int kMaxRestartRules = 20;
constexpr int kMaxExitCodes = 255;

void check_ports(const core::Container& container, const Path& path, Errors& errors) {
  std::set<std::string> names;
  for (int i = 0; i < container.ports_size(); ++i) {
    const auto& port = container.ports(i);
    const Path at = path.index(i);
    if (!port.name().empty()) {
      const auto reasons = port_name(port.name());
      errors.invalid_each(at.child("name"), port.name(), reasons);
      if (reasons.empty() && !names.insert(port.name()).second) errors.duplicate(at.child("name"), port.name());
    }
    if (port.containerport() == 0) {
      errors.required(at.child("containerPort"));
    } else {
      errors.invalid_each(at.child("containerPort"), port.containerport(), port_number(port.containerport()));
    }
    if (port.hostport() != 0) {
      errors.invalid_each(at.child("hostPort"), port.hostport(), port_number(port.hostport()));
    }
    errors.one_of(at.child("protocol"), port.protocol(), {"SCTP", "TCP", "UDP"}, true);
  }
}

void check_host_port_conflicts(const core::Container& container, const Path& path, std::set<std::string>& taken,
                               Errors& errors) {
  for (int i = 0; i < container.ports_size(); ++i) {
    const auto& port = container.ports(i);
    if (port.hostport() == 0) continue;
    const std::string key = port.protocol() + "/" + port.hostip() + "/" + std::to_string(port.hostport());
    if (!taken.insert(key).second) errors.duplicate(path.child("ports").index(i).child("hostPort"), key);
  }
}

void check_restart_rules(const core::Container& container, const Path& path, Errors& errors) {
  const int rules = container.restartpolicyrules_size();
  if (container.has_restartpolicy()) {
    errors.one_of(path.child("restartPolicy"), container.restartpolicy(), {"Always", "Never", "OnFailure"});
  } else if (rules > 0) {
    errors.required(path.child("restartPolicy"), "must specify restartPolicy when restart rules are used");
  }
  if (rules > kMaxRestartRules) errors.too_many(path.child("restartPolicyRules"), rules, kMaxRestartRules);
  for (int i = 0; i < rules; ++i) {
    const auto& rule = container.restartpolicyrules(i);
    const Path at = path.child("restartPolicyRules").index(i);
    errors.one_of(at.child("action"), rule.action(), {"Restart", "RestartAllContainers"});
    if (!rule.has_exitcodes()) {
      errors.required(at.child("exitCodes"), "must be specified");
      continue;
    }
    errors.one_of(at.child("exitCodes").child("operator"), rule.exitcodes().operator_(), {"In", "NotIn"});
    const int codes = rule.exitcodes().values_size();
    if (codes > kMaxExitCodes) errors.too_many(at.child("exitCodes").child("values"), codes, kMaxExitCodes);
  }
}

void check_resize_policy(const core::Container& container, const core::PodSpec& spec, const Path& path,
                         Errors& errors) {
  std::set<std::string> seen;
  for (int i = 0; i < container.resizepolicy_size(); ++i) {
    const auto& policy = container.resizepolicy(i);
    if (!seen.insert(policy.resourcename()).second) errors.duplicate(path.index(i), policy.resourcename());
    errors.one_of(path, policy.resourcename(), {"cpu", "memory"}, true);
    errors.one_of(path, policy.restartpolicy(), {"NotRequired", "RestartContainer"}, true);
    if (spec.restartpolicy() == "Never" && policy.restartpolicy() != "NotRequired") {
      errors.invalid(path, policy.restartpolicy(), "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
  }
}

void check_volume_devices(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors) {
  std::set<std::string> names;
  std::set<std::string> paths;
  for (int i = 0; i < container.volumedevices_size(); ++i) {
    const auto& device = container.volumedevices(i);
    const Path name = path.index(i).child("name");
    const Path device_path = path.index(i).child("devicePath");
    if (device.name().empty()) errors.required(name);
    if (!device.name().empty() && !names.insert(device.name()).second) {
      errors.invalid(name, device.name(), "must be unique");
    }
    const auto volume = pod.volumes.find(device.name());
    if (volume == pod.volumes.end()) {
      errors.not_found(name, device.name());
    } else if (!volume->second->has_persistentvolumeclaim() && !volume->second->has_ephemeral()) {
      errors.invalid(name, device.name(),
                     "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
    }
    if (device.devicepath().empty()) errors.required(device_path);
    if (paths.count(device.devicepath()) > 0) errors.invalid(device_path, device.devicepath(), "must be unique");
    if (has_dot_dot(device.devicepath())) {
      errors.invalid(device_path, device.devicepath(), "can not contain backsteps ('..')");
    } else {
      paths.insert(device.devicepath());
    }
    for (const auto& mount : container.volumemounts()) {
      if (mount.name() == device.name()) errors.invalid(name, device.name(), "must not already exist in volumeMounts");
      if (mount.mountpath() == device.devicepath()) {
        errors.invalid(device_path, device.devicepath(), "must not already exist as a path in volumeMounts");
      }
    }
  }
}

void check_recursive_read_only(const core::VolumeMount& mount, const Path& path, Errors& errors) {
  if (!mount.has_recursivereadonly()) return;
  errors.one_of(path, mount.recursivereadonly(), {"Disabled", "Enabled", "IfPossible"});
  if (mount.recursivereadonly() != "Enabled" && mount.recursivereadonly() != "IfPossible") return;
  if (!mount.readonly()) errors.forbidden(path, "may only be specified when readOnly is true");
  if (mount.has_mountpropagation() && mount.mountpropagation() != "None") {
    errors.forbidden(path, "may only be specified when mountPropagation is None or not specified");
  }
}

void check_mount_propagation(const core::VolumeMount& mount, const core::Container& container, const Path& path,
                             Errors& errors) {
  if (!mount.has_mountpropagation()) return;
  errors.one_of(path, mount.mountpropagation(), {"Bidirectional", "HostToContainer", "None"});
  if (mount.mountpropagation() == "Bidirectional" && !container.securitycontext().privileged()) {
    errors.forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
  }
}

// Where the API server names the list only, we name the entry: nobody parses these paths, people read them.
void check_sub_path(const core::VolumeMount& mount, const Path& path, Errors& errors) {
  if (!mount.subpath().empty()) check_local_path(mount.subpath(), path.child("subPath"), errors);
  if (mount.subpathexpr().empty()) return;
  if (!mount.subpath().empty()) {
    errors.invalid(path.child("subPathExpr"), mount.subpathexpr(), "subPathExpr and subPath are mutually exclusive");
  }
  check_local_path(mount.subpathexpr(), path.child("subPathExpr"), errors);
}

// Fields that an ephemeral container must leave alone.
void check_ephemeral_fields(const core::Container& container, const Path& path, Errors& errors) {
  const char* reason = "cannot be set for an Ephemeral Container";
  const auto& resources = container.resources();
  const std::pair<bool, const char*> fields[] = {
      {container.ports_size() > 0, "ports"},
      {resources.limits_size() + resources.requests_size() + resources.claims_size() > 0, "resources"},
      {container.has_livenessprobe(), "livenessProbe"},
      {container.has_readinessprobe(), "readinessProbe"},
      {container.has_startupprobe(), "startupProbe"},
      {container.has_lifecycle(), "lifecycle"},
      {container.resizepolicy_size() > 0, "resizePolicy"},
      {container.has_restartpolicy(), "restartPolicy"},
      {container.restartpolicyrules_size() > 0, "restartPolicyRules"},
  };
  for (const auto& [set, name] : fields) {
    if (set) errors.forbidden(path.child(name), reason);
  }
  for (int i = 0; i < container.volumemounts_size(); ++i) {
    const Path mount = path.child("volumeMounts").index(i);
    if (!container.volumemounts(i).subpath().empty()) errors.forbidden(mount.child("subPath"), reason);
    if (!container.volumemounts(i).subpathexpr().empty()) errors.forbidden(mount.child("subPathExpr"), reason);
  }
}

void check_init_only(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors) {
  if (container.restartpolicy() == "Always") {
    check_lifecycle(container, pod, path, errors);
    check_probes(container, pod, path, errors);
    return;
  }
  const char* reason = "may not be set for init containers without restartPolicy=Always";
  if (container.has_lifecycle()) errors.forbidden(path.child("lifecycle"), reason);
  if (container.has_livenessprobe()) errors.forbidden(path.child("livenessProbe"), reason);
  if (container.has_readinessprobe()) errors.forbidden(path.child("readinessProbe"), reason);
  if (container.has_startupprobe()) errors.forbidden(path.child("startupProbe"), reason);
}

void check_image(const core::Container& container, const Path& path, Errors& errors) {
  if (container.image().empty()) {
    errors.required(path);
  } else if (trim_space(container.image()) != container.image()) {
    errors.invalid(path, container.image(), "must not have leading or trailing whitespace");
  }
}

}  // namespace

void check_volume_mounts(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors) {
  std::set<std::string> mount_points;
  for (int i = 0; i < container.volumemounts_size(); ++i) {
    const auto& mount = container.volumemounts(i);
    const Path at = path.index(i);
    if (mount.name().empty()) errors.required(at.child("name"));
    if (pod.volumes.count(mount.name()) == 0) errors.not_found(at.child("name"), mount.name());
    if (mount.mountpath().empty()) errors.required(at.child("mountPath"));
    if (!mount_points.insert(mount.mountpath()).second) {
      errors.invalid(at.child("mountPath"), mount.mountpath(), "must be unique");
    }
    for (const auto& device : container.volumedevices()) {
      if (device.name() == mount.name()) {
        errors.invalid(at.child("name"), mount.name(), "must not already exist in volumeDevices");
      }
      if (device.devicepath() == mount.mountpath()) {
        errors.invalid(at.child("mountPath"), mount.mountpath(), "must not already exist as a path in volumeDevices");
      }
    }
    check_sub_path(mount, at, errors);
    check_mount_propagation(mount, container, at.child("mountPropagation"), errors);
    check_recursive_read_only(mount, at.child("recursiveReadOnly"), errors);
  }
}

void check_container_common(const core::Container& container, ContainerRole role, const PodContext& pod,
                            const Path& path, Errors& errors) {
  if (container.name().empty()) {
    errors.required(path.child("name"));
  } else {
    errors.invalid_each(path.child("name"), container.name(), dns_label(container.name()));
  }
  check_image(container, path.child("image"), errors);
  errors.one_of(path.child("terminationMessagePolicy"), container.terminationmessagepolicy(),
                {"File", "FallbackToLogsOnError"}, true);
  check_ports(container, path.child("ports"), errors);
  check_env(container, pod, path, errors);
  check_volume_mounts(container, pod, path.child("volumeMounts"), errors);
  check_volume_devices(container, pod, path.child("volumeDevices"), errors);
  errors.one_of(path.child("imagePullPolicy"), container.imagepullpolicy(), {"Always", "IfNotPresent", "Never"}, true);
  check_resources(container.resources(), ResourceScope::container, pod.claims, path.child("resources"), errors);
  check_resize_policy(container, pod.spec, path.child("resizePolicy"), errors);
  const bool host_users = !pod.spec.has_hostusers() || pod.spec.hostusers();
  if (container.has_securitycontext()) {
    check_container_security(container.securitycontext(), host_users, path.child("securityContext"), errors);
  }
  if (role != ContainerRole::ephemeral) check_restart_rules(container, path, errors);
}

void check_containers(const PodContext& pod, const Path& spec_path, Errors& errors) {
  const auto& spec = pod.spec;
  if (spec.containers_size() == 0) errors.required(spec_path.child("containers"));

  std::set<std::string> names;
  std::set<std::string> host_ports;
  for (int i = 0; i < spec.containers_size(); ++i) {
    const auto& container = spec.containers(i);
    const Path path = spec_path.child("containers").index(i);
    check_container_common(container, ContainerRole::regular, pod, path, errors);
    if (!names.insert(container.name()).second) errors.duplicate(path.child("name"), container.name());
    check_lifecycle(container, pod, path, errors);
    check_probes(container, pod, path, errors);
    check_host_port_conflicts(container, path, host_ports, errors);
  }
  for (int i = 0; i < spec.initcontainers_size(); ++i) {
    const auto& container = spec.initcontainers(i);
    const Path path = spec_path.child("initContainers").index(i);
    check_container_common(container, ContainerRole::init, pod, path, errors);
    if (!container.name().empty() && !names.insert(container.name()).second) {
      errors.duplicate(path.child("name"), container.name());
    }
    // They run one by one, so each has the host's ports for itself.
    std::set<std::string> own_ports;
    check_host_port_conflicts(container, path, own_ports, errors);
    check_init_only(container, pod, path, errors);
  }
  const auto lasting = names;
  for (int i = 0; i < spec.ephemeralcontainers_size(); ++i) {
    const auto& target = spec.ephemeralcontainers(i).targetcontainername();
    const auto container = as_container(spec.ephemeralcontainers(i));
    const Path path = spec_path.child("ephemeralContainers").index(i);
    check_container_common(container, ContainerRole::ephemeral, pod, path, errors);
    if (!names.insert(container.name()).second) errors.duplicate(path.child("name"), container.name());
    if (!target.empty() && lasting.count(target) == 0) errors.not_found(path.child("targetContainerName"), target);
    check_ephemeral_fields(container, path, errors);
  }
}

}  // namespace keelson::api::validation
