#include "tests/sim/pod_maker.hpp"

#include <algorithm>

#include "tests/sim/ledger.hpp"
#include "tests/sim/world.hpp"

namespace keelson::sim {
namespace {

std::uint64_t below(base::Random& random, std::uint64_t limit) { return random() % limit; }
bool chance(base::Random& random, int percent) { return below(random, 100) < static_cast<std::uint64_t>(percent); }

void fill(api::core::Container& container, const std::string& name, base::Random& random) {
  container.set_name(name);
  container.set_image("image:" + std::to_string(1 + below(random, 3)));
  static const char* const kPolicies[] = {"IfNotPresent", "IfNotPresent", "IfNotPresent", "Always", "Never"};
  container.set_imagepullpolicy(kPolicies[below(random, 5)]);
}

void add_probe(api::core::Probe& probe, base::Random& random, bool may_have_grace) {
  if (chance(random, 50)) {
    probe.mutable_handler()->mutable_exec()->add_command("probe");
  } else {
    auto& get = *probe.mutable_handler()->mutable_httpget();
    get.mutable_port()->set_type(0);
    get.mutable_port()->set_intval(8080);
  }
  probe.set_periodseconds(static_cast<std::int32_t>(1 + below(random, 10)));
  probe.set_timeoutseconds(static_cast<std::int32_t>(1 + below(random, 3)));
  probe.set_failurethreshold(static_cast<std::int32_t>(1 + below(random, 3)));
  if (chance(random, 30)) probe.set_initialdelayseconds(static_cast<std::int32_t>(below(random, 5)));
  if (may_have_grace && chance(random, 30)) {
    probe.set_terminationgraceperiodseconds(static_cast<std::int64_t>(1 + below(random, 10)));
  }
}

void add_probes(api::core::Container& container, base::Random& random) {
  if (chance(random, 15)) add_probe(*container.mutable_startupprobe(), random, true);
  if (chance(random, 20)) add_probe(*container.mutable_readinessprobe(), random, false);
  if (chance(random, 20)) add_probe(*container.mutable_livenessprobe(), random, true);
}

void add_hooks(api::core::Container& container, std::int64_t grace, base::Random& random) {
  if (chance(random, 12)) {
    auto& hook = *container.mutable_lifecycle()->mutable_poststart();
    if (chance(random, 70)) {
      hook.mutable_exec()->add_command(kPostStart);
    } else {
      hook.mutable_httpget()->mutable_port()->set_intval(8080);
    }
  }
  if (!chance(random, 20)) return;
  auto& hook = *container.mutable_lifecycle()->mutable_prestop();
  // A sleep longer than the grace period is refused.
  if (grace == 0 || chance(random, 70)) {
    hook.mutable_exec()->add_command(kPreStop);
  } else {
    hook.mutable_sleep()->set_seconds(std::min(grace, static_cast<std::int64_t>(1 + below(random, 5))));
  }
}

// contract 02 §6.5: its own policy, and rules for some exit codes.
void add_restart_rules(api::core::Container& container, bool may_restart_all, base::Random& random) {
  if (!chance(random, 12)) return;
  static const char* const kPolicies[] = {"Always", "OnFailure", "Never"};
  container.set_restartpolicy(kPolicies[below(random, 3)]);
  if (!chance(random, 60)) return;
  auto& rule = *container.add_restartpolicyrules();
  rule.set_action(may_restart_all && chance(random, 50) ? "RestartAllContainers" : "Restart");
  rule.mutable_exitcodes()->set_operator_(chance(random, 70) ? "In" : "NotIn");
  rule.mutable_exitcodes()->add_values(static_cast<std::int32_t>(below(random, 3)));
}

void add_resources(api::core::Container& container, base::Random& random) {
  if (!chance(random, 60)) return;
  const std::string cpu = std::to_string(20 + below(random, 400)) + "m";
  const std::string memory = std::to_string(16 + below(random, 200)) + "Mi";
  auto& resources = *container.mutable_resources();
  (*resources.mutable_requests())["cpu"].set_string(cpu);
  (*resources.mutable_requests())["memory"].set_string(memory);
  if (!chance(random, 50)) return;
  (*resources.mutable_limits())["cpu"].set_string(cpu);
  (*resources.mutable_limits())["memory"].set_string(memory);
}

void gate(api::core::Container& container, bool init, const Gates& gates) {
  auto& rules = *container.mutable_restartpolicyrules();
  for (int i = rules.size() - 1; i >= 0; --i) {
    const bool all = rules[i].action() == "RestartAllContainers";
    if (!gates.restart_rules || (all && !gates.restarts_all)) rules.DeleteSubrange(i, 1);
  }
  const bool sidecar = init && container.restartpolicy() == "Always";
  if (!gates.restart_rules && !sidecar) container.clear_restartpolicy();
}

api::Pod frame(const std::string& name, std::int64_t grace) {
  api::Pod pod;
  pod.mutable_metadata()->set_name(name);
  pod.mutable_metadata()->set_namespace_(kNamespace);
  auto& spec = *pod.mutable_spec();
  spec.set_dnspolicy("Default");
  spec.set_terminationgraceperiodseconds(grace);
  return pod;
}

void use_volume(api::core::PodSpec& spec, const std::string& name) {
  auto& mount = *spec.mutable_containers(0)->add_volumemounts();
  mount.set_name(name);
  mount.set_mountpath("/" + name);
}

api::Pod make_pod(const std::string& name, base::Random& random) {
  api::Pod pod = frame(name, static_cast<std::int64_t>(below(random, 40)));
  auto& spec = *pod.mutable_spec();
  static const char* const kPolicies[] = {"Always", "Always", "OnFailure", "Never"};
  spec.set_restartpolicy(kPolicies[below(random, 4)]);
  fill(*spec.add_containers(), "main", random);
  if (chance(random, 40)) fill(*spec.add_containers(), "second", random);
  for (auto& container : *spec.mutable_containers()) {
    add_probes(container, random);
    add_hooks(container, spec.terminationgraceperiodseconds(), random);
    add_resources(container, random);
    add_restart_rules(container, true, random);
  }
  for (const char* init : {"init-a", "init-b"}) {
    if (chance(random, 25)) fill(*spec.add_initcontainers(), init, random);
  }
  for (const char* sidecar : {"sidecar-a", "sidecar-b"}) {
    if (!chance(random, 20)) continue;
    auto& container = *spec.add_initcontainers();
    fill(container, sidecar, random);
    container.set_restartpolicy("Always");
    add_probes(container, random);
    add_hooks(container, spec.terminationgraceperiodseconds(), random);
  }
  if (chance(random, 10)) spec.set_hostnetwork(true);
  if (!spec.hostnetwork() && chance(random, 30)) spec.set_hostusers(false);
  if (chance(random, 10)) spec.set_activedeadlineseconds(static_cast<std::int64_t>(20 + below(random, 300)));
  if (chance(random, 30)) {
    auto& volume = *spec.add_volumes();
    volume.set_name("data");
    volume.mutable_volumesource()->mutable_emptydir();
    use_volume(spec, "data");
  }
  if (chance(random, 15)) {
    auto& volume = *spec.add_volumes();
    volume.set_name("scratch");
    volume.mutable_volumesource()->mutable_csi()->set_driver("sim");
    use_volume(spec, "scratch");
  }
  if (chance(random, 25)) {
    auto& volume = *spec.add_volumes();
    volume.set_name("claimed");
    volume.mutable_volumesource()->mutable_persistentvolumeclaim()->set_claimname(
        kClaims[below(random, kClaims.size())]);
    use_volume(spec, "claimed");
  }
  return pod;
}

// What needs an API server is not for manifests.
void keep_local_volumes(api::core::PodSpec& spec) {
  auto& volumes = *spec.mutable_volumes();
  auto& mounts = *spec.mutable_containers(0)->mutable_volumemounts();
  for (int i = volumes.size() - 1; i >= 0; --i) {
    if (volumes[i].volumesource().has_emptydir()) continue;
    volumes.DeleteSubrange(i, 1);
    mounts.DeleteSubrange(i, 1);
  }
}

}  // namespace

api::Pod gated(api::Pod pod, const Gates& gates) {
  for (auto& container : *pod.mutable_spec()->mutable_containers()) gate(container, false, gates);
  for (auto& container : *pod.mutable_spec()->mutable_initcontainers()) gate(container, true, gates);
  return pod;
}

api::Pod make_late_pod(const std::string& name) {
  api::Pod pod = make_control_pod(name);
  pod.mutable_spec()->mutable_containers(0)->set_image(kHangingImage);
  return pod;
}

api::Pod make_api_pod(const std::string& name, base::Random& random) {
  api::Pod pod = make_pod(name, random);
  auto& spec = *pod.mutable_spec();
  spec.set_nodename(kNode);
  if (chance(random, 15)) {
    auto& env = *spec.mutable_containers(0)->add_env();
    env.set_name("SETTING");
    auto& key = *env.mutable_valuefrom()->mutable_configmapkeyref();
    key.mutable_localobjectreference()->set_name("settings");
    key.set_key("key");
  }
  if (auto& container = *spec.mutable_containers(0); container.imagepullpolicy() != "Never" && chance(random, 15))
    container.set_image(kPrivateImage);
  if (chance(random, 20)) spec.add_imagepullsecrets()->set_name(kLogin);
  if (chance(random, 10)) spec.add_readinessgates()->set_conditiontype("example.com/ready");
  return pod;
}

api::Pod make_static_pod(const std::string& name, base::Random& random) {
  api::Pod pod = make_pod(name, random);
  keep_local_volumes(*pod.mutable_spec());
  (*pod.mutable_metadata()->mutable_labels())["version"] = std::to_string(random() % 1'000'000);
  return pod;
}

api::Pod make_control_pod(const std::string& name) {
  api::Pod pod = frame(name, 5);
  auto& spec = *pod.mutable_spec();
  spec.set_nodename(kNode);
  spec.set_restartpolicy("Always");
  auto& container = *spec.add_containers();
  container.set_name("main");
  container.set_image("image:1");
  container.set_imagepullpolicy("IfNotPresent");
  return pod;
}

}  // namespace keelson::sim
