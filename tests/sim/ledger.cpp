#include "tests/sim/ledger.hpp"

#include <algorithm>

namespace keelson::sim {

bool is_mirror(const api::Pod& pod) { return pod.metadata().annotations().count("kubernetes.io/config.mirror") > 0; }

bool is_terminal(const api::Pod& pod) {
  return pod.status().phase() == "Failed" || pod.status().phase() == "Succeeded";
}

bool PodLife::any_running() const {
  return std::any_of(instances.begin(), instances.end(), [](const Instance& each) { return each.running(); });
}

const api::core::Container* PodLife::container(const std::string& wanted) const {
  for (const auto* list : {&pod.spec().containers(), &pod.spec().initcontainers()}) {
    for (const auto& entry : *list) {
      if (entry.name() == wanted) return &entry;
    }
  }
  return nullptr;
}

bool PodLife::cannot_be_told() const {
  return std::any_of(instances.begin(), instances.end(), [this](const Instance& each) {
    const api::core::Container* spec = container(each.name);
    const bool own = spec != nullptr && !spec->restartpolicy().empty();
    return each.forgotten && (own ? spec->restartpolicy() : pod.spec().restartpolicy()) != "Always";
  });
}

bool PodLife::may_restart_all() const {
  const auto& all = pod.spec().containers();
  return std::any_of(all.begin(), all.end(), [](const auto& container) {
    const auto& rules = container.restartpolicyrules();
    return std::any_of(rules.begin(), rules.end(),
                       [](const auto& rule) { return rule.action() == "RestartAllContainers"; });
  });
}

bool PodLife::is_init(const std::string& wanted) const {
  return std::any_of(pod.spec().initcontainers().begin(), pod.spec().initcontainers().end(),
                     [&](const auto& entry) { return entry.name() == wanted && entry.restartpolicy() != "Always"; });
}

bool PodLife::is_sidecar(const std::string& wanted) const {
  return std::any_of(pod.spec().initcontainers().begin(), pod.spec().initcontainers().end(),
                     [&](const auto& entry) { return entry.name() == wanted && entry.restartpolicy() == "Always"; });
}

const Instance* PodLife::before(const Instance& instance) const {
  const Instance* found = nullptr;
  for (const Instance& each : instances) {
    if (each.id == instance.id) return found;
    if (each.name == instance.name) found = &each;
  }
  return found;
}

Instance* PodLife::instance(const std::string& id) {
  const auto found =
      std::find_if(instances.begin(), instances.end(), [&](const Instance& each) { return each.id == id; });
  return found == instances.end() ? nullptr : &*found;
}

const Instance* PodLife::newest(const std::string& name) const {
  const auto found =
      std::find_if(instances.rbegin(), instances.rend(), [&](const Instance& each) { return each.name == name; });
  return found == instances.rend() ? nullptr : &*found;
}

PodLife* Ledger::find(const std::string& uid) {
  const auto found = pods_.find(uid);
  return found == pods_.end() ? nullptr : &found->second;
}

std::vector<PodLife*> Ledger::wanted() {
  std::vector<PodLife*> out;
  for (auto& [uid, pod] : pods_) {
    if (pod.wanted()) out.push_back(&pod);
  }
  return out;
}

void Ledger::on_runtime(const fakes::FakeCri::Happening& happening) {
  using Kind = fakes::FakeCri::Happening::Kind;
  const base::SteadyTime now = clock_.steady_now();
  if (happening.container == nullptr) {
    PodLife& pod = pods_[happening.sandbox->config.metadata.uid];
    if (happening.kind == Kind::sandbox_removed) {
      pod.sandboxes.erase(happening.sandbox->id);
    } else {
      pod.sandboxes[happening.sandbox->id] = happening.kind == Kind::sandbox_created;
    }
    return;
  }
  const fakes::FakeCri::Container& container = *happening.container;
  PodLife& pod = pods_[container.pod_uid];
  if (happening.kind == Kind::container_created) {
    Instance made;
    made.id = container.id;
    made.name = container.config.metadata.name;
    made.sandbox_id = container.sandbox_id;
    made.attempt = container.config.metadata.attempt;
    made.image = container.config.image.image;
    if (const auto hash = container.config.annotations.find("io.kubernetes.container.hash");
        hash != container.config.annotations.end()) {
      made.hash = hash->second;
    }
    made.agent = agents;
    made.created = now;
    pods_of_containers[made.id] = container.pod_uid;
    pod.instances.push_back(std::move(made));
    return;
  }
  Instance* instance = pod.instance(container.id);
  if (instance == nullptr) return;
  switch (happening.kind) {
    case Kind::container_started:
      instance->started = now;
      // Unless it is one that a pod which is being ended had asked for before.
      if (std::none_of(pod.instances.begin(), pod.instances.end(),
                       [](const Instance& each) { return each.stop_asked && each.running(); }))
        pod.kill_begun.reset();
      break;
    case Kind::stop_asked:
      if (!instance->stop_asked) instance->stop_asked = now;
      if (!pod.kill_begun) pod.kill_begun = now;
      instance->grace = happening.grace;
      break;
    case Kind::container_killed: instance->killed = true; break;
    case Kind::container_exited:
      instance->exited = now;
      instance->exit_code = container.exit_code;
      instance->reason = container.reason;
      if (!pod.any_running()) pod.kill_begun.reset();
      break;
    case Kind::container_removed:
      instance->removed = now;
      if (!pod.any_running()) pod.kill_begun.reset();
      break;
    default: break;
  }
}

void Ledger::on_api_pod(const std::string& type, const api::Pod& pod) {
  if (is_mirror(pod)) return;
  const base::SteadyTime now = clock_.steady_now();
  PodLife& life = pods_[pod.metadata().uid()];
  if (life.uid.empty()) {
    life.uid = pod.metadata().uid();
    life.name = pod.metadata().name();
    life.since = now;
    life.grace = pod.spec().has_terminationgraceperiodseconds() ? pod.spec().terminationgraceperiodseconds() : 30;
  }
  if (pod.status().has_starttime() && !life.start_shown) life.start_shown = now;
  if (pod.spec().activedeadlineseconds() != life.pod.spec().activedeadlineseconds()) life.edited = now;
  life.told_final = type == "DELETED" && life.ended && !life.deletion_asked;
  life.pod = pod;
  if (pod.metadata().has_deletiontimestamp()) {
    if (!life.deletion_asked) {
      life.deletion_asked = now;
      life.first_grace = pod.metadata().deletiongraceperiodseconds();
    }
    if (type != "DELETED" && pod.metadata().deletiongraceperiodseconds() > 0) {
      life.grace = pod.metadata().deletiongraceperiodseconds();
    }
  }
  if (is_terminal(pod) && !life.ended) life.ended = now;
  if (type == "DELETED") life.gone = life.left = now;
}

void Ledger::on_manifest(const api::Pod& pod) {
  PodLife& life = pods_[pod.metadata().uid()];
  life.uid = pod.metadata().uid();
  life.name = pod.metadata().name();
  life.is_static = true;
  life.pod = pod;
  if (life.gone) life.came_back = clock_.steady_now();
  life.gone.reset();
  life.grace = pod.spec().has_terminationgraceperiodseconds() ? pod.spec().terminationgraceperiodseconds() : 30;
  life.since = clock_.steady_now();
}

void Ledger::on_stop_sent(const std::string& container_id) {
  const auto uid = pods_of_containers.find(container_id);
  if (uid == pods_of_containers.end()) return;
  PodLife& pod = pods_[uid->second];
  // The grace period runs even if the runtime refuses.
  if (!pod.kill_begun) pod.kill_begun = clock_.steady_now();
  if (Instance* instance = pod.instance(container_id)) instance->stop_tried = true;
}

void Ledger::on_listing() {
  if (!first_listing) first_listing = clock_.steady_now();
}

void Ledger::on_probed(const probes::ProbeKey& key, bool success) {
  PodLife* pod = find(key.pod_uid);
  if (pod == nullptr || !success) return;
  for (Instance& instance : pod->instances) {
    if (instance.name != key.container || !instance.running()) continue;
    if (key.kind == probes::Kind::startup) instance.startup_succeeded = true;
    if (key.kind == probes::Kind::readiness) instance.readiness_succeeded = true;
  }
}

void Ledger::on_hook(const std::string& container_id, const std::vector<std::string>& command, bool begins) {
  const auto uid = pods_of_containers.find(container_id);
  if (uid == pods_of_containers.end() || command.empty()) return;
  PodLife& pod = pods_[uid->second];
  if (command.front() == kPreStop && begins && !pod.kill_begun) pod.kill_begun = clock_.steady_now();
  if (command.front() == kPostStart) pod.post_starts += begins ? 1 : -1;
}

void Ledger::on_agent_started(int number) {
  agents = number;
  agent_started = clock_.steady_now();
  first_listing.reset();
  for (auto& [uid, pod] : pods_) pod.post_starts = 0;
}

void Ledger::expect_forgotten(const std::string& uid, const std::string& name) {
  for (Instance& instance : pods_[uid].instances) {
    if (name.empty() || instance.name == name) instance.forgotten = true;
  }
}

void Ledger::on_manifest_gone(const std::string& uid) {
  if (PodLife* life = find(uid)) life->gone = life->left = clock_.steady_now();
}

}  // namespace keelson::sim
