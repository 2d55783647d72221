// Invariants of what the runtime shows: what runs, and beside what.
#include <map>
#include <set>

#include "tests/sim/invariants.hpp"

namespace keelson::sim {
namespace {

using Kind = fakes::FakeCri::Happening::Kind;

class OneLiveInstance final : public Invariant {
 public:
  explicit OneLiveInstance(View view)
      : Invariant("one-live-instance",
                  "two instances of a container would fight over its volumes and ports (contract 02 §6)"),
        view_(view) {}

  void on_runtime(const fakes::FakeCri::Happening& happening) override {
    if (happening.kind == Kind::sandbox_created) return one_sandbox(happening);
    if (happening.kind != Kind::container_started) return;
    const PodLife* pod = view_.ledger.find(happening.container->pod_uid);
    const std::string& name = happening.container->config.metadata.name;
    int running = 0;
    for (const Instance& instance : pod->instances) running += instance.name == name && instance.running();
    if (running > 1)
      violated("container " + name + " of pod " + pod->name + " runs " + std::to_string(running) + " times");
  }

 private:
  void one_sandbox(const fakes::FakeCri::Happening& happening) {
    const PodLife* pod = view_.ledger.find(happening.sandbox->config.metadata.uid);
    int ready = 0;
    for (const auto& [id, is_ready] : pod->sandboxes) ready += is_ready;
    if (ready > 1) violated("pod " + pod->name + " has " + std::to_string(ready) + " ready sandboxes");
  }

  View view_;
};

class NamesakesApart final : public Invariant {
 public:
  explicit NamesakesApart(View view)
      : Invariant("namesakes-apart", "two static pods of one full name never run together (contract 02 §4.1)"),
        view_(view) {}

  void on_runtime(const fakes::FakeCri::Happening& happening) override {
    if (happening.kind != Kind::container_started) return;
    const PodLife* pod = view_.ledger.find(happening.container->pod_uid);
    if (pod == nullptr || !pod->is_static) return;
    for (const auto& [uid, other] : view_.ledger.pods()) {
      if (uid == pod->uid || other.name != pod->name || !other.is_static || !other.any_running()) continue;
      violated("pod " + pod->name + " runs as " + pod->uid + " and still as " + uid);
    }
  }

 private:
  View view_;
};

class RangesApart final : public Invariant {
 public:
  explicit RangesApart(View view)
      : Invariant(
            "ranges-apart",
            "two pods that share IDs of the host can read each other's files, and a pod whose range changes cannot "
            "read its own (contract 02 §2.3)"),
        view_(view) {}

  void on_runtime(const fakes::FakeCri::Happening& happening) override {
    if (happening.kind == Kind::sandbox_created) return given(*happening.sandbox);
    if (happening.kind == Kind::sandbox_removed) sandboxes_.erase(happening.sandbox->id);
  }

 private:
  struct Given {
    std::string uid;
    std::uint32_t first;
    int unmounts;
  };

  // A pod that has ended and lost its files gives back its range, though its sandbox is still there. It may even begin
  // anew: a static one whose manifest was put back, and any whose end its agent did not live to tell.
  bool holds(const Given& given) const { return unmounts(given.uid) == given.unmounts; }
  int unmounts(const std::string& uid) const {
    const auto& all = view_.world.disk.node_volumes.sweeps;
    const auto found = all.find(uid);
    return found == all.end() ? 0 : found->second;
  }

  void given(const fakes::FakeCri::Sandbox& sandbox) {
    const std::string& uid = sandbox.config.metadata.uid;
    const PodLife* pod = view_.ledger.find(uid);
    const std::optional<std::uint32_t> first = range_of(sandbox);
    const bool wanted = pod->pod.spec().has_hostusers() && !pod->pod.spec().hostusers();
    if (wanted != first.has_value()) violated("pod " + pod->name + " has " + (first ? "a" : "no") + " user namespace");
    if (!first) return;
    for (const auto& [id, other] : sandboxes_) {
      if (!holds(other)) continue;
      if (other.uid != uid && other.first == *first) violated("pods " + uid + " and " + other.uid + " share IDs");
      if (other.uid == uid && other.first != *first) violated("pod " + pod->name + " has other IDs than before");
    }
    sandboxes_[sandbox.id] = {uid, *first, unmounts(uid)};
  }

  static std::optional<std::uint32_t> range_of(const fakes::FakeCri::Sandbox& sandbox) {
    const auto& config = sandbox.config.linux_config;
    if (!config || !config->security_context || !config->security_context->namespace_options) return std::nullopt;
    const auto& users = config->security_context->namespace_options->userns_options;
    if (!users || users->uids.empty()) return std::nullopt;
    return users->uids.front().host_id;
  }

  View view_;
  std::map<std::string, Given> sandboxes_;  // by ID
};

class VolumesKept final : public Invariant {
 public:
  explicit VolumesKept(View view)
      : Invariant("volumes-kept",
                  "what runs keeps its volumes, and a volume of the node is staged before and longer than any pod has "
                  "it, and is as large as its claim says (contract 04 §16, §22, §24)"),
        view_(view) {}
  void after_step() override {
    const VolumesOnNode& volumes = view_.world.disk.node_volumes;
    if (!volumes.violations.empty()) violated(volumes.violations.front());
    const ClaimsOfCluster& claims = view_.world.disk.claims;
    if (!claims.violations.empty()) violated(claims.violations.front());
    if (std::exchange(losses_, volumes.losses) == volumes.losses) return;
    for (const auto& [uid, pod] : view_.ledger.pods()) {
      if (pod.any_running() && !volumes.all_of(pod.pod)) violated("pod " + pod.name + " " + uid + " runs without them");
    }
  }

 private:
  View view_;
  std::uint64_t losses_ = 0;
};

class RuntimeRules final : public Invariant {
 public:
  explicit RuntimeRules(View view)
      : Invariant("runtime-rules", "nothing may be asked of a runtime that destroys what runs (contract 02 §9, §20)"),
        view_(view) {}
  void on_runtime(const fakes::FakeCri::Happening&) override {
    if (!view_.world.cri.violations().empty()) violated(view_.world.cri.violations().front());
  }

 private:
  View view_;
};

}  // namespace

void add_runtime_invariants(View view, Invariants& all) {
  all.push_back(std::make_unique<OneLiveInstance>(view));
  all.push_back(std::make_unique<NamesakesApart>(view));
  all.push_back(std::make_unique<RangesApart>(view));
  all.push_back(std::make_unique<VolumesKept>(view));
  all.push_back(std::make_unique<RuntimeRules>(view));
}

}  // namespace keelson::sim
