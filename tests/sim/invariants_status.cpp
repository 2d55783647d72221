// Invariants of what the API shows of pods.
#include <algorithm>
#include <map>

#include "tests/sim/invariants.hpp"

namespace keelson::sim {
namespace {

std::map<std::string, std::int32_t> restart_counts(const api::Pod& pod) {
  std::map<std::string, std::int32_t> out;
  const auto& status = pod.status();
  for (const auto* list :
       {&status.containerstatuses(), &status.initcontainerstatuses(), &status.ephemeralcontainerstatuses()}) {
    for (const auto& entry : *list) out[entry.name()] = entry.restartcount();
  }
  return out;
}

std::string path_of(const api::Pod& pod) { return pod.metadata().name() + " (" + pod.metadata().uid() + ")"; }

// By UID: the newest copy of each pod.
class Copies {
 public:
  // What was there before; null for the first.
  std::shared_ptr<const api::Pod> put(const std::string& type, const api::Pod& pod) {
    std::shared_ptr<const api::Pod>& place = copies_[pod.metadata().uid()];
    std::shared_ptr<const api::Pod> before = std::move(place);
    if (type == "DELETED") {
      copies_.erase(pod.metadata().uid());
    } else {
      place = std::make_shared<const api::Pod>(pod);
    }
    return before;
  }

 private:
  std::map<std::string, std::shared_ptr<const api::Pod>> copies_;
};

class TerminalStays final : public Invariant {
 public:
  explicit TerminalStays(View)
      : Invariant("terminal-stays", "Failed and Succeeded never change back (contract 02 §15.1)") {}
  void on_api_pod(const std::string& type, const api::Pod& pod) override {
    const auto before = copies_.put(type, pod);
    if (before == nullptr || !is_terminal(*before)) return;
    if (pod.status().phase() == before->status().phase()) return;
    violated(path_of(pod) + " went from " + before->status().phase() + " to " + pod.status().phase());
  }

 private:
  Copies copies_;
};

// Of a pod that is refused at admission nothing is said but that (contract 02 §4); by an agent that starts after a
// restart of the node, say, when a static pod has taken the room meanwhile.
bool is_refused(const api::Pod& pod) {
  const auto& status = pod.status();
  return status.phase() == "Failed" && !status.reason().empty() && status.containerstatuses().empty() &&
         status.initcontainerstatuses().empty();
}

class CountsRise final : public Invariant {
 public:
  explicit CountsRise(View)
      : Invariant("counts-rise", "restartCount and observedGeneration never fall (contract 02 §15.3, §15.4)") {}
  void on_api_pod(const std::string& type, const api::Pod& pod) override {
    const auto before = copies_.put(type, pod);
    if (before == nullptr || type == "DELETED") return;
    const auto old = restart_counts(*before);
    const auto now = restart_counts(pod);
    for (const auto& [name, count] : old) {
      const auto found = now.find(name);
      if (found == now.end()) {
        if (is_refused(pod)) continue;
        violated(path_of(pod) + " shows container " + name + " no more");
      } else if (found->second < count) {
        violated(path_of(pod) + " container " + name + " fell from " + std::to_string(count) + " restarts to " +
                 std::to_string(found->second));
      }
    }
    if (pod.status().observedgeneration() < before->status().observedgeneration()) {
      violated(path_of(pod) + " observedGeneration fell from " + std::to_string(before->status().observedgeneration()) +
               " to " + std::to_string(pod.status().observedgeneration()));
    }
  }

 private:
  Copies copies_;
};

class EndAfterStop final : public Invariant {
 public:
  explicit EndAfterStop(View view)
      : Invariant("end-after-stop",
                  "a terminal phase lets controllers start a replacement: nothing may run any more (contract 02 §11)"),
        view_(view) {}
  void on_api_pod(const std::string& type, const api::Pod& pod) override {
    const auto before = copies_.put(type, pod);
    const PodLife* life = view_.ledger.find(pod.metadata().uid());
    if (life == nullptr || !life->any_running()) return;
    if (is_terminal(pod) && before != nullptr && !is_terminal(*before)) {
      violated(path_of(pod) + " is shown as " + pod.status().phase() + " while it runs");
    }
    if (type == "DELETED" && !life->forced) violated(path_of(pod) + " is removed from the API while it runs");
  }

