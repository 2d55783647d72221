// What users ask for.
#include "api/json_codec.hpp"
#include "api/quantity.hpp"
#include "tests/sim/inputs.hpp"
#include "tests/sim/pod_maker.hpp"

namespace keelson::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kNames = 8;  // API pods that live at once, at most
constexpr char kControl[] = "control";
constexpr char kLate[] = "late";

}  // namespace

std::string Inputs::some_name() { return "pod-" + std::to_string(below(kNames)); }

std::optional<api::Pod> Inputs::some_api_pod() {
  const std::vector<api::Pod> all = world_.api.list<api::Pod>(kNamespace);
  std::vector<api::Pod> candidates;
  for (const api::Pod& pod : all) {
    const std::string& name = pod.metadata().name();
    if (!is_mirror(pod) && name != kControl && name != kLate) candidates.push_back(pod);
  }
  if (candidates.empty()) return std::nullopt;
  return candidates[below(candidates.size())];
}

void Inputs::create_pod() {
  const std::string name = some_name();
  if (world_.api.get<api::Pod>(kNamespace, name)) return;
  api::Pod pod = make_api_pod(name, random_);
  // An API server whose gate is off keeps no rules; one that has them for an agent that does not is allowed, too, but
  // for policies: it would take no status that contradicts them.
  if (!world_.gates.restart_rules) pod = gated(std::move(pod), world_.gates);
  auto made = world_.api.create(pod);
  if (!made.ok()) return tell("pod " + name + " is refused: " + made.error().message());
  tell("creates pod " + name + " " + made->metadata().uid());
}

void Inputs::delete_pod() {
  const std::string name = some_name();
  const auto pod = world_.api.get<api::Pod>(kNamespace, name);
  if (!pod || is_mirror(*pod)) return;
  std::optional<std::int64_t> grace;
  if (chance(30)) grace = static_cast<std::int64_t>(1 + below(60));
  tell("deletes pod " + name + (grace ? " with grace " + std::to_string(*grace) : ""));
  // Without a grace period the API server removes it at once.
  const bool at_once = grace.value_or(pod->spec().terminationgraceperiodseconds()) == 0;
  if (PodLife* life = ledger_.find(pod->metadata().uid()); life != nullptr && at_once) life->forced = true;
  (void)world_.api.remove<api::Pod>(kNamespace, name, grace).ok();
}

void Inputs::force_delete_pod() {
  const std::string name = some_name();
  const auto pod = world_.api.get<api::Pod>(kNamespace, name);
  if (!pod) return;
  tell("removes pod " + name + " by force");
  if (PodLife* life = ledger_.find(pod->metadata().uid())) life->forced = true;
  (void)world_.api.remove<api::Pod>(kNamespace, name, 0).ok();
}

void Inputs::write_manifest() { write_manifest_again("static-" + std::to_string(below(3)) + ".yaml"); }

void Inputs::write_manifest_again(const std::string& file) {
  const api::Pod pod = make_static_pod(file.substr(0, file.find('.')), random_);
  if (const auto before = world_.manifest_files.find(file); before != world_.manifest_files.end()) {
    ledger_.on_manifest_gone(before->second.metadata().uid());
  }
  world_.put_manifest(file, api::encode_json(pod));
  const api::Pod& read = world_.manifest_files.at(file);
  ledger_.on_manifest(gated(read, world_.gates));
  tell("writes manifest " + file + " " + read.metadata().uid());
  if (SimAgent* agent = control_.agent()) agent->manifests_changed();
}

void Inputs::remove_manifest() {
  if (world_.manifest_files.empty()) return;
  const auto found =
      std::next(world_.manifest_files.begin(), static_cast<std::ptrdiff_t>(below(world_.manifest_files.size())));
  ledger_.on_manifest_gone(found->second.metadata().uid());
  tell("removes manifest " + found->first);
  world_.manifest_files.erase(found);
  if (SimAgent* agent = control_.agent()) agent->manifests_changed();
}

