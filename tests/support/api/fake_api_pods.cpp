#include "tests/support/api/fake_api_pods.hpp"

#include <algorithm>
#include <array>

#include "api/json_codec.hpp"
#include "api/pod_defaults.hpp"
#include "api/pod_resources.hpp"
#include "api/time.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;

constexpr const char* kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr const char* kTokenMount = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::int64_t kTolerationSeconds = 300;
constexpr std::int64_t kTokenSeconds = 3607;

bool tolerates(const core::Pod& pod, std::string_view key) {
  return std::any_of(pod.spec().tolerations().begin(), pod.spec().tolerations().end(), [&](const auto& toleration) {
    const bool effect = toleration.effect().empty() || toleration.effect() == "NoExecute";
    return effect && (toleration.key().empty() || toleration.key() == key);
  });
}

void tolerate(core::Pod& pod, const char* key) {
  if (tolerates(pod, key)) return;
  auto& toleration = *pod.mutable_spec()->add_tolerations();
  toleration.set_key(key);
  toleration.set_operator_("Exists");
  toleration.set_effect("NoExecute");
  toleration.set_tolerationseconds(kTolerationSeconds);
}

void set_priority(core::PodSpec& spec) {
  if (!spec.has_priority()) {
    std::int32_t priority = 0;
    if (spec.priorityclassname() == "system-node-critical") priority = 2'000'001'000;
    if (spec.priorityclassname() == "system-cluster-critical") priority = 2'000'000'000;
    spec.set_priority(priority);
  }
  if (!spec.has_preemptionpolicy()) spec.set_preemptionpolicy("PreemptLowerPriority");
}

void set_service_account(core::PodSpec& spec) {
  if (spec.serviceaccountname().empty()) spec.set_serviceaccountname(spec.serviceaccount());
  if (spec.serviceaccountname().empty()) spec.set_serviceaccountname("default");
  spec.set_serviceaccount(spec.serviceaccountname());
}

api::Quantity quantity_in(const api::ResourceMessageMap& resources, const std::string& name) {
  const auto found = resources.find(name);
  return found == resources.end() ? api::Quantity() : api::Quantity::of(found->second);
}

struct Claims {
  bool any = false;        // some cpu or memory is asked for
  bool guaranteed = true;  // limits for both, and requests the same
};

void look_at(const core::ResourceRequirements& resources, Claims& claims) {
  for (const char* name : {"cpu", "memory"}) {
    const auto request = quantity_in(resources.requests(), name);
    const auto limit = quantity_in(resources.limits(), name);
    const bool has_limit = limit.milli_value() > 0;
    if (request.milli_value() > 0 || has_limit) claims.any = true;
    const bool same_request = resources.requests().count(name) == 0 || request.milli_value() == limit.milli_value();
    if (!has_limit || !same_request) claims.guaranteed = false;
  }
}

// Takes over from `before` what may change, so that the rest can be compared.
void allow_changes(const core::PodSpec& before, core::PodSpec& after) {
  for (int i = 0; i < std::min(before.containers_size(), after.containers_size()); ++i) {
    after.mutable_containers(i)->set_image(before.containers(i).image());
  }
  for (int i = 0; i < std::min(before.initcontainers_size(), after.initcontainers_size()); ++i) {
    after.mutable_initcontainers(i)->set_image(before.initcontainers(i).image());
  }
  after.clear_activedeadlineseconds();
  if (before.has_activedeadlineseconds()) after.set_activedeadlineseconds(before.activedeadlineseconds());
  *after.mutable_tolerations() = before.tolerations();
  *after.mutable_schedulinggates() = before.schedulinggates();
  // A negative grace may become one second.
  if (before.terminationgraceperiodseconds() < 0 && after.terminationgraceperiodseconds() == 1) {
    after.set_terminationgraceperiodseconds(before.terminationgraceperiodseconds());
  }
}

bool keeps_tolerations(const core::PodSpec& before, const core::PodSpec& after) {
  return std::all_of(before.tolerations().begin(), before.tolerations().end(), [&](const auto& old) {
    return std::any_of(after.tolerations().begin(), after.tolerations().end(), [&](const auto& kept) {
      return kept.key() == old.key() && kept.operator_() == old.operator_() && kept.value() == old.value() &&
             kept.effect() == old.effect();
    });
  });
}

ApiFailure forbidden_change(const api::Pod& pod, std::string detail) {
  api::ValidationError error;
  error.kind = api::ValidationError::Kind::forbidden;
  error.path = "spec";
  error.detail = std::move(detail);
  return invalid(*kind_of(core::Pod::descriptor()), pod.metadata().name(), {error});
}

}  // namespace

bool is_mirror(const api::Pod& pod) { return pod.metadata().annotations().count(kMirrorAnnotation) > 0; }

bool is_terminal(const api::Pod& pod) {
  return pod.status().phase() == "Failed" || pod.status().phase() == "Succeeded";
}

