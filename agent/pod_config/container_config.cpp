#include "agent/pod_config/container_config.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/pod_config/annotations.hpp"
#include "agent/pod_config/expansion.hpp"
#include "agent/pod_config/log_paths.hpp"
#include "agent/pod_config/resources.hpp"
#include "agent/pod_config/security_context.hpp"

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

// The order of the steps decides which of several errors shows: environment, mounts, then the security context.
Result<cri::ContainerConfig> make_container_config(const api::Pod& pod, const api::core::Container& container,
                                                   const ContainerInputs& inputs) {
  auto envs = make_environment(pod, container, inputs.environment);
  if (!envs.ok()) return envs.error();
  auto devices = make_block_devices(container, inputs.block_volumes);
  if (!devices.ok()) return devices.error();
  const bool has_pod_ips = !inputs.environment.pod_ips.empty();
  auto mounts =
      make_mounts(pod, container,
                  {inputs.node, inputs.volumes, inputs.sub_paths, envs.value(), supports_recursive_read_only(inputs),
                   has_pod_ips, inputs.termination_file, inputs.user_namespace});
  if (!mounts.ok()) return mounts.error();
  auto linux_part = make_linux_part(pod, container, inputs);
  if (!linux_part.ok()) return linux_part.error();

  cri::ContainerConfig config;
  config.metadata = {container.name(), inputs.restart_count};
  config.image.image = inputs.image_ref;
  config.image.user_specified_image = container.image();
  config.envs = inputs.devices.envs;
  append(config.envs, std::move(envs).value());
  config.command = expand_all(container.command(), config.envs);
  config.args = expand_all(container.args(), config.envs);
  config.working_dir = container.workingdir();
  config.stdin_open = container.stdin();
  config.stdin_once = container.stdinonce();
  config.tty = container.tty();
  config.mounts = inputs.devices.mounts;
  append(config.mounts, std::move(mounts).value());
  config.devices = inputs.devices.devices;
  append(config.devices, std::move(devices).value());
  config.cdi_devices = inputs.devices.cdi_devices;
  config.labels = container_labels(pod, container);
  config.annotations = container_annotations(pod, container, inputs.restart_count, inputs.devices.annotations);
  config.log_path = container_log_path(container.name(), inputs.restart_count);
  config.linux_config = std::move(linux_part).value();
  return config;
}

}  // namespace keelson::agent
