// Invariants of starts: in the right order, allowed by the policy, not before their back-off is over.
#include <algorithm>
#include <map>

#include "tests/sim/invariants.hpp"

namespace keelson::sim {
namespace {

using Kind = fakes::FakeCri::Happening::Kind;
using namespace std::chrono_literals;

// Looks at each start of a container, with the pod and the instance.
class OnStart : public Invariant {
 public:
  OnStart(View view, std::string_view name, std::string_view reason) : Invariant(name, reason), view_(view) {}
  void on_runtime(const fakes::FakeCri::Happening& happening) final {
    if (happening.kind != Kind::container_started) return;
    PodLife* pod = view_.ledger.find(happening.container->pod_uid);
    const Instance* instance = pod == nullptr ? nullptr : pod->instance(happening.container->id);
    if (instance != nullptr) started(*pod, *instance);
  }

 protected:
  virtual void started(const PodLife& pod, const Instance& instance) = 0;
  static std::string about(const PodLife& pod, const Instance& instance) {
    return pod.name + "/" + instance.name + " #" + std::to_string(instance.attempt) + " (pod " + pod.uid + ")";
  }

  View view_;
};

class StartsInOrder final : public OnStart {
 public:
  explicit StartsInOrder(View view)
      : OnStart(view, "starts-in-order",
                "a container may use what it waits for: sandbox, volumes, cgroup, image, the init containers before it "
                "(contract 02 §3.6, §5.1, §6.2)") {}

 private:
  void started(const PodLife& pod, const Instance& instance) override {
    const World& world = view_.world;
    const auto sandbox = pod.sandboxes.find(instance.sandbox_id);
    if (sandbox == pod.sandboxes.end() || !sandbox->second) {
      violated(about(pod, instance) + " is started in a sandbox that is not ready");
    }
    if (!world.disk.node_volumes.all_of(pod.pod)) {
      violated(about(pod, instance) + " is started without its volumes");
    }
    if (world.disk.cgroups.groups.count(pod.uid) == 0) {
      violated(about(pod, instance) + " is started without the pod's cgroup");
    }
    if (world.disk.files.pods.count(pod.uid) == 0) {
      violated(about(pod, instance) + " is started without the pod's directory");
    }
    if (pod.post_starts > 0)
      violated(about(pod, instance) + " is started before the postStart hook of another has ended");
    inits_before(pod, instance);
  }

  // For the first start of that container in its sandbox; a later one need not wait again.
  void inits_before(const PodLife& pod, const Instance& instance) {
    const bool ephemeral = pod.container(instance.name) == nullptr;
    if (ephemeral) return;
    for (const Instance& other : pod.instances) {
      if (&other != &instance && other.sandbox_id == instance.sandbox_id && other.name == instance.name &&
          other.started)
        return;
    }
    for (const auto& init : pod.pod.spec().initcontainers()) {
      if (init.name() == instance.name) return;
      if (!is_done(pod, init, instance.sandbox_id)) {
        return violated(about(pod, instance) + " is started before " + init.name() + " is " +
                        (init.restartpolicy() == "Always" ? "started" : "done"));
      }
    }
  }

  static bool is_done(const PodLife& pod, const api::core::Container& init, const std::string& sandbox) {
    return std::any_of(pod.instances.begin(), pod.instances.end(), [&](const Instance& each) {
      if (each.name != init.name() || each.sandbox_id != sandbox || !each.started) return false;
      if (init.has_startupprobe()) return each.startup_succeeded;
      return init.restartpolicy() == "Always" || (each.exited && each.exit_code == 0);
    });
  }
};

class StartsByPolicy final : public OnStart {
 public:
  explicit StartsByPolicy(View view)
      : OnStart(
            view, "starts-by-policy",
            "what must stay dead is not restarted, and the pod of a terminal phase is over (contract 02 §6.4, §15.1)") {
  }

