#include "agent/sync/pod_runtime.hpp"

#include <algorithm>

#include "agent/pod_config/hostname.hpp"
#include "agent/pod_config/hosts_file.hpp"
#include "agent/pod_config/log_paths.hpp"

namespace keelson::agent {
namespace {

// contract 02 §22.2: an id the agent knows is replaced by the container's name in event texts.
std::string without_id(std::string text, const std::string& id, const std::string& name) {
  for (auto at = text.find(id); !id.empty() && at != std::string::npos; at = text.find(id, at + name.size())) {
    text.replace(at, id.size(), name);
  }
  return text;
}

}  // namespace

// What one run of execute() gathers. Shared, since its coroutines are named functions that take values.
struct PodRuntime::Execution {
  SyncRequest request;
  SyncOutcome outcome;
  std::string sandbox_id;
  std::uint32_t attempt = 0;
  std::vector<std::string> pod_ips;
  std::vector<KillContainer> kills;
  std::shared_ptr<const ObjectResolver> objects;  // what the container being started names

  const api::Pod& pod() const { return *request.pod; }
  void fail(std::string text) { outcome.errors.push_back(std::move(text)); }
  void retry_not_later_than(const std::string& container, base::SteadyTime when) {
    outcome.retry_of[container] = when;
    outcome.retry_at = outcome.retry_at ? std::min(*outcome.retry_at, when) : when;
  }
};

void PodRuntime::event(const api::Pod& pod, bool warning, std::string reason, std::string message,
                       std::string field_path) {
  events_.record(pod, {warning, std::move(reason), std::move(message), std::move(field_path)});
}

base::Task<SyncOutcome> PodRuntime::execute(SyncRequest request) {
  auto run = std::make_shared<Execution>();
  run->request = std::move(request);
  run->sandbox_id = run->request.plan.sandbox_id;
  if (!run->request.observed->sandboxes.empty()) {
    run->attempt = run->request.observed->sandboxes.front().metadata.attempt;
    run->pod_ips = run->request.observed->sandboxes.front().ips;
  }
  if (run->pod().spec().hostnetwork()) run->pod_ips = facts_.info.node_ips;
  const std::vector<Step>& steps = run->request.plan.steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    // Kills that stand next to each other are done side by side.
    if (const auto* kill = std::get_if<KillContainer>(&steps[i])) {
      run->kills.push_back(*kill);
      const bool last = i + 1 == steps.size() || !std::holds_alternative<KillContainer>(steps[i + 1]);
      if (!last) continue;
    }
    const bool go_on = co_await execute_step(run, &steps[i]);
    if (!go_on) break;
  }
  co_return std::move(run->outcome);
}

base::Task<bool> PodRuntime::execute_step(std::shared_ptr<Execution> run, const Step* step) {
  if (std::holds_alternative<KillContainer>(*step)) return kill_selected(std::move(run));
  if (const auto* kill = std::get_if<KillPod>(step)) return do_kill_pod(std::move(run), *kill);
  if (const auto* remove = std::get_if<RemoveContainer>(step)) return do_remove(std::move(run), remove->id);
  if (const auto* create = std::get_if<CreateSandbox>(step)) return create_sandbox(std::move(run), create->attempt);
  if (const auto* all = std::get_if<RestartAllContainers>(step)) return do_restart_all(std::move(run), *all);
  return do_start(std::move(run), std::get<StartContainer>(*step));
}

