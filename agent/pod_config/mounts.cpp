#include "agent/pod_config/mounts.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "agent/pod_config/expansion.hpp"

namespace keelson::agent {
namespace {

using api::core::VolumeMount;

constexpr std::string_view kHostsPath = "/etc/hosts";

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

bool has_back_step(std::string_view path) {
  while (true) {
    const auto slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

// The mount's sub-path with variables filled in; "" when it has none.
Result<std::string> sub_path_of(const VolumeMount& mount, const std::vector<cri::KeyValue>& envs) {
  std::string path = mount.subpath();
  if (!mount.subpathexpr().empty()) {
    auto expanded = expand_strictly(mount.subpathexpr(), envs);
    if (!expanded.ok()) return expanded.error();
    path = std::move(expanded).value();
  }
  if (path.starts_with('/')) {
    return Error(ErrorKind::invalid, "error SubPath `" + path + "` must not be an absolute path");
  }
  if (has_back_step(path)) {
    return Error(ErrorKind::invalid, "unable to provision SubPath `" + path + "`: must not contain '..'");
  }
  return path;
}

Result<cri::MountPropagation> propagation_of(const VolumeMount& mount) {
  const std::string& mode = mount.mountpropagation();
  if (mode.empty() || mode == "None") return cri::MountPropagation::priv;
  if (mode == "HostToContainer") return cri::MountPropagation::host_to_container;
  if (mode == "Bidirectional") return cri::MountPropagation::bidirectional;
  return Error(ErrorKind::invalid, "invalid MountPropagation mode: " + quoted(mode));
}

Result<bool> recursive_read_only(const VolumeMount& mount, bool supported) {
  const std::string& mode = mount.recursivereadonly();
  if (mode.empty() || mode == "Disabled") return false;
  const std::string what = "volume " + quoted(mount.name()) + " requested recursive read-only mode, but it is not ";
  if (!mount.readonly()) return Error(ErrorKind::invalid, what + "read-only");
  if (!mount.mountpropagation().empty() && mount.mountpropagation() != "None") {
    return Error(ErrorKind::invalid, what + "compatible with propagation " + quoted(mount.mountpropagation()));
  }
  if (mode == "IfPossible") return supported;
  if (mode != "Enabled") return Error(ErrorKind::invalid, "unknown recursive read-only mode " + quoted(mode));
  if (!supported) return Error(ErrorKind::invalid, what + "supported by the runtime");
  return true;
}

Result<const ResolvedVolume*> find_volume(const ResolvedVolumes& volumes, const VolumeMount& mount,
                                          const api::core::Container& container) {
  const auto it = volumes.find(mount.name());
  if (it != volumes.end()) return &it->second;
  return Error(ErrorKind::not_found,
               "cannot find volume " + quoted(mount.name()) + " to mount into container " + quoted(container.name()));
}

cri::Mount image_mount(const api::Pod& pod, cri::ImageSpec image, std::string sub_path) {
  cri::Mount result;
  image.annotations = {pod.metadata().annotations().begin(), pod.metadata().annotations().end()};
  result.image = std::move(image);
  result.image_sub_path = std::move(sub_path);
  return result;
}

Result<cri::Mount> make_mount(const api::Pod& pod, const api::core::Container& container, int index,
                              const MountInputs& inputs) {
  const VolumeMount& mount = container.volumemounts(index);
  const auto volume = find_volume(inputs.volumes, mount, container);
  if (!volume.ok()) return volume.error();
  auto sub_path = sub_path_of(mount, inputs.envs);
  if (!sub_path.ok()) return sub_path.error();
  const auto propagation = propagation_of(mount);
  if (!propagation.ok()) return propagation.error();
  const auto recursive = recursive_read_only(mount, inputs.recursive_read_only_supported);
  if (!recursive.ok()) return recursive.error().wrap("failed to resolve recursive read-only mode");

  const ResolvedVolume& from = *volume.value();
  cri::Mount result;
  if (from.image) {
    result = image_mount(pod, *from.image, std::move(sub_path).value());
  } else if (sub_path.value().empty()) {
    result.host_path = from.host_path;
  } else {
    const auto prepared = inputs.sub_paths.find(index);
    if (prepared == inputs.sub_paths.end()) {
      return Error(ErrorKind::internal,
                   "sub-path `" + sub_path.value() + "` of volume " + quoted(mount.name()) + " was not prepared");
    }
    result.host_path = prepared->second;
  }
  result.container_path = absolute_path(mount.mountpath());
  result.readonly = mount.readonly() || from.read_only || from.image.has_value();
  result.selinux_relabel = inputs.node.selinux && from.selinux_relabel;
  result.propagation = propagation.value();
  result.recursive_read_only = recursive.value();
  return result;
}

}  // namespace

std::string absolute_path(const std::string& path) { return path.starts_with('/') ? path : "/" + path; }

bool mounts_hosts_file(const api::Pod& pod, const api::core::Container& container, bool has_pod_ips) {
  if (!pod.spec().hostnetwork() && !has_pod_ips) return false;
  for (const auto& mount : container.volumemounts()) {
    if (mount.mountpath() == kHostsPath) return false;
  }
  return true;
}

Result<std::vector<SubPathRequest>> sub_path_requests(const api::Pod& pod, const api::core::Container& container,
                                                      const std::vector<cri::KeyValue>& envs,
                                                      const ResolvedVolumes& volumes, const NodeInfo& node) {
  std::vector<SubPathRequest> requests;
  for (int index = 0; index < container.volumemounts_size(); ++index) {
    const VolumeMount& mount = container.volumemounts(index);
    const auto volume = find_volume(volumes, mount, container);
    if (!volume.ok()) return volume.error();
    auto sub_path = sub_path_of(mount, envs);
    if (!sub_path.ok()) return sub_path.error();
    if (sub_path.value().empty() || volume.value()->image) continue;
    const std::string& named = volume.value()->name;
    const std::string& name = named.empty() ? mount.name() : named;
    requests.push_back({index, mount.name(), container.name(), volume.value()->host_path, std::move(sub_path).value(),
                        node.root_dir + "/pods/" + pod.metadata().uid() + "/volume-subpaths/" + name + "/" +
                            container.name() + "/" + std::to_string(index),
                        name});
  }
  return requests;
}

Result<std::vector<cri::Mount>> make_mounts(const api::Pod& pod, const api::core::Container& container,
                                            const MountInputs& inputs) {
  std::vector<cri::Mount> mounts;
  for (int index = 0; index < container.volumemounts_size(); ++index) {
    auto mount = make_mount(pod, container, index, inputs);
    if (!mount.ok()) return mount.error();
    mounts.push_back(std::move(mount).value());
  }
  if (mounts_hosts_file(pod, container, inputs.has_pod_ips)) {
    cri::Mount hosts;
    hosts.container_path = kHostsPath;
    hosts.host_path = inputs.node.root_dir + "/pods/" + pod.metadata().uid() + "/etc-hosts";
    hosts.selinux_relabel = inputs.node.selinux;
    mounts.push_back(std::move(hosts));
  }
  if (!inputs.termination_file.empty() && !container.terminationmessagepath().empty()) {
    cri::Mount message;
    message.container_path = absolute_path(container.terminationmessagepath());
    message.host_path = inputs.termination_file;
    message.selinux_relabel = inputs.node.selinux;
    mounts.push_back(std::move(message));
  }
  return mounts;
}

Result<std::vector<cri::Device>> make_block_devices(const api::core::Container& container,
                                                    const std::map<std::string, ResolvedBlockVolume>& volumes) {
  std::vector<cri::Device> devices;
  for (const auto& device : container.volumedevices()) {
    if (!device.devicepath().starts_with('/')) {
      return Error(ErrorKind::invalid, "error DevicePath `" + device.devicepath() + "` must be an absolute path");
    }
    const auto it = volumes.find(device.name());
    if (it == volumes.end()) {
      return Error(ErrorKind::not_found, "cannot find volume " + quoted(device.name()) + " to pass into container " +
                                             quoted(container.name()));
    }
    devices.push_back({device.devicepath(), it->second.host_path, it->second.read_only ? "r" : "mrw"});
  }
  return devices;
}

}  // namespace keelson::agent