 private:
  View view_;
  Copies copies_;
};

class DeletedAfterAll final : public Invariant {
 public:
  explicit DeletedAfterAll(View view)
      : Invariant(
            "deleted-after-all",
            "the object goes when containers, volumes and cgroup have gone: its name is free then (contract 02 §11)"),
        view_(view) {}
  void on_api_pod(const std::string& type, const api::Pod& pod) override {
    const PodLife* life = view_.ledger.find(pod.metadata().uid());
    if (type != "DELETED" || life == nullptr || life->forced || life->told_final) return;
    const World& world = view_.world;
    if (world.disk.node_volumes.any_of(life->uid)) violated(path_of(pod) + " is deleted while volumes are mounted");
    if (world.disk.cgroups.groups.count(life->uid) > 0) violated(path_of(pod) + " is deleted while it has a cgroup");
    if (!is_terminal(pod)) violated(path_of(pod) + " is deleted while the API shows it as " + pod.status().phase());
  }

 private:
  View view_;
};

class ReadyRuns final : public Invariant {
 public:
  explicit ReadyRuns(View view)
      : Invariant("ready-runs",
                  "traffic goes to a pod that is Ready: all its containers must run, and have said that they are ready "
                  "(contract 02 §15.2)"),
        view_(view) {}
  void on_api_pod(const std::string&, const api::Pod& pod) override {
    bool ready = false;
    for (const auto& condition : pod.status().conditions()) {
      if (condition.type() == "Ready") ready = condition.status() == "True";
    }
    if (!ready) return;
    for (const auto& entry : pod.status().containerstatuses()) {
      if (!entry.state().has_running() || !entry.ready()) violated(path_of(pod) + " is Ready, but not " + entry.name());
    }
    if (pod.status().phase() != "Running") violated(path_of(pod) + " is Ready in phase " + pod.status().phase());
    for (const auto& entry : pod.spec().containers()) {
      const auto& shown = pod.status().containerstatuses();
      const bool there =
          std::any_of(shown.begin(), shown.end(), [&](const auto& each) { return each.name() == entry.name(); });
      if (!there) violated(path_of(pod) + " is Ready without showing " + entry.name());
      if (entry.has_readinessprobe()) probed(pod, entry.name());
    }
  }

 private:
  // The instance that is shown, which may be older than what runs now.
  void probed(const api::Pod& pod, const std::string& name) {
    PodLife* life = view_.ledger.find(pod.metadata().uid());
    for (const auto& entry : pod.status().containerstatuses()) {
      if (entry.name() != name || life == nullptr) continue;
      const auto slash = entry.containerid().rfind('/');
      const Instance* instance = life->instance(entry.containerid().substr(slash + 1));
      if (instance != nullptr && !instance->readiness_succeeded) {
        violated(path_of(pod) + " is Ready, though no readiness probe of " + name + " has succeeded");
      }
    }
  }

  View view_;
};

class EphemeralIsNeverReady final : public Invariant {
 public:
  explicit EphemeralIsNeverReady(View)
      : Invariant("ephemeral-never-ready", "a debug container is nothing that anybody waits for (contract 02 §6.6)") {}
  void on_api_pod(const std::string&, const api::Pod& pod) override {
    for (const auto& entry : pod.status().ephemeralcontainerstatuses()) {
      if (entry.ready() || entry.started()) violated(path_of(pod) + " shows " + entry.name() + " as ready");
    }
  }
};

}  // namespace

void add_status_invariants(View view, Invariants& all) {
  all.push_back(std::make_unique<TerminalStays>(view));
  all.push_back(std::make_unique<CountsRise>(view));
  all.push_back(std::make_unique<EndAfterStop>(view));
  all.push_back(std::make_unique<DeletedAfterAll>(view));
  all.push_back(std::make_unique<ReadyRuns>(view));
  all.push_back(std::make_unique<EphemeralIsNeverReady>(view));
}

}  // namespace keelson::sim