base::Task<bool> PodRuntime::do_kill_pod(std::shared_ptr<Execution> run, KillPod step) {
  if (step.sandbox_changed) {
    event(run->pod(), false, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  }
  run->outcome.did_anything = true;
  auto killed = co_await killer_.kill_pod(run->request.pod, run->request.observed, std::nullopt);
  if (killed.ok()) co_return true;
  event(run->pod(), true, "FailedKillPod", "error killing pod: " + killed.error().to_string());
  run->fail("while killing the pod: " + killed.error().to_string());
  co_return false;
}

base::Task<bool> PodRuntime::do_remove(std::shared_ptr<Execution> run, std::string id) {
  run->outcome.did_anything = true;
  const auto* status = run->request.observed->by_id(id);
  const std::string log_path = status == nullptr ? std::string() : status->log_path;
  const std::string name = status == nullptr ? std::string() : status->metadata.name;
  auto removed = co_await runtime_.remove_container(id);
  if (!removed.ok()) {
    run->fail("while removing container " + name + ": " + removed.error().to_string());
    co_return false;
  }
  const auto& meta = run->pod().metadata();
  const std::string link = log_link(facts_.paths, meta.name(), meta.namespace_(), name, id);
  auto cleaned = co_await files_.remove_container_logs(log_path, link);
  if (!cleaned.ok()) run->fail("while removing logs of container " + name + ": " + cleaned.error().to_string());
  co_return true;
}

// contract 02 §6.5: logs stay; running ones are killed with no grace, and so without their hooks.
base::Task<bool> PodRuntime::do_restart_all(std::shared_ptr<Execution> run, RestartAllContainers step) {
  run->outcome.did_anything = true;
  for (std::size_t i = 0; i < step.remove_ids.size(); ++i) {
    const std::string id = step.remove_ids[i];
    const auto* status = run->request.observed->by_id(id);
    const std::string name = status->metadata.name;
    if (needs_kill(*status)) {
      run->kills.push_back({id, name, "killing"});
      ContainerKills kills{run->request.pod, run->request.observed, run->pod_ips, std::move(run->kills),
                           std::chrono::seconds(0)};
      run->kills.clear();
      auto killed = co_await killer_.kill_containers(std::move(kills));
      if (!killed.ok()) {
        run->fail(killed.error().to_string());
        co_return false;
      }
    }
    auto removed = co_await runtime_.remove_container(id);
    if (!removed.ok()) {
      run->fail("while removing container " + name + ": " + removed.error().to_string());
      co_return false;
    }
  }
  co_return true;
}

// One that could not be killed must not get a successor.
base::Task<bool> PodRuntime::kill_selected(std::shared_ptr<Execution> run) {
  run->outcome.did_anything = true;
  ContainerKills kills{run->request.pod, run->request.observed, run->pod_ips, std::move(run->kills), std::nullopt};
  run->kills.clear();
  auto killed = co_await killer_.kill_containers(std::move(kills));
  if (!killed.ok()) run->fail(killed.error().to_string());
  co_return killed.ok();
}

Result<std::string> PodRuntime::runtime_handler(const api::Pod& pod) const {
  const std::string& name = pod.spec().runtimeclassname();
  if (name.empty()) return std::string();
  if (facts_.runtime_class) return facts_.runtime_class(name).wrap("failed to get sandbox runtime");
  return Error(ErrorKind::not_found, "failed to get sandbox runtime: runtimeclass.node.k8s.io \"" + name +
                                         "\" not found: no API server is configured to read it from");
}

base::Task<Result<cri::PodSandboxConfig>> PodRuntime::sandbox_config(std::shared_ptr<Execution> run,
                                                                     std::uint32_t attempt, bool record_events) {
  SandboxInputs inputs;
  inputs.node = facts_.info;
  inputs.attempt = attempt;
  inputs.cgroup_parent = cgroups_.parent_of(run->pod());
  inputs.handlers = facts_.handlers;
  if (!facts_.resolv_conf.empty()) {
    auto text = co_await files_.read_host_file(facts_.resolv_conf);
    if (!text.ok()) co_return text.error().wrap("while reading the node's resolver file");
    inputs.resolv_conf = std::move(*text);
  }
  auto handler = runtime_handler(run->pod());
  if (!handler.ok()) co_return handler.error();
  inputs.runtime_handler = std::move(*handler);
  std::vector<ConfigEvent> events;
  auto config = make_sandbox_config(run->pod(), inputs, &events);
  if (record_events) {
    for (const ConfigEvent& warning : events) {
      const bool of_node = warning.target == ConfigEvent::Target::node;
      events_.record(run->pod(), {true, warning.reason, warning.message, {}, of_node});
    }
  }
  co_return config;
}

base::Task<bool> PodRuntime::create_sandbox(std::shared_ptr<Execution> run, std::uint32_t attempt) {
  run->outcome.did_anything = true;
  const auto failed = [&](const std::string& text) {
    event(run->pod(), true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + text);
    run->fail("while creating the pod's sandbox: " + text);
    return false;
  };
  auto config = co_await sandbox_config(run, attempt, true);
  if (!config.ok()) co_return failed(config.error().to_string());
  const std::string handler = facts_.handler_of(run->pod());
  auto made = co_await files_.make_log_directory(config->log_directory);
  if (!made.ok()) co_return failed(made.error().to_string());
  run->request.journal->waits_for("container runtime to make the pod's sandbox");
  auto id = co_await runtime_.run_pod_sandbox(std::move(*config), handler);
  if (!id.ok()) co_return failed(id.error().to_string());
  run->sandbox_id = *id;
  run->attempt = attempt;
  run->outcome.created_sandbox = true;
  run->request.journal->log().info("Pod sandbox created", {{"sandbox", *id}, {"attempt", attempt}});
  if (run->request.sandbox_ready) run->request.sandbox_ready();
  auto status = co_await runtime_.pod_sandbox_status(run->sandbox_id);
  if (!status.ok()) {
    event(run->pod(), true, "FailedPodSandBoxStatus",
          "Unable to get pod sandbox status: " + status.error().to_string());
    run->fail("while reading the state of the pod's sandbox: " + status.error().to_string());
    co_return false;
  }
  if (!run->pod().spec().hostnetwork()) run->pod_ips = status->ips;
  co_return true;
}

base::Task<bool> PodRuntime::do_start(std::shared_ptr<Execution> run, StartContainer step) {
  const api::Pod& pod = run->pod();
  const std::string name = container_name(pod, step.container);
  if (step.in_backoff) {
    event(pod, true, "BackOff", "Back-off restarting failed container " + name + " in pod " + pod_description(pod),
          field_path(pod, step.container));
    run->outcome.waiting[name] = {"CrashLoopBackOff", backoff_message(pod, name, step.in_backoff->current)};
    run->retry_not_later_than(name, step.in_backoff->until);
    co_return !step.failure_stops;
  }
  if (step.after_exit) {
    run->request.backoff->note_restart(backoff_key(pod, container_of(pod, step.container)), *step.after_exit,
                                       clock_.steady_now());
  }
  run->outcome.did_anything = true;
  auto failure = co_await start_container(run, step.container);
  if (!failure) {
    run->outcome.started.push_back(name);
    co_return true;
  }
  run->fail("container " + name + ": " + failure->reason + (failure->message.empty() ? "" : ": " + failure->message));
  run->outcome.waiting[name] = std::move(*failure);
  co_return !step.failure_stops;
}

base::Task<std::uint32_t> PodRuntime::next_restart_count(std::shared_ptr<Execution> run, std::string name) {
  if (const auto* newest = run->request.observed->newest(name); newest != nullptr) {
    const auto annotated = newest->annotations.find("io.kubernetes.container.restartCount");
    const int count = annotated == newest->annotations.end() ? static_cast<int>(newest->metadata.attempt)
                                                             : std::atoi(annotated->second.c_str());
    co_return static_cast<std::uint32_t>(count + 1);
  }
  auto names = co_await files_.log_names(facts_.paths.container_logs(run->pod(), name));
  co_return restart_count_from_logs(names);
}

base::Task<Result<ContainerInputs>> PodRuntime::container_inputs(std::shared_ptr<Execution> run, ContainerRef ref,
                                                                 EnsuredImage image) {
  const api::core::Container container = container_of(run->pod(), ref);
  ContainerInputs inputs;
  inputs.node = facts_.info;
  inputs.restart_count = co_await next_restart_count(run, container.name());
  inputs.image_ref = image.ref;
  inputs.image_user = {image.uid, image.username};
  inputs.volumes = run->request.volumes;
  inputs.handlers = facts_.handlers;
  inputs.runtime_handler = facts_.handler_of(run->pod());
  inputs.environment.host_ips = facts_.info.node_ips;
  if (!facts_.info.node_ips.empty()) {
    inputs.environment.host_ip = facts_.info.node_ips.front();
    inputs.environment.primary_ipv6 = inputs.environment.host_ip.find(':') != std::string::npos;
  }
  inputs.environment.pod_ips = run->pod_ips;
  auto objects = co_await objects_.objects_of(run->request.pod, container);
  if (!objects.ok()) co_return objects.error();
  run->objects = std::move(*objects);
  inputs.environment.objects = run->objects.get();
  inputs.environment.services = objects_.services_for(run->pod().metadata().namespace_());
  inputs.environment.services_synced = objects_.services_synced();
  inputs.environment.allocatable = facts_.info.allocatable;
  const auto requests = env_file_requests(container);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto volume = inputs.volumes.find(requests[i].volume);
    if (volume == inputs.volumes.end()) continue;
    auto text = co_await files_.read_host_file(volume->second.host_path + "/" + requests[i].path);
    if (text.ok()) inputs.environment.env_files[requests[i].key()] = std::move(*text);
  }
  if (ref.type == ContainerType::ephemeral) {
    const std::string& target = run->pod().spec().ephemeralcontainers(ref.index).targetcontainername();
    const auto* newest = target.empty() ? nullptr : run->request.observed->newest(target);
    if (!target.empty() && newest == nullptr) {
      co_return Error(ErrorKind::not_found, "unable to find target container " + target);
    }
    if (newest != nullptr) inputs.target_id = newest->id;
  }
  for (const auto& mount : container.volumemounts()) {
    if (mount.subpath().empty() && mount.subpathexpr().empty()) continue;
    co_return Error(ErrorKind::unimplemented,
                    "volumeMounts[" + mount.mountpath() + "]: subPath and subPathExpr are not supported yet");
  }
  inputs.termination_file = termination_file_path(facts_.paths.root, run->pod().metadata().uid(), container.name(),
                                                  static_cast<std::uint32_t>(random_()));
  co_return inputs;
}

