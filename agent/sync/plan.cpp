#include "agent/sync/plan.hpp"

#include <algorithm>

#include "agent/pod_config/container_hash.hpp"

namespace keelson::agent {
namespace {

using cri::ContainerState;
using cri::ContainerStatus;

constexpr std::string_view kHashAnnotation = "io.kubernetes.container.hash";

// The definition that a running container was made from differs from what is wanted now.
bool definition_changed(const api::core::Container& container, const ContainerStatus& status) {
  const auto recorded = status.annotations.find(std::string(kHashAnnotation));
  if (recorded == status.annotations.end()) return true;
  return recorded->second != hash_text(container_hash(container));
}

// contract 02 §6.2: exit code not 0, or OOM-killed, or of unknown fate.
bool init_failed(const ContainerStatus& status) {
  if (status.state == ContainerState::unknown) return true;
  return status.state == ContainerState::exited && (status.exit_code != 0 || status.reason == "OOMKilled");
}

std::string resize_message(const std::string& name) { return "Container " + name + " resize requires restart"; }

// Gathers the steps of one planning; the order of the member functions is that of contract 02 §6.
class Planner {
 public:
  explicit Planner(const PlanInput& input) : in_(input), spec_(input.pod.spec()) {}

  Plan make() {
    if (plan_restart_all()) return std::move(out_);
    const SandboxVerdict sandbox = judge_sandbox(in_.pod, in_.observed);
    if (sandbox.changed) {
      plan_new_sandbox(sandbox);
      return std::move(out_);
    }
    out_.sandbox_id = sandbox.id;
    find_ephemeral_to_start();
    out_.initialized = plan_init_containers();
    if (!kill_pod_ && out_.initialized) plan_regular_containers();
    write_steps();
    return std::move(out_);
  }

 private:
  ProbeView probe(const std::string& id) const {
    const auto found = in_.probes.find(id);
    return found == in_.probes.end() ? ProbeView{} : found->second;
  }

  void because(std::string reason) { out_.reasons.push_back(std::move(reason)); }

  // A start step with its back-off, judged against the newest instance that has already exited.
  StartContainer start_step(ContainerRef ref) const {
    StartContainer step;
    step.container = ref;
    const api::core::Container container = container_of(in_.pod, ref);
    step.failure_stops = ref.type == ContainerType::init && !is_sidecar(container);
    if (ref.type == ContainerType::ephemeral) return step;
    for (const auto& status : in_.observed.containers) {
      if (status.metadata.name != container.name() || status.state != ContainerState::exited) continue;
      const auto exit = in_.exits.find(status.id);
      if (exit == in_.exits.end()) continue;
      step.after_exit = exit->second;
      step.in_backoff = in_.backoff.waiting(backoff_key(in_.pod, container), exit->second, in_.now);
      break;  // the newest exited instance is the one that counts
    }
    return step;
  }

  // --- contract 02 §6.5 ---
  bool plan_restart_all() {
    std::vector<std::string> causes;
    for_each_container(in_.pod, [&](ContainerRef ref, const std::string& name) {
      if (ref.type == ContainerType::ephemeral) return;
      const ContainerStatus* status = in_.observed.newest(name);
      if (status == nullptr || status->state != ContainerState::exited) return;
      const api::core::Container container = container_of(in_.pod, ref);
      if (restart_decision(in_.pod, container, status->exit_code) == RestartDecision::restart_all)
        causes.push_back(name);
    });
    if (causes.empty() && !in_.restart_all) return false;
    RestartAllContainers step;
    const auto is_cause = [&](const std::string& name) {
      return std::find(causes.begin(), causes.end(), name) != causes.end();
    };
    const auto collect = [&](ContainerType type, bool of_causes) {
      for (const auto& status : in_.observed.containers) {
        const auto ref = find_container(in_.pod, status.metadata.name);
        if (!ref || ref->type != type || is_cause(status.metadata.name) != of_causes) continue;
        step.remove_ids.push_back(status.id);
      }
    };
    collect(ContainerType::regular, false);
    collect(ContainerType::init, false);
    collect(ContainerType::regular, true);
    collect(ContainerType::init, true);
    if (step.remove_ids.empty()) return false;
    because(causes.empty() ? "a restart of all containers is under way"
                           : "container " + causes.front() + " exited with a rule that restarts all containers");
    out_.steps.emplace_back(std::move(step));
    return true;
  }

