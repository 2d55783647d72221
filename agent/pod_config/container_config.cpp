#include "agent/pod_config/container_config.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/pod_config/annotations.hpp"
#include "agent/pod_config/expansion.hpp"
#include "agent/pod_config/log_paths.hpp"
#include "agent/pod_config/resources.hpp"
#include "agent/pod_config/security_context.hpp"
#include "agent/pod_config/stop_signal.hpp"

namespace keelson::agent {
namespace {

bool supports_recursive_read_only(const ContainerInputs& inputs) {
  return std::any_of(inputs.handlers.begin(), inputs.handlers.end(), [&](const cri::RuntimeHandler& handler) {
    return handler.name == inputs.runtime_handler && handler.recursive_read_only_mounts;
  });
}

template <class T>
void append(std::vector<T>& list, std::vector<T> more) {
  list.insert(list.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// With a user namespace every mount of the container is mapped, those of device plugins too.
void map_ids(std::vector<cri::Mount>& mounts, const UserNamespaceRange& range) {
  const cri::IdMapping map{range.host_first, 0, range.length};
  for (auto& mount : mounts) {
    mount.uid_mappings = {map};
    mount.gid_mappings = {map};
  }
}

Result<cri::LinuxContainerConfig> make_linux_part(const api::Pod& pod, const api::core::Container& container,
                                                  const ContainerInputs& inputs) {
  cri::LinuxContainerConfig config;
  auto security = make_container_security_context(pod, container, inputs);
  if (!security.ok()) return security.error();
  config.security_context = std::move(security).value();
  config.resources = container_resources(pod, container, inputs.node, inputs.exclusive_cpus);
  config.resources->cpuset_cpus = inputs.cpuset_cpus;
  config.resources->cpuset_mems = inputs.cpuset_mems;
  return config;
}

}  // namespace

// Devices come before the environment, as in the kubelet: the first error is the one that shows.
Result<std::vector<cri::KeyValue>> container_envs(const api::Pod& pod, const api::core::Container& container,
                                                  const ContainerInputs& inputs) {
  const auto devices = make_block_devices(container, inputs.block_volumes);
  if (!devices.ok()) return devices.error();
  auto own = make_environment(pod, container, inputs.environment);
  if (!own.ok()) return own.error();
  std::vector<cri::KeyValue> envs = inputs.devices.envs;
  append(envs, std::move(own).value());
  return envs;
}

Result<std::vector<cri::Mount>> container_mounts(const api::Pod& pod, const api::core::Container& container,
                                                 const ContainerInputs& inputs,
                                                 const std::vector<cri::KeyValue>& envs) {
  const bool has_pod_ips = !inputs.environment.pod_ips.empty();
  auto own = make_mounts(pod, container,
                         {inputs.node, inputs.volumes, inputs.sub_paths, envs, supports_recursive_read_only(inputs),
                          has_pod_ips, inputs.termination_file});
  if (!own.ok()) return own.error();
  std::vector<cri::Mount> mounts = inputs.devices.mounts;
  append(mounts, std::move(own).value());
  if (inputs.user_namespace) map_ids(mounts, *inputs.user_namespace);
  return mounts;
}

Result<cri::ContainerConfig> finish_container_config(const api::Pod& pod, const api::core::Container& container,
                                                     const ContainerInputs& inputs, std::vector<cri::KeyValue> envs,
                                                     std::vector<cri::Mount> mounts) {
  auto block_devices = make_block_devices(container, inputs.block_volumes);
  if (!block_devices.ok()) return block_devices.error();
  auto linux_part = make_linux_part(pod, container, inputs);
  if (!linux_part.ok()) return linux_part.error();

  cri::ContainerConfig config;
  config.metadata = {container.name(), inputs.restart_count};
  config.image.image = inputs.image_ref;
  config.image.user_specified_image = container.image();
  config.envs = std::move(envs);
  config.command = expand_all(container.command(), config.envs);
  config.args = expand_all(container.args(), config.envs);
  config.working_dir = container.workingdir();
  config.stdin_open = container.stdin();
  config.stdin_once = container.stdinonce();
  config.tty = container.tty();
  config.mounts = std::move(mounts);
  config.devices = inputs.devices.devices;
  append(config.devices, std::move(block_devices).value());
  config.cdi_devices = inputs.devices.cdi_devices;
  config.labels = container_labels(pod, container);
  config.annotations = container_annotations(pod, container, inputs.restart_count, inputs.devices.annotations);
  config.log_path = container_log_path(container.name(), inputs.restart_count);
  if (inputs.node.container_stop_signals) config.stop_signal = stop_signal_of(container);
  config.linux_config = std::move(linux_part).value();
  return config;
}

Result<cri::ContainerConfig> make_container_config(const api::Pod& pod, const api::core::Container& container,
                                                   const ContainerInputs& inputs) {
  auto envs = container_envs(pod, container, inputs);
  if (!envs.ok()) return envs.error();
  auto mounts = container_mounts(pod, container, inputs, envs.value());
  if (!mounts.ok()) return mounts.error();
  return finish_container_config(pod, container, inputs, std::move(envs).value(), std::move(mounts).value());
}

}  // namespace keelson::agent