// contract 02 §3.6; the answer is the waiting reason of a failure.
base::Task<std::optional<WaitingReason>> PodRuntime::start_container(std::shared_ptr<Execution> run, ContainerRef ref) {
  const api::Pod& pod = run->pod();
  const api::core::Container container = container_of(pod, ref);
  const std::string path = field_path(pod, ref);
  const base::Logger log = run->request.journal->log().with("container", container.name());

  auto sandbox = co_await sandbox_config(run, run->attempt, false);
  if (!sandbox.ok()) co_return WaitingReason{"CreateContainerConfigError", sandbox.error().to_string()};

  run->request.journal->waits_for("image " + container.image() + " of container " + container.name());
  ImageRequest wanted;
  wanted.pod = run->request.pod.get();
  wanted.field_path = path;
  wanted.image = container.image();
  wanted.policy = container.imagepullpolicy();
  wanted.sandbox = *sandbox;
  wanted.annotations = sandbox->annotations;
  auto image = co_await images_.ensure(std::move(wanted));
  if (!image.image) {
    event(pod, true, "Failed", "Error: " + image.failure.reason, path);
    if (image.retry_at) run->retry_not_later_than(container.name(), *image.retry_at);
    co_return image.failure;
  }

  const auto config_error = [&](const Error& error) {
    event(pod, true, "Failed", "Error: " + error.to_string(), path);
    return WaitingReason{"CreateContainerConfigError", error.to_string()};
  };
  run->request.journal->waits_for("container runtime to start container " + container.name());
  auto inputs = co_await container_inputs(run, ref, *image.image);
  if (!inputs.ok()) co_return config_error(inputs.error());
  auto config = make_container_config(pod, container, *inputs);
  if (!config.ok()) co_return config_error(config.error());

  ContainerFiles files;
  files.uid = pod.metadata().uid();
  files.container = container.name();
  files.log_directory = facts_.paths.container_logs(pod, container.name());
  files.termination_name = inputs->termination_file.substr(inputs->termination_file.find_last_of('/') + 1);
  files.write_hosts = mounts_hosts_file(pod, container, !run->pod_ips.empty());
  if (files.write_hosts && pod.spec().hostnetwork()) {
    auto node_hosts = co_await files_.read_host_file("/etc/hosts");
    if (!node_hosts.ok()) co_return config_error(node_hosts.error());
    files.hosts = make_host_network_hosts_file(pod, *node_hosts);
  } else if (files.write_hosts) {
    auto hostname = make_hostname(pod, facts_.info.cluster_domain);
    if (!hostname.ok()) co_return config_error(hostname.error());
    const auto ips = sort_pod_ips(run->pod_ips, inputs->environment.primary_ipv6);
    files.hosts = make_hosts_file(pod, ips, hostname->host, hostname->domain);
  }
  auto prepared = co_await files_.prepare_container(std::move(files));
  if (!prepared.ok()) co_return config_error(prepared.error());

  const std::string log_file = sandbox->log_directory + "/" + config->log_path;
  auto id = co_await runtime_.create_container(run->sandbox_id, std::move(*config), std::move(*sandbox));
  if (!id.ok()) {
    event(pod, true, "Failed", "Error: " + id.error().to_string(), path);
    co_return WaitingReason{"CreateContainerError", id.error().to_string()};
  }
  event(pod, false, "Created", "Container created", path);
  auto started = co_await runtime_.start_container(*id);
  if (!started.ok()) {
    event(pod, true, "Failed", "Error: " + without_id(started.error().to_string(), *id, container.name()), path);
    co_return WaitingReason{"RunContainerError", started.error().to_string()};
  }
  event(pod, false, "Started", "Container started", path);
  log.info("Container started", {{"id", *id}, {"restarts", inputs->restart_count}, {"image", container.image()}});
  const auto& meta = pod.metadata();
  auto linked =
      co_await files_.link_log(log_link(facts_.paths, meta.name(), meta.namespace_(), container.name(), *id), log_file);
  if (!linked.ok()) log.warning("Log link cannot be made", {{"err", linked.error()}});
  co_return std::nullopt;
}

std::string log_link(const Paths& paths, const std::string& pod, const std::string& ns, const std::string& container,
                     const std::string& id) {
  return paths.container_links + "/" + log_link_name(pod, ns, container, id);
}

}  // namespace keelson::agent