// Out and in again under the same UID.
void Inputs::rewrite_same_manifest() {
  if (world_.manifest_files.empty()) return;
  const auto found =
      std::next(world_.manifest_files.begin(), static_cast<std::ptrdiff_t>(below(world_.manifest_files.size())));
  const std::string file = found->first;
  const api::Pod pod = found->second;
  ledger_.on_manifest_gone(pod.metadata().uid());
  tell("removes manifest " + file + " for a moment");
  world_.manifest_files.erase(found);
  if (SimAgent* agent = control_.agent()) agent->manifests_changed();
  control_.pass(1ms * below(5'000));
  tell("puts manifest " + file + " back");
  world_.manifest_files[file] = pod;
  ledger_.on_manifest(gated(pod, world_.gates));
  if (SimAgent* agent = control_.agent()) agent->manifests_changed();
}

// A second deletion, with another grace period: only a shorter one counts.
void Inputs::delete_again() {
  const auto pod = some_api_pod();
  if (!pod || !pod->metadata().has_deletiontimestamp()) return;
  const auto grace = static_cast<std::int64_t>(1 + below(30));
  tell("deletes pod " + pod->metadata().name() + " again with grace " + std::to_string(grace));
  (void)world_.api.remove<api::Pod>(kNamespace, pod->metadata().name(), grace).ok();
}

// What may be changed of a pod.
void Inputs::edit_pod() {
  auto pod = some_api_pod();
  if (!pod) return;
  std::string what;
  switch (below(3)) {
    case 0: {
      auto& container = *pod->mutable_spec()->mutable_containers(0);
      container.set_image("image:" + std::to_string(1 + below(3)));
      what = "image of " + container.name() + " to " + container.image();
      break;
    }
    case 1:
      (*pod->mutable_metadata()->mutable_labels())["edit"] = std::to_string(below(1000));
      what = "a label";
      break;
    default: {
      const std::int64_t now = pod->spec().activedeadlineseconds();
      if (now == 1) return;
      const std::int64_t limit = now > 0 ? now : 600;
      pod->mutable_spec()->set_activedeadlineseconds(
          1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(limit))));
      what = "activeDeadlineSeconds to " + std::to_string(pod->spec().activedeadlineseconds());
      break;
    }
  }
  tell("edits pod " + pod->metadata().name() + ": " + what);
  auto done = world_.api.update(*pod);
  if (!done.ok()) tell("which is refused: " + done.error().message());
}

// CPU and memory in place: more or less of what it has.
void Inputs::resize_pod() {
  auto pod = some_api_pod();
  if (!pod || is_terminal(*pod) || pod->metadata().has_deletiontimestamp()) return;
  const std::uint64_t percent = 30 + below(300);
  bool any = false;
  for (auto& container : *pod->mutable_spec()->mutable_containers()) {
    for (auto* map :
         {container.mutable_resources()->mutable_requests(), container.mutable_resources()->mutable_limits()}) {
      for (auto& [name, quantity] : *map) {
        const auto before = api::Quantity::parse(quantity.string());
        if (!before.ok()) continue;
        const bool cpu = name == "cpu";
        const std::int64_t now = cpu ? before->milli_value() : before->value() >> 20;
        const std::int64_t then = std::max<std::int64_t>(1, now * static_cast<std::int64_t>(percent) / 100);
        quantity.set_string(std::to_string(then) + (cpu ? "m" : "Mi"));
        any = true;
      }
    }
  }
  if (!any) return;
  ledger_.pod(pod->metadata().uid()).resized = true;
  tell("resizes pod " + pod->metadata().name() + " to " + std::to_string(percent) + "%");
  auto done = world_.api.update_sub(*pod, "resize");
  if (!done.ok()) tell("which is refused: " + done.error().message());
}

void Inputs::debug_pod() {
  auto pod = some_api_pod();
  if (!pod || pod->spec().ephemeralcontainers_size() > 1 || is_terminal(*pod)) return;
  auto& container = *pod->mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon();
  container.set_name("debug-" + std::to_string(pod->spec().ephemeralcontainers_size()));
  container.set_image("image:1");
  container.set_imagepullpolicy("IfNotPresent");
  container.set_terminationmessagepolicy("File");
  tell("debugs pod " + pod->metadata().name());
  auto done = world_.api.update_sub(*pod, "ephemeralcontainers");
  if (!done.ok()) tell("which is refused: " + done.error().message());
}

// A controller decides about a readiness gate.
void Inputs::set_gate() {
  auto pod = some_api_pod();
  if (!pod || pod->spec().readinessgates_size() == 0) return;
  const std::string type = pod->spec().readinessgates(0).conditiontype();
  const std::string value = chance(70) ? "True" : "False";
  api::core::PodCondition* condition = nullptr;
  for (auto& entry : *pod->mutable_status()->mutable_conditions()) {
    if (entry.type() == type) condition = &entry;
  }
  if (condition == nullptr) condition = pod->mutable_status()->add_conditions();
  condition->set_type(type);
  condition->set_status(value);
  tell("sets the readiness gate of pod " + pod->metadata().name() + " to " + value);
  (void)world_.api.update_status(*pod).ok();
}