  // --- contract 02 §6.1 ---
  void plan_new_sandbox(const SandboxVerdict& sandbox) {
    const bool had_containers = !in_.observed.containers.empty();
    std::vector<ContainerRef> to_start;
    bool any_regular_created = false;
    for (int i = 0; i < spec_.containers_size(); ++i) {
      const auto& container = spec_.containers(i);
      any_regular_created = any_regular_created || in_.observed.newest(container.name()) != nullptr;
      if (!ended_for_good(container)) to_start.push_back({ContainerType::regular, i});
    }
    const bool wanted = !(spec_.restartpolicy() == "Never" && sandbox.attempt > 0 && had_containers) &&
                        !(any_regular_created && to_start.empty());
    because(wanted ? "a new sandbox is needed: " + sandbox.why : "the pod is finished: " + sandbox.why);
    // A pod without any sandbox has nothing to kill, but containers may be left from one that was removed under them.
    if (!in_.observed.sandboxes.empty() || had_containers)
      out_.steps.emplace_back(KillPod{wanted && !sandbox.id.empty()});
    if (!wanted) return;
    for (int i = 0; i < spec_.initcontainers_size(); ++i) {
      for (const auto& status : in_.observed.containers) {
        if (status.metadata.name == spec_.initcontainers(i).name()) {
          out_.steps.emplace_back(RemoveContainer{status.id, status.metadata.name, true});
        }
      }
    }
    out_.steps.emplace_back(CreateSandbox{sandbox.attempt});
    plan_resize();
    if (spec_.initcontainers_size() > 0) {
      out_.steps.emplace_back(start_step({ContainerType::init, 0}));
      return;
    }
    out_.initialized = true;
    for (const ContainerRef ref : to_start) out_.steps.emplace_back(start_step(ref));
  }

  // A container's own policy, and OnFailure of the pod, hold even over a new sandbox. (A kubelet starts one of its own
  // policy Never again then, and after that can tell the API nothing of the pod any more.)
  bool ended_for_good(const api::core::Container& container) const {
    if (container.restartpolicy().empty() && spec_.restartpolicy() != "OnFailure") return false;
    const ContainerStatus* status = in_.observed.newest(container.name());
    if (status == nullptr || status->state == ContainerState::created) return false;
    // What outlived its sandbox is killed.
    const int code = status->state == ContainerState::exited ? status->exit_code : 137;
    return restart_decision(in_.pod, container, code) == RestartDecision::no;
  }

  // --- contract 02 §6.6 ---
  void find_ephemeral_to_start() {
    for (int i = 0; i < spec_.ephemeralcontainers_size(); ++i) {
      const std::string& name = container_name(in_.pod, {ContainerType::ephemeral, i});
      if (in_.observed.newest(name) == nullptr) ephemeral_to_start_.push_back({ContainerType::ephemeral, i});
    }
  }

  // --- contract 02 §6.2; answers whether the regular containers may run ---
  bool plan_init_containers() {
    const int count = spec_.initcontainers_size();
    if (count == 0) return true;
    bool initialized = any_regular_started();
    bool previously = initialized;
    for (int i = count - 1; i >= 0 && !kill_pod_; --i) {
      const auto& container = spec_.initcontainers(i);
      const ContainerStatus* status = in_.observed.newest(container.name());
      if (status == nullptr) {
        // A sidecar whose record is gone must run again once the pod was initialised.
        if (previously && is_sidecar(container)) start_init(i, "is not known to the runtime");
        continue;
      }
      if (previously && !is_sidecar(container)) continue;
      if (is_sidecar(container)) {
        judge_sidecar(i, container, *status, previously, initialized);
      } else {
        judge_plain_init(i, container, *status, initialized);
      }
      previously = true;
    }
    if (kill_pod_) return false;
    if (!previously) start_init(0, "is the first");
    std::reverse(init_to_start_.begin(), init_to_start_.end());
    return initialized;
  }

  bool any_regular_started() const {
    for (const auto& container : spec_.containers()) {
      const ContainerStatus* status = in_.observed.newest(container.name());
      if (status == nullptr) continue;
      if (status->state == ContainerState::running) return true;
      // One that was made for a sandbox that died before it was started will never run.
      if (status->state == ContainerState::created && in_.observed.is_in_newest_sandbox(*status)) return true;
    }
    return false;
  }

  void start_init(int index, const std::string& why) {
    init_to_start_.push_back({ContainerType::init, index});
    because("init container " + spec_.initcontainers(index).name() + " is started: it " + why);
  }

  void start_next_init(int after, bool& initialized) {
    if (after + 1 == spec_.initcontainers_size()) {
      initialized = true;
    } else {
      start_init(after + 1, "is the next in order");
    }
  }