std::string qos_class_of(const api::Pod& pod) {
  Claims claims;
  if (pod.spec().has_resources()) {
    look_at(pod.spec().resources(), claims);
  } else {
    for (const auto& container : pod.spec().initcontainers()) look_at(container.resources(), claims);
    for (const auto& container : pod.spec().containers()) look_at(container.resources(), claims);
  }
  if (!claims.any) return "BestEffort";
  return claims.guaranteed ? "Guaranteed" : "Burstable";
}

void prepare_new_pod(api::Pod& pod) {
  api::set_pod_defaults(pod);
  if (!is_mirror(pod)) set_service_account(*pod.mutable_spec());
  set_priority(*pod.mutable_spec());
  tolerate(pod, "node.kubernetes.io/not-ready");
  tolerate(pod, "node.kubernetes.io/unreachable");
  pod.clear_status();
  pod.mutable_status()->set_phase("Pending");
  pod.mutable_status()->set_qosclass(qos_class_of(pod));
}

void mount_service_account(api::Pod& pod, const std::string& suffix) {
  if (is_mirror(pod)) return;
  auto& spec = *pod.mutable_spec();
  if (spec.has_automountserviceaccounttoken() && !spec.automountserviceaccounttoken()) return;
  const std::string name = "kube-api-access-" + suffix;
  bool used = false;
  const auto mount = [&](auto& container) {
    for (const auto& present : container.volumemounts()) {
      if (present.mountpath() == kTokenMount) return;
    }
    auto& added = *container.add_volumemounts();
    added.set_name(name);
    added.set_readonly(true);
    added.set_mountpath(kTokenMount);
    used = true;
  };
  for (auto& container : *spec.mutable_initcontainers()) mount(container);
  for (auto& container : *spec.mutable_containers()) mount(container);
  if (!used) return;
  auto& volume = *spec.add_volumes();
  volume.set_name(name);
  auto& projected = *volume.mutable_volumesource()->mutable_projected();
  projected.set_defaultmode(0644);
  auto& token = *projected.add_sources()->mutable_serviceaccounttoken();
  token.set_expirationseconds(kTokenSeconds);
  token.set_path("token");
  auto& root = *projected.add_sources()->mutable_configmap();
  root.mutable_localobjectreference()->set_name("kube-root-ca.crt");
  auto& item = *root.add_items();
  item.set_key("ca.crt");
  item.set_path("ca.crt");
  auto& downward = *projected.add_sources()->mutable_downwardapi()->add_items();
  downward.set_path("namespace");
  downward.mutable_fieldref()->set_apiversion("v1");
  downward.mutable_fieldref()->set_fieldpath("metadata.namespace");
}

Refusal check_pod_update(const api::Pod& before, const api::Pod& after) {
  core::PodSpec masked = after.spec();
  allow_changes(before.spec(), masked);
  if (!api::same(before.spec(), masked)) {
    return forbidden_change(
        after,
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
        "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
  }
  if (!keeps_tolerations(before.spec(), after.spec())) {
    return forbidden_change(after, "existing toleration can not be modified except its tolerationSeconds");
  }
  return std::nullopt;
}

std::int64_t deletion_grace(const api::Pod& pod, std::optional<std::int64_t> asked) {
  std::int64_t grace = 30;
  // Only the first request looks at the pod; a later one can but shorten what it was given.
  if (pod.metadata().has_deletiongraceperiodseconds()) {
    if (asked && *asked < 0) return 1;
    return asked.value_or(pod.metadata().deletiongraceperiodseconds());
  }
  if (asked) {
    grace = *asked;
  } else if (pod.spec().has_terminationgraceperiodseconds()) {
    grace = pod.spec().terminationgraceperiodseconds();
  }
  if (grace < 0) grace = 1;
  if (pod.spec().nodename().empty() || is_terminal(pod)) grace = 0;
  return grace;
}

bool shortens(const api::Pod& pod, std::int64_t grace) {
  return !pod.metadata().has_deletiongraceperiodseconds() || grace < pod.metadata().deletiongraceperiodseconds();
}

void mark_deleted(api::Pod& pod, std::int64_t grace, base::SystemTime now) {
  auto& meta = *pod.mutable_metadata();
  if (meta.has_deletiontimestamp()) {
    // The new end counts from the first request.
    const auto asked =
        api::to_system_time(meta.deletiontimestamp()) - std::chrono::seconds(meta.deletiongraceperiodseconds());
    *meta.mutable_deletiontimestamp() = api::make_time(asked + std::chrono::seconds(grace));
  } else {
    *meta.mutable_deletiontimestamp() = api::make_time(now + std::chrono::seconds(grace));
    if (meta.generation() > 0) meta.set_generation(meta.generation() + 1);
  }
  meta.set_deletiongraceperiodseconds(grace);
}

core::PodCondition& pod_condition(api::Pod& pod, const std::string& type) {
  for (auto& condition : *pod.mutable_status()->mutable_conditions()) {
    if (condition.type() == type) return condition;
  }
  auto& added = *pod.mutable_status()->add_conditions();
  added.set_type(type);
  return added;
}

}  // namespace keelson::fakes
