#include "agent/sync/runtime_configs.hpp"

#include <algorithm>
#include <cstdlib>

#include "agent/pod_config/env_file.hpp"
#include "agent/pod_config/hostname.hpp"
#include "agent/pod_config/hosts_file.hpp"
#include "agent/pod_config/log_paths.hpp"
#include "agent/pod_config/security_context.hpp"

namespace keelson::agent {
namespace {

constexpr char kRestartCountAnnotation[] = "io.kubernetes.container.restartCount";

std::uint32_t restart_count_of(const cri::ContainerStatus& status) {
  const auto annotated = status.annotations.find(kRestartCountAnnotation);
  if (annotated == status.annotations.end()) return status.metadata.attempt;
  return static_cast<std::uint32_t>(std::strtoul(annotated->second.c_str(), nullptr, 10));
}

// The container whose processes an ephemeral one is to see; "" for every other.
Result<std::string> target_id(const api::Pod& pod, ContainerRef ref, const ObservedPod& observed) {
  if (ref.type != ContainerType::ephemeral) return std::string();
  const std::string& target = pod.spec().ephemeralcontainers(ref.index).targetcontainername();
  if (target.empty()) return std::string();
  const auto* newest = observed.newest(target);
  if (newest == nullptr) return Error(ErrorKind::not_found, "unable to find target container " + target);
  return newest->id;
}

// Each once, in the order of the volumes' names.
std::vector<std::int64_t> groups_of(const ResolvedVolumes& volumes) {
  std::vector<std::int64_t> out;
  for (const auto& [name, volume] : volumes) {
    if (volume.group && std::find(out.begin(), out.end(), *volume.group) == out.end()) out.push_back(*volume.group);
  }
  return out;
}

std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace

// The pod, its container, and all that was gathered for it. Shared, since its coroutines are named functions.
struct RuntimeConfigs::Making {
  ContainerRequest request;
  api::core::Container container;
  ContainerInputs inputs;
  std::shared_ptr<const ObjectResolver> objects;  // inputs.environment refers to it