  void judge_plain_init(int i, const api::core::Container& container, const ContainerStatus& status,
                        bool& initialized) {
    if (status.state == ContainerState::running) return;
    if (status.state == ContainerState::created) return start_init(i, "was created but not started");
    if (!init_failed(status)) return start_next_init(i, initialized);
    if (status.state == ContainerState::unknown) kill_unknown(status, "Init container");
    const int code = status.state == ContainerState::exited && status.exit_code != 0 ? status.exit_code : 137;
    if (restart_decision(in_.pod, container, code) == RestartDecision::no) {
      because("init container " + container.name() + " failed and may not be restarted");
      return stop_everything();
    }
    start_init(i, "failed");
  }

  void judge_sidecar(int i, const api::core::Container& container, const ContainerStatus& status, bool previously,
                     bool& initialized) {
    switch (status.state) {
      case ContainerState::exited: return start_init(i, "is a sidecar that exited");
      case ContainerState::created: return start_init(i, "was created but not started");
      case ContainerState::unknown:
        kill_unknown(status, "Init container");
        return start_init(i, "is a sidecar of unknown state");
      case ContainerState::running: break;
    }
    const ProbeView probes = probe(status.id);
    if (container.has_startupprobe() && probes.startup != ProbeResult::success) {
      if (probes.startup == ProbeResult::failure) {
        kill(status, "Init container " + container.name() + " failed startup probe", true, false);
        start_init(i, "failed its startup probe");
      }
      return;
    }
    if (i + 1 == spec_.initcontainers_size()) {
      initialized = true;
    } else if (!previously) {
      start_init(i + 1, "is the next in order");
    }
    if (definition_changed(container, status)) {
      kill(status, "Init container " + container.name() + " definition changed", false, false);
      start_init(i, "has a new definition");
    } else if (container.has_livenessprobe() && probes.liveness == ProbeResult::failure) {
      kill(status, "Init container " + container.name() + " failed liveness probe", false, true);
      start_init(i, "failed its liveness probe");
    } else if (resize_restarts(container)) {
      kill(status, resize_message(container.name()), false, false);
      start_init(i, "is restarted by its resize policy");
    }
  }

  // --- contract 02 §6.3 ---
  void plan_regular_containers() {
    int kept = 0;
    for (int i = 0; i < spec_.containers_size(); ++i) {
      const auto& container = spec_.containers(i);
      const ContainerStatus* status = in_.observed.newest(container.name());
      if (status != nullptr && status->state == ContainerState::running) {
        if (!judge_running(i, container, *status)) ++kept;
        continue;
      }
      judge_not_running(i, container, status);
    }
    if (kept > 0 || !regular_to_start_.empty()) return;
    because("no container is left to run");
    stop_everything();
  }

  // True when the container is to be killed.
  bool judge_running(int i, const api::core::Container& container, const ContainerStatus& status) {
    const ProbeView probes = probe(status.id);
    std::string message = "Container " + container.name();
    bool restart = restarts_after_probe_kill(in_.pod, container);
    bool startup_failed = false;
    bool liveness_failed = false;
    if (definition_changed(container, status)) {
      message += " definition changed";
      restart = true;  // whatever the policy
    } else if (container.has_livenessprobe() && probes.liveness == ProbeResult::failure) {
      message += " failed liveness probe";
      liveness_failed = true;
    } else if (container.has_startupprobe() && probes.startup == ProbeResult::failure) {
      message += " failed startup probe";
      startup_failed = true;
    } else if (resize_restarts(container)) {
      because(resize_message(container.name()));
      kill(status, resize_message(container.name()), false, false);
      regular_to_start_.push_back({ContainerType::regular, i});
      return true;
    } else {
      return false;
    }
    if (restart) {
      message += ", will be restarted";
      regular_to_start_.push_back({ContainerType::regular, i});
    }
    because(message);
    kill(status, message, startup_failed, liveness_failed);
    return true;
  }

  void judge_not_running(int i, const api::core::Container& container, const ContainerStatus* status) {
    if (status == nullptr || status->state == ContainerState::created) {
      because("container " + container.name() +
              (status == nullptr ? " was never started" : " was created but not started"));
      regular_to_start_.push_back({ContainerType::regular, i});
      return;
    }
    if (status->state == ContainerState::unknown) {
      kill_unknown(*status, "Container");
      because("container " + container.name() + " is in unknown state");
      regular_to_start_.push_back({ContainerType::regular, i});
      return;
    }
    const bool restart = restart_decision(in_.pod, container, status->exit_code) != RestartDecision::no;
    because("container " + container.name() + " exited with " + std::to_string(status->exit_code) +
            (restart ? " and is restarted" : " and stays so by its restart policy"));
    if (restart) regular_to_start_.push_back({ContainerType::regular, i});
  }

