// Invariants of the control pod: no fault is aimed at it, so it must live as if there were none.
//
// It is created, exits, is deleted; each must show in time, unless something that all pods share was in trouble then
// (World::calm_since()): one pod's faults never delay another beyond the shared limits. Source: the design's promises;
// contract 02 §5, §7.
#include "tests/sim/invariants.hpp"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

// A shared trouble is over, and its last call has come back: calls that hang are given up after two minutes, the watch
// of pods is tried again after 30 s at most, and a broken stream of events is made good by a listing after 300 s.
constexpr base::Duration kCalm = 10min;
constexpr base::Duration kPrompt = 3s;  // calls that are slow by chance take 300 ms each

class ControlIsPrompt final : public Invariant {
 public:
  explicit ControlIsPrompt(View view)
      : Invariant("control-is-prompt", "faults of one pod must not be felt by another (the design's second promise)"),
        view_(view) {}

  void after_step() override {
    for (const auto& [uid, pod] : view_.ledger.pods()) {
      if (pod.control) look_at(pod);
      if (pod.late) look_at_deadline(pod);
    }
  }

  void on_runtime(const fakes::FakeCri::Happening& happening) override {
    const PodLife* pod = happening.container == nullptr ? nullptr : view_.ledger.find(happening.container->pod_uid);
    if (pod == nullptr || !pod->control) return;
    if (happening.kind == fakes::FakeCri::Happening::Kind::container_started)
      look_at_start(*pod, happening.container->id);
  }

 private:
  bool calm(base::SteadyTime since) const {
    const base::SteadyTime calm = view_.world.calm_since();
    return calm != base::SteadyTime::max() && calm + kCalm < since;
  }

  void look_at(const PodLife& pod) {
    const base::SteadyTime now = view_.world.timeline.now();
    if (pod.instances.empty() && !pod.deletion_asked && now > pod.since + kPrompt && calm(pod.since)) {
      violated("pod " + pod.name + " is not started " + time_text(now - pod.since) + " after its creation");
    }
    if (pod.deletion_asked && !pod.gone) {
      const base::SteadyTime due = *pod.deletion_asked + std::chrono::seconds(pod.grace) + kPrompt;
      if (now > due && calm(*pod.deletion_asked)) {
        violated("pod " + pod.name + " is not gone " + time_text(now - *pod.deletion_asked) + " after its deletion");
      }
    }
  }

  // It ends in time, though its round waits for a pull that hangs. (Where the system time jumped, when it began is
  // another question.)
  void look_at_deadline(const PodLife& pod) {
    const std::int64_t seconds = pod.pod.spec().activedeadlineseconds();
    if (seconds == 0 || pod.ended || pod.gone || pod.deletion_asked || !pod.start_shown || !pod.edited) return;
    if (view_.ledger.clock_jumped) return;
    const base::SteadyTime begun = std::max(*pod.start_shown + std::chrono::seconds(seconds), *pod.edited);
    const base::SteadyTime now = view_.world.timeline.now();
    // If its pull went on after all, it has its grace period.
    const auto grace = std::chrono::seconds(pod.instances.empty() ? 0 : pod.grace);
    if (now > begun + grace + kPrompt && calm(*pod.edited)) {
      violated("pod " + pod.name + " is not shown as ended " + time_text(now - begun) + " after its deadline");
    }
  }

  // The first restart follows at once.
  void look_at_start(const PodLife& pod, const std::string& id) {
    const Instance* instance = const_cast<PodLife&>(pod).instance(id);
    const Instance* before = pod.before(*instance);
    if (instance->attempt != 1 || before == nullptr || !before->exited || !calm(*before->exited)) return;
    const base::Duration took = *instance->started - *before->exited;
    if (took > kPrompt) violated("pod " + pod.name + " was restarted only " + time_text(took) + " after its exit");
  }

  View view_;
};

}  // namespace

void add_control_invariants(View view, Invariants& all) { all.push_back(std::make_unique<ControlIsPrompt>(view)); }

}  // namespace keelson::sim