  const api::Pod& pod() const { return *request.pod; }
};

Result<std::string> RuntimeConfigs::runtime_handler(const api::Pod& pod) const {
  const std::string& name = pod.spec().runtimeclassname();
  if (name.empty()) return std::string();
  if (facts_.runtime_class) return facts_.runtime_class(name);
  return Error(ErrorKind::not_found,
               "runtimeclass.node.k8s.io \"" + name + "\" not found: no API server is configured to read it from");
}

base::Task<Result<cri::PodSandboxConfig>> RuntimeConfigs::sandbox(SandboxRequest request) {
  const api::PodPtr pod = request.pod;
  SandboxInputs inputs;
  inputs.node = facts_.info;
  inputs.attempt = request.attempt;
  inputs.volume_groups = groups_of(request.volumes);
  inputs.cgroup_parent = cgroups_.parent_of(*pod);
  inputs.handlers = facts_.handlers;
  if (!facts_.resolv_conf.empty()) {
    auto text = co_await files_.read_host_file(facts_.resolv_conf);
    if (!text.ok()) co_return text.error().wrap("while reading the node's resolver file");
    inputs.resolv_conf = std::move(*text);
  }
  auto handler = runtime_handler(*pod);
  if (!handler.ok()) co_return handler.error();
  inputs.runtime_handler = std::move(*handler);
  // Before IDs are given out: a runtime that cannot use them leaves no trace.
  KEELSON_CO_TRY(check_user_namespace_support(*pod, inputs.runtime_handler, inputs.handlers));
  auto ids = co_await user_namespaces_.of(pod);
  if (!ids.ok()) co_return ids.error();
  inputs.user_namespace = *ids;
  std::vector<ConfigEvent> events;
  auto config = make_sandbox_config(*pod, inputs, &events);
  if (request.tell) {
    for (const ConfigEvent& warning : events) {
      const bool of_node = warning.target == ConfigEvent::Target::node;
      events_.record(*pod, {true, warning.reason, warning.message, {}, of_node});
    }
  }
  co_return config;
}

base::Task<std::uint32_t> RuntimeConfigs::next_restart_count(std::shared_ptr<Making> making) {
  const auto* newest = making->request.observed->newest(making->container.name());
  if (newest != nullptr) co_return restart_count_of(*newest) + 1;
  auto names = co_await files_.log_names(facts_.paths.container_logs(making->pod(), making->container.name()));
  co_return restart_count_from_logs(names);
}

base::Task<Status> RuntimeConfigs::gather(std::shared_ptr<Making> making) {
  ContainerInputs& inputs = making->inputs;
  const ContainerRequest& request = making->request;
  inputs.node = facts_.info;
  inputs.restart_count = co_await next_restart_count(making);
  auto target = target_id(making->pod(), request.ref, *request.observed);
  if (!target.ok()) co_return target.error();
  inputs.target_id = std::move(*target);
  inputs.image_ref = request.image.ref;
  inputs.image_user = {request.image.uid, request.image.username};
  inputs.volumes = request.volumes;
  inputs.volume_groups = groups_of(request.volumes);
  for (const auto& [name, volume] : request.volumes) {
    if (volume.block) inputs.block_volumes[name] = {volume.host_path, volume.read_only};
  }
  inputs.handlers = facts_.handlers;
  inputs.runtime_handler = facts_.handler_of(making->pod());
  auto ids = co_await user_namespaces_.of(request.pod);
  if (!ids.ok()) co_return ids.error();
  inputs.user_namespace = *ids;
  inputs.termination_file = termination_file_path(facts_.paths.root, making->pod().metadata().uid(),
                                                  making->container.name(), static_cast<std::uint32_t>(random_()));
  co_return co_await gather_environment(making);
}

base::Task<Status> RuntimeConfigs::gather_environment(std::shared_ptr<Making> making) {
  EnvironmentInputs& environment = making->inputs.environment;
  environment.host_ips = facts_.info.node_ips;
  if (!facts_.info.node_ips.empty()) {
    environment.host_ip = facts_.info.node_ips.front();
    environment.primary_ipv6 = environment.host_ip.find(':') != std::string::npos;
  }
  environment.pod_ips = making->request.pod_ips;
  environment.services = objects_.services_for(making->pod().metadata().namespace_());
  environment.services_synced = objects_.services_synced();
  environment.allocatable = facts_.info.allocatable;
  auto objects = co_await objects_.objects_of(making->request.pod, making->container);
  if (!objects.ok()) co_return objects.error();
  making->objects = std::move(*objects);
  environment.objects = making->objects.get();
  co_await read_env_files(making);
  co_return Status();
}

// Why a file is no good is told to people on the node; the API is told only that it is (contract 02 §3.2).
base::Task<void> RuntimeConfigs::read_env_files(std::shared_ptr<Making> making) {
  const auto requests = env_file_requests(making->container);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const EnvFileRequest& request = requests[i];
    const auto volume = making->inputs.volumes.find(request.volume);
    if (volume == making->inputs.volumes.end()) continue;
    EnvFile& file = making->inputs.environment.env_files[request.name()];
    file.path = volume->second.host_path + "/" + request.path;
    auto text = co_await files_.read_volume_file(volume->second.host_path, request.path);
    Status readable;
    if (!text.ok()) {
      readable = text.error();
    } else if (auto found = find_in_env_file(*text, request.key); !found.ok()) {
      readable = found.error();
    }
    if (!readable.ok()) {
      log_.warning("A file of environment variables cannot be read", {{"pod", pod_path(making->pod())},
                                                                      {"container", making->container.name()},
                                                                      {"file", file.path},
                                                                      {"err", readable.error()}});
    }
    if (text.ok()) file.content = std::move(*text);
  }
}

base::Task<Status> RuntimeConfigs::prepare_sub_paths(std::shared_ptr<Making> making, std::vector<cri::KeyValue> envs) {
  auto requests =
      sub_path_requests(making->pod(), making->container, envs, making->inputs.volumes, making->inputs.node);
  if (!requests.ok()) co_return requests.error();
  for (std::size_t i = 0; i < requests->size(); ++i) {
    const SubPathRequest& request = (*requests)[i];
    KEELSON_CO_TRY(co_await volumes_.prepare_sub_path(making->request.pod, request));
    making->inputs.sub_paths[request.index] = request.target;
  }
  co_return Status();
}

base::Task<Result<std::string>> RuntimeConfigs::hosts_file(std::shared_ptr<Making> making) {
  const api::Pod& pod = making->pod();
  if (pod.spec().hostnetwork()) {
    auto of_node = co_await files_.read_host_file("/etc/hosts");
    if (!of_node.ok()) co_return of_node.error();
    co_return make_host_network_hosts_file(pod, *of_node);
  }
  auto hostname = make_hostname(pod, facts_.info.cluster_domain);
  if (!hostname.ok()) co_return hostname.error();
  co_return make_hosts_file(pod, making->request.pod_ips, hostname->host, hostname->domain);
}

base::Task<Result<cri::ContainerConfig>> RuntimeConfigs::container(ContainerRequest request) {
  auto making = std::make_shared<Making>();
  making->container = container_of(*request.pod, request.ref);
  making->request = std::move(request);
  const api::Pod& pod = making->pod();
  const api::core::Container& container = making->container;
  KEELSON_CO_TRY(co_await gather(making));
  auto envs = container_envs(pod, container, making->inputs);
  if (!envs.ok()) co_return envs.error();
  KEELSON_CO_TRY(co_await prepare_sub_paths(making, *envs));
  auto mounts = container_mounts(pod, container, making->inputs, *envs);
  if (!mounts.ok()) co_return mounts.error();

  ContainerFiles files;
  files.uid = pod.metadata().uid();
  files.container = container.name();
  files.write_hosts = mounts_hosts_file(pod, container, !making->request.pod_ips.empty());
  if (files.write_hosts) {
    auto hosts = co_await hosts_file(making);
    if (!hosts.ok()) co_return hosts.error();
    files.hosts = std::move(*hosts);
  }
  const Status user = check_run_as_non_root(pod, container, making->inputs.image_user);
  if (user.ok()) {
    files.log_directory = facts_.paths.container_logs(pod, container.name());
    files.termination_name = file_name(making->inputs.termination_file);
  }
  KEELSON_CO_TRY(co_await files_.prepare_container(std::move(files)));
  if (!user.ok()) co_return user.error();
  co_return finish_container_config(pod, container, making->inputs, std::move(*envs), std::move(*mounts));
}

}  // namespace keelson::agent