  void kill(const ContainerStatus& status, std::string message, bool startup, bool liveness) {
    kills_.push_back(KillContainer{status.id, status.metadata.name, std::move(message), startup, liveness});
  }

  void kill_unknown(const ContainerStatus& status, const std::string& what) {
    kill(status, what + " is in \"unknown\" state, try killing it before restart", false, false);
  }

  // --- contract 02 §8 ---
  bool resize_restarts(const api::core::Container& container) const {
    return in_.actuated != nullptr && resize_need(in_.pod, container, *in_.actuated) == ResizeNeed::restart;
  }

  // Containers that do not run are given theirs when they are started.
  void plan_resize() {
    if (!in_.resize_told && !resize_unfinished(in_.pod, in_.observed, in_.actuated)) return;
    std::vector<std::string> killed;
    for (const KillContainer& step : kills_) killed.push_back(step.name);
    because("the pod is given the resources that were allocated to it");
    out_.steps.emplace_back(in_.actuated == nullptr ? ResizePod{}
                                                    : resize_step(in_.pod, in_.observed, *in_.actuated, killed));
  }

  void stop_everything() {
    kill_pod_ = true;
    kills_.clear();
    init_to_start_.clear();
    regular_to_start_.clear();
    ephemeral_to_start_.clear();
  }

  // contract 02 §6: only the newest dead instance of each init container is kept. One of unknown state may run: garbage
  // collection kills it before it removes it.
  void prune_init_containers() {
    for (const auto& container : spec_.initcontainers()) {
      bool newest_kept = false;
      for (const auto& status : in_.observed.containers) {
        const bool exited = status.state == ContainerState::exited;
        const bool dead = exited || status.state == ContainerState::unknown;
        if (status.metadata.name != container.name() || !dead) continue;
        if (newest_kept && exited) out_.steps.emplace_back(RemoveContainer{status.id, container.name()});
        newest_kept = true;
      }
    }
  }

  void write_steps() {
    if (kill_pod_) {
      // Nothing runs and no sandbox is ready: the kill has happened already.
      if (in_.observed.any_running() || in_.observed.any_ready_sandbox()) out_.steps.emplace_back(KillPod{});
      return;
    }
    for (auto& step : kills_) out_.steps.emplace_back(std::move(step));
    prune_init_containers();
    for (const ContainerRef ref : ephemeral_to_start_) out_.steps.emplace_back(start_step(ref));
    for (const ContainerRef ref : init_to_start_) out_.steps.emplace_back(start_step(ref));
    plan_resize();
    for (const ContainerRef ref : regular_to_start_) out_.steps.emplace_back(start_step(ref));
  }

  const PlanInput& in_;
  const api::core::PodSpec& spec_;
  Plan out_;
  bool kill_pod_ = false;
  std::vector<KillContainer> kills_;
  std::vector<ContainerRef> ephemeral_to_start_;
  std::vector<ContainerRef> init_to_start_;
  std::vector<ContainerRef> regular_to_start_;
};

}  // namespace

bool Plan::kills_pod() const {
  return std::any_of(steps.begin(), steps.end(),
                     [](const Step& step) { return std::holds_alternative<KillPod>(step); });
}

bool Plan::creates_sandbox() const {
  return std::any_of(steps.begin(), steps.end(),
                     [](const Step& step) { return std::holds_alternative<CreateSandbox>(step); });
}

SandboxVerdict judge_sandbox(const api::Pod& pod, const ObservedPod& observed) {
  if (observed.sandboxes.empty()) return {true, 0, "", "the pod has none yet"};
  const cri::PodSandboxStatus& newest = observed.sandboxes.front();
  const auto ready = std::count_if(observed.sandboxes.begin(), observed.sandboxes.end(),
                                   [](const auto& s) { return s.state == cri::SandboxState::ready; });
  const std::uint32_t next = newest.metadata.attempt + 1;
  if (ready > 1) return {true, next, newest.id, "more than one sandbox is ready"};
  if (newest.state != cri::SandboxState::ready) return {true, next, newest.id, "the newest sandbox is not ready"};
  const auto wanted = pod.spec().hostnetwork() ? cri::NamespaceMode::node : cri::NamespaceMode::pod;
  if (newest.network_mode != wanted) return {true, next, "", "the pod's network mode changed"};
  if (wanted == cri::NamespaceMode::pod && newest.has_network && newest.ips.empty()) {
    return {true, next, newest.id, "the sandbox has no IP address"};
  }
  return {false, newest.metadata.attempt, newest.id, ""};
}

Plan plan(const PlanInput& input) { return Planner(input).make(); }

}  // namespace keelson::agent
