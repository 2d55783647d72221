// Invariants of the end: when faults have stopped, what is wanted is what is, and nothing else is left.
#include "tests/sim/agent.hpp"
#include "tests/sim/invariants.hpp"

namespace keelson::sim {
namespace {

class NothingLeft final : public Invariant {
 public:
  explicit NothingLeft(View view)
      : Invariant("nothing-left",
                  "a pod that is gone leaves no sandbox, container, mount, cgroup, directory or log (contract 02 §11)"),
        view_(view) {}
  void at_rest() override {
    World& world = view_.world;
    for (const auto& [uid, pod] : view_.ledger.pods()) {
      if (!pod.gone) continue;
      if (world.cri.knows(uid)) violated("the runtime still has pod " + pod.name + " " + uid);
      if (world.disk.files.knows(uid)) violated("files are left of pod " + pod.name + " " + uid);
      if (world.disk.cgroups.groups.count(uid) > 0) violated("a cgroup is left of pod " + pod.name + " " + uid);
      if (world.disk.node_volumes.any_of(uid)) violated("volumes are left of pod " + pod.name + " " + uid);
      for (const auto& [name, text] : world.disk.allocations.files) {
        if (text.find(uid) != std::string::npos) violated(name + " still names pod " + pod.name + " " + uid);
      }
    }
    for (const std::string& device : world.disk.node_volumes.staged) {
      if (!world.disk.node_volumes.shows(device)) violated(device + " is staged, and no pod has it");
    }
    // Of a pull that was cut (its agent was killed, say) word stays until the next one of that image: nobody knows what
    // came of it.
    for (const auto& [path, content] : world.disk.images.files) {
      if (view_.ledger.agents > 1 || world.cri.pulls() > 0 || world.outside.unsure_pulls > 0) break;
      if (path.find("/pulling/") != std::string::npos) violated("an image is said to be pulled: " + path);
    }
    SimAgent* agent = view_.agent();
    if (agent == nullptr) return;
    for (const auto& [uid, worker] : agent->engine().workers().workers()) {
      const PodLife* pod = view_.ledger.find(uid);
      if (pod == nullptr || pod->gone) violated("a worker is left of pod " + uid);
    }
    if (agent->cluster().view().unsent_statuses > 0) violated("statuses are still unsent");
  }

 private:
  View view_;
};

class EndedIsStopped final : public Invariant {
 public:
  explicit EndedIsStopped(View view)
      : Invariant(
            "ended-is-stopped",
            "a pod that is shown as ended holds nothing any more: no container, sandbox, mount or cgroup (contract "
            "02 §5.2, §5.3)"),
        view_(view) {}
  void at_rest() override {
    const World& world = view_.world;
    for (const auto& [uid, pod] : view_.ledger.pods()) {
      if (pod.gone || pod.is_static || !is_terminal(pod.pod)) continue;
      const std::string about = "pod " + pod.name + " " + uid + " has ended, and still has ";
      if (pod.any_running()) violated(about + "a container that runs");
      for (const auto& [id, ready] : pod.sandboxes) {
        if (ready) violated(about + "sandbox " + id);
      }
      if (world.disk.node_volumes.any_of(uid)) violated(about + "volumes");
      if (world.disk.cgroups.groups.count(uid) > 0) violated(about + "a cgroup");
    }
  }

 private:
  View view_;
};

class ApiIsTrue final : public Invariant {
 public:
  explicit ApiIsTrue(View view)
      : Invariant("api-is-true", "at rest the API shows what the runtime has, and no container less (contract 02 §15)"),
        view_(view) {}
  void at_rest() override {
    for (const auto& [uid, pod] : view_.ledger.pods()) {
      if (pod.is_static) {
        compare_mirror(pod);
      } else if (!pod.gone) {
        compare(pod, pod.pod);
      }
    }
  }

 private:
  void compare_mirror(const PodLife& pod) {
    if (pod.gone) return;
    const auto mirror = view_.world.api.get<api::Pod>(kNamespace, pod.name);
    if (!mirror) return violated("static pod " + pod.name + " has no mirror");
    const auto hash = mirror->metadata().annotations().find("kubernetes.io/config.mirror");
    if (hash == mirror->metadata().annotations().end() || hash->second != pod.uid) {
      return violated("the mirror of static pod " + pod.name + " is of another one");
    }
    compare(pod, *mirror);
  }

  void compare(const PodLife& pod, const api::Pod& shown) {
    if (pod.cannot_be_told()) return;
    const auto& status = shown.status();
    for (const auto* list : {&status.containerstatuses(), &status.initcontainerstatuses()}) {
      for (const auto& entry : *list) compare(pod, shown, entry);
    }
    if (!status.reason().empty() || is_terminal(shown)) return;
    compare_readiness(shown);
    if (status.containerstatuses_size() != shown.spec().containers_size() ||
        status.initcontainerstatuses_size() != shown.spec().initcontainers_size()) {
      violated("pod " + pod.name + " does not show all its containers");
    }
  }

  void compare_readiness(const api::Pod& shown) {
    bool wanted = true;
    for (const auto& entry : shown.status().containerstatuses()) wanted = wanted && entry.ready();
    for (int i = 0; i < shown.status().initcontainerstatuses_size() && i < shown.spec().initcontainers_size(); ++i) {
      const bool sidecar = shown.spec().initcontainers(i).restartpolicy() == "Always";
      wanted = wanted && (!sidecar || shown.status().initcontainerstatuses(i).ready());
    }
    for (const auto& gate : shown.spec().readinessgates()) wanted = wanted && condition_of(shown, gate.conditiontype());
    if (condition_of(shown, "Ready") != wanted) {
      violated("pod " + shown.metadata().name() + " is " + (wanted ? "not shown as Ready" : "shown as Ready"));
    }
  }

  static bool condition_of(const api::Pod& pod, const std::string& type) {
    for (const auto& condition : pod.status().conditions()) {
      if (condition.type() == type) return condition.status() == "True";
    }
    return false;
  }

  void compare(const PodLife& pod, const api::Pod& shown, const api::core::ContainerStatus& entry) {
    const std::string about = "pod " + pod.name + " " + pod.uid + " shows container " + entry.name() + " as ";
    const Instance* newest = pod.newest(entry.name());
    const bool runs = newest != nullptr && newest->running();
    if (entry.state().has_running() != runs) violated(about + (runs ? "not running" : "running"));
    if (!runs) return;
    if (entry.containerid() != "fake://" + newest->id) violated(about + entry.containerid() + ", not " + newest->id);
    if (entry.restartcount() < static_cast<std::int32_t>(newest->attempt)) {
      violated(about + "restarted " + std::to_string(entry.restartcount()) + " times, not " +
               std::to_string(newest->attempt));
    }
    if (is_terminal(shown)) violated(about + "running in a pod that has ended");
  }

  View view_;
};

}  // namespace

void add_end_invariants(View view, Invariants& all) {
  all.push_back(std::make_unique<NothingLeft>(view));
  all.push_back(std::make_unique<EndedIsStopped>(view));
  all.push_back(std::make_unique<ApiIsTrue>(view));
}

std::vector<std::unique_ptr<Invariant>> make_invariants(View view) {
  Invariants all;
  add_runtime_invariants(view, all);
  add_start_invariants(view, all);
  add_kill_invariants(view, all);
  add_status_invariants(view, all);
  add_control_invariants(view, all);
  add_end_invariants(view, all);
  return all;
}

}  // namespace keelson::sim