void Inputs::write_config_map() {
  api::core::ConfigMap map;
  map.mutable_metadata()->set_name("settings");
  map.mutable_metadata()->set_namespace_(kNamespace);
  (*map.mutable_data())["key"] = std::to_string(below(1000));
  if (world_.api.get<api::core::ConfigMap>(kNamespace, "settings")) return;
  tell("writes ConfigMap settings");
  (void)world_.api.create(map).ok();
}

void Inputs::remove_config_map() {
  if (!world_.api.get<api::core::ConfigMap>(kNamespace, "settings")) return;
  tell("removes ConfigMap settings");
  (void)world_.api.remove<api::core::ConfigMap>(kNamespace, "settings").ok();
}

void Inputs::write_login() {
  api::core::Secret secret;
  secret.mutable_metadata()->set_name(kLogin);
  secret.mutable_metadata()->set_namespace_(kNamespace);
  secret.set_type("kubernetes.io/dockerconfigjson");
  (*secret.mutable_data())[".dockerconfigjson"] = R"({"auths":{"registry.test":{"auth":"c2ltOnNlY3JldA=="}}})";
  if (world_.api.get<api::core::Secret>(kNamespace, kLogin)) return;
  tell("writes Secret login");
  (void)world_.api.create(secret).ok();
}

void Inputs::remove_login() {
  if (!world_.api.get<api::core::Secret>(kNamespace, kLogin)) return;
  tell("removes Secret login");
  (void)world_.api.remove<api::core::Secret>(kNamespace, kLogin).ok();
}

void Inputs::grow_claim() {
  // One that is mounted, if there is one.
  std::vector<const char*> candidates;
  for (const char* name : kClaims) {
    if (world_.disk.node_volumes.shows(device_of(pv_of(name)))) candidates.push_back(name);
  }
  if (candidates.empty() || chance(20)) candidates.assign(kClaims.begin(), kClaims.end());
  const char* claim = candidates[below(candidates.size())];
  tell("wants more of claim " + std::string(claim));
  world_.disk.claims.ask_for_more(claim, static_cast<std::int64_t>(1 + below(3)));
  if (chance(50)) world_.disk.claims.control(claim);
}

void Inputs::control_claims() {
  for (const char* claim : kClaims) world_.disk.claims.control(claim);
}

// The control pod comes, or goes.
void Inputs::control_pod() {
  const auto present = world_.api.get<api::Pod>(kNamespace, kControl);
  if (present) {
    if (present->metadata().has_deletiontimestamp() || chance(50)) return;
    tell("deletes the control pod");
    (void)world_.api.remove<api::Pod>(kNamespace, kControl).ok();
    return;
  }
  auto made = world_.api.create(make_control_pod(kControl));
  KEELSON_CHECK(made.ok());
  ledger_.pod(made->metadata().uid()).control = true;
  tell("creates the control pod " + made->metadata().uid());
}

// A pod whose pull hangs comes, gets a deadline, and goes.
void Inputs::late_pod() {
  auto present = world_.api.get<api::Pod>(kNamespace, kLate);
  if (present && (is_terminal(*present) || present->spec().activedeadlineseconds() > 0)) {
    if (present->metadata().has_deletiontimestamp() || !is_terminal(*present)) return;
    tell("deletes the late pod");
    (void)world_.api.remove<api::Pod>(kNamespace, kLate).ok();
    return;
  }
  if (present) {
    present->mutable_spec()->set_activedeadlineseconds(static_cast<std::int64_t>(1 + below(60)));
    tell("gives the late pod " + std::to_string(present->spec().activedeadlineseconds()) + " s");
    (void)world_.api.update(*present).ok();
    return;
  }
  if (quiet_) return;
  world_.cri.images.erase(kHangingImage);
  fakes::FakeFault fault;
  fault.call = "pull_image";
  fault.about = kHangingImage;
  fault.kind = fakes::FakeFault::Kind::hangs;
  world_.cri.inject(fault);
  auto made = world_.api.create(make_late_pod(kLate));
  KEELSON_CHECK(made.ok());
  ledger_.pod(made->metadata().uid()).late = true;
  tell("creates the late pod " + made->metadata().uid());
}

void Inputs::end_control() {
  const auto present = world_.api.get<api::Pod>(kNamespace, kControl);
  if (present && world_.cri.end_process(present->metadata().uid(), "main", 1))
    tell("ends the process of the control pod");
}

}  // namespace keelson::sim
