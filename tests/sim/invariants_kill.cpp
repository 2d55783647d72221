// Invariants of ends: grace periods, and that nothing is cut off that was not asked to stop.
#include <algorithm>

#include "tests/sim/invariants.hpp"

namespace keelson::sim {
namespace {

using Kind = fakes::FakeCri::Happening::Kind;

std::int64_t seconds_between(base::SteadyTime from, base::SteadyTime to) {
  return std::chrono::duration_cast<std::chrono::seconds>(to - from).count();
}

class HonoursGrace final : public Invariant {
 public:
  explicit HonoursGrace(View view)
      : Invariant("honours-grace",
                  "a process has the time to end that its pod, or who deletes it, gives it (contract 02 §5, §9)"),
        view_(view) {}

  void on_runtime(const fakes::FakeCri::Happening& happening) override {
    if (happening.kind != Kind::stop_asked && happening.kind != Kind::container_killed) return;
    const PodLife* pod = view_.ledger.find(happening.container->pod_uid);
    const Instance* instance = pod == nullptr ? nullptr : const_cast<PodLife*>(pod)->instance(happening.container->id);
    if (instance == nullptr || pod->uid.empty()) return;
    const std::string about = pod->name + "/" + instance->name + " (pod " + pod->uid + ")";
    const base::SteadyTime now = view_.world.timeline.now();
    if (happening.kind == Kind::container_killed) {
      // One whose start was given up, and took effect between the last look and the end of its sandbox.
      const bool just_started = instance->started && now - *instance->started < std::chrono::seconds(1);
      if (!instance->stop_tried && !just_started) violated(about + " is cut off without having been asked to stop");
      return;
    }
    const std::int64_t used = (pod->kill_begun ? seconds_between(*pod->kill_begun, now) : 0) + longest_sleep(*pod);
    const std::int64_t least = std::max<std::int64_t>(2, least_grace(*pod, instance->name) - used - 1);
    const std::int64_t most = std::max<std::int64_t>(2, most_grace(*pod, instance->name));
    if (happening.grace < least) {
      violated(about + " gets " + std::to_string(happening.grace) + " s to stop, not " + std::to_string(least));
    }
    if (happening.grace > most) {
      violated(about + " gets " + std::to_string(happening.grace) + " s to stop, more than " + std::to_string(most));
    }
  }

 private:
  static std::int64_t own_grace(const PodLife& pod) {
    const auto& spec = pod.pod.spec();
    return spec.has_terminationgraceperiodseconds() ? spec.terminationgraceperiodseconds() : 30;
  }

  static std::int64_t most_grace(const PodLife& pod, const std::string& name) {
    std::int64_t most = std::max({own_grace(pod), pod.grace, pod.first_grace});
    if (const auto* container = pod.container(name)) {
      for (const auto* probe : {&container->livenessprobe(), &container->startupprobe()}) {
        most = std::max(most, probe->terminationgraceperiodseconds());
      }
    }
    return most;
  }

  // The least that any reason to end it, as things are, would give.
  std::int64_t least_grace(const PodLife& pod, const std::string& name) const {
    if (pod.may_restart_all()) return 0;  // contract 02 §6.5: no grace then
    std::int64_t least = own_grace(pod);
    if (const auto* container = pod.container(name)) {
      for (const auto* probe : {&container->livenessprobe(), &container->startupprobe()}) {
        if (probe->has_terminationgraceperiodseconds()) least = std::min(least, probe->terminationgraceperiodseconds());
      }
    }
    if (pod.deletion_asked) least = std::min(least, pod.grace);
    // A pod that its agent finds without a source has one second: nothing is begun before the runtime was listed.
    // What was begun goes on when its manifest is put back.
    if (pod.left && (pod.gone || !began_since(*pod.came_back)) && orphaned(*pod.left))
      least = std::min<std::int64_t>(least, 1);
    return least;
  }

  // A preStop hook that sleeps does so inside of the agent: nobody sees it begin.
  static std::int64_t longest_sleep(const PodLife& pod) {
    std::int64_t longest = 0;
    for (const auto* list : {&pod.pod.spec().containers(), &pod.pod.spec().initcontainers()}) {
      for (const auto& container : *list)
        longest = std::max(longest, container.lifecycle().prestop().sleep().seconds());
    }
    return longest;
  }

  bool began_since(base::SteadyTime time) const {
    return view_.ledger.agent_started && *view_.ledger.agent_started > time;
  }

  // A pod that has left its source at that time may be one that its agent never knew.
  bool orphaned(base::SteadyTime left) const {
    // It may not have got to know the pod, if the API server or the runtime was in trouble since the agent's start.
    const Ledger& ledger = view_.ledger;
    if (ledger.agent_started && view_.world.calm_since() > *ledger.agent_started) return true;
    return !ledger.first_listing || *ledger.first_listing + std::chrono::seconds(30) >= left;
  }

  View view_;
};

}  // namespace

void add_kill_invariants(View view, Invariants& all) { all.push_back(std::make_unique<HonoursGrace>(view)); }

}  // namespace keelson::sim