 private:
  void started(const PodLife& pod, const Instance& instance) override {
    if (pod.ended && !pod.is_static)
      violated(about(pod, instance) + " is started although the API shows the pod's end");
    const Instance* before = pod.before(instance);
    const api::core::Container* container = pod.container(instance.name);
    if (before == nullptr || before->forgotten || container == nullptr) return;
    if (!before->exited || before->hash != instance.hash) return;
    if (container->restartpolicyrules_size() > 0 || pod.may_restart_all()) return;
    // All was gone before its manifest came back: it begins anew.
    if (before->removed && pod.came_back && *pod.came_back > *before->exited) return;
    // Killed for a probe: the policy counts as if it had failed.
    const bool probed = before->stop_tried && (container->has_livenessprobe() || container->has_startupprobe());
    const bool failed = before->exit_code != 0 || probed;
    if (pod.is_init(instance.name)) {
      if (before->sandbox_id == instance.sandbox_id && !failed && before->reason != "OOMKilled") {
        violated(about(pod, instance) + " is an init container that was done");
      }
      if (before->sandbox_id != instance.sandbox_id) return;
    }
    std::string policy = container->restartpolicy();
    if (policy.empty()) policy = pod.pod.spec().restartpolicy();
    if (policy == "Never") violated(about(pod, instance) + " is restarted under policy Never");
    if (policy == "OnFailure" && !failed && before->reason != "OOMKilled")
      violated(about(pod, instance) + " is restarted although it succeeded");
  }
};

class ImageByLogin final : public OnStart {
 public:
  explicit ImageByLogin(View view)
      : OnStart(view, "image-by-login",
                "a private image runs only for who may pull it, even if it is on the node already (contract 02 §16)") {}

 private:
  void started(const PodLife& pod, const Instance& instance) override {
    const bool is_private = instance.image == std::string("sha256:") + kPrivateImage;
    // With the faults its privacy ends.
    if (!is_private || view_.faults_stopped() || pod.pod.spec().imagepullsecrets_size() > 0) return;
    violated(about(pod, instance) + " runs an image that it may not pull");
  }
};

class HonoursBackoff final : public OnStart {
 public:
  explicit HonoursBackoff(View view)
      : OnStart(view, "honours-backoff",
                "a container that crashes is not started again and again: 10 s, doubled up to 300 s (contract 02 §7)") {
  }

 private:
  struct Chain {
    int agent = 0;
    std::string image;
    base::Duration delay{};
    base::SteadyTime updated{};
  };

  void started(const PodLife& pod, const Instance& instance) override {
    Chain& chain = chains_[pod.uid + "/" + instance.name];
    // Each size has a back-off of its own, and which one a container was last started with is the agent's to know.
    if (pod.resized || pod.may_restart_all()) return;
    const Instance* before = pod.before(instance);
    // Removed before the next one (init containers before a new sandbox): the agent sees none that has exited.
    const bool by_itself =
        before != nullptr && before->exited && !before->removed && !before->stop_tried && !before->forgotten;
    if (chain.agent != view_.ledger.agents || chain.image != instance.image)
      chain = {view_.ledger.agents, instance.image};
    // Killed by the agent: whether that made an entry depends on what it saw when. The next one starts anew.
    if (!by_itself) {
      chain.delay = {};
      return;
    }
    const base::SteadyTime now = *instance.started;
    // Not only the exit counts: an entry that nobody has touched for ten minutes is dropped, exit or not, as when the
    // runtime was away for that long.
    const bool forgotten = *before->exited - chain.updated > 500s || now - chain.updated > 599s;
    if (chain.delay.count() == 0 || forgotten) {
      chain.delay = 10s;
    } else {
      // A jump of the system time makes an exit look up to 5 s older than it is.
      const bool jumped = view_.ledger.clock_jumped && *view_.ledger.clock_jumped >= *before->exited - 400s;
      const base::Duration slack = jumped ? base::Duration(6s) : base::Duration(100ms);
      if (now - *before->exited + slack < chain.delay) {
        violated(about(pod, instance) + " is started " + time_text(now - *before->exited) + " after its exit, not " +
                 time_text(chain.delay));
      }
      chain.delay = std::min<base::Duration>(chain.delay * 2, 300s);
    }
    chain.updated = now;
  }

  std::map<std::string, Chain> chains_;
};

}  // namespace

void add_start_invariants(View view, Invariants& all) {
  all.push_back(std::make_unique<StartsInOrder>(view));
  all.push_back(std::make_unique<StartsByPolicy>(view));
  all.push_back(std::make_unique<ImageByLogin>(view));
  all.push_back(std::make_unique<HonoursBackoff>(view));
}

}  // namespace keelson::sim
