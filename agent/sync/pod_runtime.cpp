#include "agent/sync/pod_runtime.hpp"

#include <algorithm>

#include "agent/allocation/allocations.hpp"

#include "agent/pod_config/log_paths.hpp"
#include "agent/sync/resizer.hpp"
#include "cri-client/rpc.hpp"

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
  std::unique_ptr<RoundImages> images;
  StartSlots::Slot slot;
  bool begun = false;  // it has held a slot in this run

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
  run->images = std::make_unique<RoundImages>(images_, *run->request.journal, run->request.pod);
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
  if (const auto* remove = std::get_if<RemoveContainer>(step)) return do_remove(std::move(run), *remove);
  if (const auto* create = std::get_if<CreateSandbox>(step)) return create_sandbox(std::move(run), create->attempt);
  if (const auto* all = std::get_if<RestartAllContainers>(step)) return do_restart_all(std::move(run), *all);
  if (const auto* resize = std::get_if<ResizePod>(step)) return do_resize(std::move(run), *resize);
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

base::Task<bool> PodRuntime::do_remove(std::shared_ptr<Execution> run, RemoveContainer step) {
  run->outcome.did_anything = true;
  const auto* status = run->request.observed->by_id(step.id);
  const std::string log_path = status == nullptr ? std::string() : status->log_path;
  const std::string name = step.name;
  auto removed = co_await runtime_.remove_container(step.id);
  if (!removed.ok()) {
    run->fail("while removing container " + name + ": " + removed.error().to_string());
    co_return !step.failure_stops;
  }
  const auto& meta = run->pod().metadata();
  const std::string link = log_link(facts_.paths, meta.name(), meta.namespace_(), name, step.id);
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
  run->outcome.removed_all = true;
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

base::Task<bool> PodRuntime::create_sandbox(std::shared_ptr<Execution> run, std::uint32_t attempt) {
  run->outcome.did_anything = true;
  allocations_.set_actuated(run->pod());
  const bool user_namespaced = run->pod().spec().has_hostusers() && !run->pod().spec().hostusers();
  ++metrics_.pods;
  if (user_namespaced) ++metrics_.user_namespaced_pods;
  const auto failed = [&](const std::string& text) {
    ++metrics_.pod_errors;
    if (user_namespaced) ++metrics_.user_namespaced_pod_errors;
    event(run->pod(), true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + text);
    run->fail("while creating the pod's sandbox: " + text);
    return false;
  };
  RuntimeConfigs::SandboxRequest wanted{run->request.pod, attempt, run->request.volumes, true};
  auto config = co_await configs_.sandbox(std::move(wanted));
  if (!config.ok()) co_return failed(config.error().to_string());
  const std::string handler = facts_.handler_of(run->pod());
  auto made = co_await files_.make_log_directory(config->log_directory);
  if (!made.ok()) co_return failed(made.error().to_string());
  co_await take_slot(run);
  run->request.journal->waits_for("container runtime to make the pod's sandbox");
  const base::SteadyTime asked = clock_.steady_now();
  auto id = co_await runtime_.run_pod_sandbox(std::move(*config), handler);
  metrics_.run_sandbox[{handler}].observe(clock_.steady_now() - asked);
  if (!id.ok()) ++metrics_.run_sandbox_errors[{handler}];
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

// A resize that fails keeps no container from being started; it is tried again with the next round.
base::Task<bool> PodRuntime::do_resize(std::shared_ptr<Execution> run, ResizePod step) {
  run->outcome.did_anything = true;
  run->request.journal->waits_for("container runtime to resize the pod");
  const base::SteadyTime begun = clock_.steady_now();
  run->outcome.resized = co_await resizer_.resize(run->request.pod, run->sandbox_id, std::move(step));
  const std::chrono::duration<double, std::milli> took = clock_.steady_now() - begun;
  metrics_.resizes[{run->outcome.resized->ok() ? "true" : "false"}].observe(took.count());
  if (!run->outcome.resized->ok()) run->fail("while resizing the pod: " + run->outcome.resized->error().to_string());
  co_return true;
}

base::Task<void> PodRuntime::take_slot(std::shared_ptr<Execution> run) {
  if (run->slot) co_return;
  run->request.journal->waits_for("its turn: other pods are being started");
  auto slot = co_await slots_.take(run->begun);
  run->slot = std::move(slot);
  run->begun = true;
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
  ++metrics_.containers[{metric_label(step.container.type)}];
  auto failure = co_await start_container(run, step.container);
  if (failure) ++metrics_.container_errors[{metric_label(step.container.type), failure->reason}];
  if (!failure) {
    run->outcome.started.push_back(name);
    co_return true;
  }
  run->fail("container " + name + ": " + failure->reason + (failure->message.empty() ? "" : ": " + failure->message));
  run->outcome.waiting[name] = std::move(*failure);
  co_return !step.failure_stops;
}

// contract 02 §3.6; the answer is the waiting reason of a failure.
base::Task<std::optional<WaitingReason>> PodRuntime::start_container(std::shared_ptr<Execution> run, ContainerRef ref) {
  const api::Pod& pod = run->pod();
  const api::core::Container container = container_of(pod, ref);
  const std::string path = field_path(pod, ref);
  const base::Logger log = run->request.journal->log().with("container", container.name());

  // What it is going to run with is on the disk before it is created; the image and the files are seen to meanwhile.
  if (ref.type != ContainerType::ephemeral) allocations_.set_actuated(pod, container.name(), container.resources());
  RuntimeConfigs::SandboxRequest wanted{run->request.pod, run->attempt, run->request.volumes, false};
  auto sandbox = co_await configs_.sandbox(std::move(wanted));
  if (!sandbox.ok()) co_return WaitingReason{"CreateContainerConfigError", sandbox.error().to_string()};

  run->slot.release();  // a pull takes its time
  auto image = co_await run->images->for_container(ref, *sandbox);
  if (!image.image) {
    event(pod, true, "Failed", "Error: " + image.failure.reason, path);
    if (image.retry_at) run->retry_not_later_than(container.name(), *image.retry_at);
    co_return image.failure;
  }

  co_await take_slot(run);
  run->request.journal->waits_for("container runtime to start container " + container.name());
  RuntimeConfigs::ContainerRequest made_of;
  made_of.pod = run->request.pod;
  made_of.ref = ref;
  made_of.observed = run->request.observed;
  made_of.image = std::move(*image.image);
  made_of.volumes = run->request.volumes;
  run->images->add_volumes(made_of.volumes);
  made_of.pod_ips = run->pod_ips;
  auto config = co_await configs_.container(std::move(made_of));
  auto recorded = co_await allocations_.saved();
  if (!config.ok() || !recorded.ok()) {
    const std::string text = config.ok() ? recorded.error().to_string() : config.error().to_string();
    event(pod, true, "Failed", "Error: " + text, path);
    co_return WaitingReason{"CreateContainerConfigError", text};
  }

  const std::uint32_t restarts = config->metadata.attempt;
  const std::string log_file = sandbox->log_directory + "/" + config->log_path;
  auto id = co_await runtime_.create_container(run->sandbox_id, std::move(*config), std::move(*sandbox));
  if (!id.ok()) {
    const std::string text = cri::description(id.error());
    event(pod, true, "Failed", "Error: " + text, path);
    co_return WaitingReason{"CreateContainerError", text};
  }
  event(pod, false, "Created", "Container created", path);
  auto started = co_await runtime_.start_container(*id);
  if (!started.ok()) {
    const std::string text = cri::description(started.error());
    event(pod, true, "Failed", "Error: " + without_id(text, *id, container.name()), path);
    co_return WaitingReason{"RunContainerError", text};
  }
  if (run->request.container_started) run->request.container_started();
  event(pod, false, "Started", "Container started", path);
  log.info("Container started", {{"id", *id}, {"restarts", restarts}, {"image", container.image()}});
  const auto& meta = pod.metadata();
  auto linked =
      co_await files_.link_log(log_link(facts_.paths, meta.name(), meta.namespace_(), container.name(), *id), log_file);
  if (!linked.ok()) log.warning("Log link cannot be made", {{"err", linked.error()}});
  if (!container.lifecycle().has_poststart()) co_return std::nullopt;
  auto hooked = co_await run_post_start(run, ref, *id);
  co_return hooked;
}

// contract 02 §18: the containers that come later wait for it; one whose hook fails is killed, and its policy decides.
base::Task<std::optional<WaitingReason>> PodRuntime::run_post_start(std::shared_ptr<Execution> run, ContainerRef ref,
                                                                    std::string id) {
  HookRequest request;
  request.pod = run->request.pod;
  request.container = container_of(run->pod(), ref);
  request.container_id = id;
  request.pod_ips = run->pod_ips;
  request.handler = request.container.lifecycle().poststart();
  const std::string name = request.container.name();
  run->slot.release();
  run->request.journal->waits_for("the postStart hook of container " + name);
  auto done = co_await hooks_.run(std::move(request));
  if (done.ok()) co_return std::nullopt;
  event(run->pod(), true, "FailedPostStartHook", "PostStartHook failed", field_path(run->pod(), ref));
  ContainerKills kills{run->request.pod, run->request.observed, run->pod_ips, {}, std::nullopt};
  kills.which.push_back({id, name, "FailedPostStartHook"});
  auto killed = co_await killer_.kill_containers(std::move(kills));
  if (!killed.ok()) run->fail(killed.error().to_string());
  co_return WaitingReason{"PostStartHookError", done.error().to_string()};
}

std::string log_link(const Paths& paths, const std::string& pod, const std::string& ns, const std::string& container,
                     const std::string& id) {
  return paths.container_links + "/" + log_link_name(pod, ns, container, id);
}

}  // namespace keelson::agent
