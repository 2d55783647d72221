#include "tests/support/api/fake_controllers.hpp"

#include "api/proto/coordination_v1.pb.h"
#include "api/time.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using Lease = k8s::coordination::v1::Lease;

core::Event scheduled_event(const api::Pod& pod, const std::string& node, base::SystemTime now) {
  core::Event event;
  event.mutable_metadata()->set_namespace_(pod.metadata().namespace_());
  event.mutable_metadata()->set_generatename(pod.metadata().name() + ".");
  auto& about = *event.mutable_involvedobject();
  about.set_apiversion("v1");
  about.set_kind("Pod");
  about.set_namespace_(pod.metadata().namespace_());
  about.set_name(pod.metadata().name());
  about.set_uid(pod.metadata().uid());
  event.set_type("Normal");
  event.set_reason("Scheduled");
  event.set_action("Binding");
  event.set_message("Successfully assigned " + pod.metadata().namespace_() + "/" + pod.metadata().name() + " to " +
                    node);
  event.mutable_source()->set_component("default-scheduler");
  event.set_reportingcomponent("default-scheduler");
  event.set_count(1);
  *event.mutable_firsttimestamp() = api::make_time(now);
  *event.mutable_lasttimestamp() = api::make_time(now);
  return event;
}

bool wants_a_node(const api::Pod& pod) {
  return pod.spec().nodename().empty() && pod.spec().schedulinggates().empty() &&
         !pod.metadata().has_deletiontimestamp() &&
         (pod.spec().schedulername().empty() || pod.spec().schedulername() == "default-scheduler");
}

bool set_not_ready(api::Pod& pod, base::SystemTime now) {
  for (auto& condition : *pod.mutable_status()->mutable_conditions()) {
    if (condition.type() != "Ready" || condition.status() == "False") continue;
    condition.set_status("False");
    *condition.mutable_lasttransitiontime() = api::make_time(now);
    return true;
  }
  return false;
}

}  // namespace

FakeControllers::FakeControllers(base::Loop& loop, FakeApi& api, base::Clock& clock, ControllerOptions options)
    : api_(api), clock_(clock), options_(options), gate_(loop), bell_(loop) {}

void FakeControllers::start() {
  api_.on_change([this](const std::string& type, const google::protobuf::Message& object) { notice(type, object); });
  notice_all();
  base::spawn(gate_, "controllers", work_loop(this));
  if (options_.nodes) base::spawn(gate_, "node monitor", monitor_loop(this));
}

base::Task<void> FakeControllers::stop() {
  api_.on_change({});
  co_await gate_.stop();
}

// --- What has changed

void FakeControllers::notice(const std::string& type, const google::protobuf::Message& object) {
  const auto* what = object.GetDescriptor();
  const bool gone = type == "DELETED";
  if (what == api::Pod::descriptor()) {
    const auto& pod = static_cast<const api::Pod&>(object);
    const Key key{pod.metadata().namespace_(), pod.metadata().name()};
    if (gone || !wants_a_node(pod)) {
      pending_.erase(key);
      return;
    }
    pending_.insert(key);
    try_pending_ = true;
  } else if (what == core::Node::descriptor()) {
    const auto& name = static_cast<const core::Node&>(object).metadata().name();
    (gone ? gone_nodes_ : changed_nodes_).insert(name);
    if (!gone) gone_nodes_.erase(name);
    try_pending_ = true;
  } else if (what == core::Namespace::descriptor() && !gone) {
    const auto& ns = static_cast<const core::Namespace&>(object);
    if (!ns.metadata().has_deletiontimestamp()) new_namespaces_.insert(ns.metadata().name());
  } else {
    return;
  }
  bell_.notify();
}

void FakeControllers::notice_all() {
  for (const auto& ns : api_.list<core::Namespace>()) notice("ADDED", ns);
  for (const auto& node : api_.list<core::Node>()) notice("ADDED", node);
  for (const auto& pod : api_.list<api::Pod>()) notice("ADDED", pod);
}

base::Task<void> FakeControllers::work_loop(FakeControllers* self) {
  for (;;) {
    co_await self->bell_.wait();
    self->work();
  }
}

void FakeControllers::work() {
  const auto namespaces = std::exchange(new_namespaces_, {});
  const auto nodes = std::exchange(changed_nodes_, {});
  const auto gone = std::exchange(gone_nodes_, {});
  if (options_.accounts) {
    for (const auto& ns : namespaces) make_accounts(ns);
  }
  if (options_.nodes) {
    for (const auto& node : nodes) taint(node);
    for (const auto& node : gone) collect(node);
  }
  if (options_.schedule && std::exchange(try_pending_, false)) schedule_pending();
}

// --- Scheduler

void FakeControllers::schedule_pending() {
  const auto keys = pending_;
  for (const auto& [ns, name] : keys) {
    const auto pod = api_.get<api::Pod>(ns, name);
    if (pod && wants_a_node(*pod)) bind(*pod);
  }
}

void FakeControllers::bind(const api::Pod& pod) {
  const auto nodes = api_.list<core::Node>();
  std::map<std::string, std::size_t> pods;
  if (nodes.size() > 1) {
    for (const auto& other : api_.list<api::Pod>()) ++pods[other.spec().nodename()];
  }
  std::string best;
  for (const auto& node : nodes) {
    const auto& name = node.metadata().name();
    if (fits(pod, node) && (best.empty() || pods[name] < pods[best])) best = name;
  }
  if (best.empty()) return;
  const auto& meta = pod.metadata();
  if (!api_.bind(meta.namespace_(), meta.name(), best).ok()) return;
  pending_.erase({meta.namespace_(), meta.name()});
  (void)api_.create(scheduled_event(pod, best, clock_.now()));
}

// --- Nodes

void FakeControllers::taint(const std::string& name) {
  auto node = api_.get<core::Node>("", name);
  if (node && set_condition_taints(*node, clock_.now())) (void)api_.update(*node);
}

base::Task<void> FakeControllers::monitor_loop(FakeControllers* self) {
  for (;;) {
    self->monitor();
    co_await self->clock_.sleep_for(self->options_.monitor_period);
  }
}

void FakeControllers::monitor() {
  const auto now = clock_.steady_now();
  for (const auto& node : api_.list<core::Node>()) {
    const auto& name = node.metadata().name();
    // A newer lease or a heartbeat of Ready is a sign of life.
    std::string sign;
    if (const auto lease = api_.get<Lease>("kube-node-lease", name)) {
      sign = api::format_time(lease->spec().renewtime());
    }
    for (const auto& condition : node.status().conditions()) {
      if (condition.type() == "Ready") sign += " " + api::format_time(condition.lastheartbeattime());
    }
    auto [beat, fresh] = heartbeats_.try_emplace(name);
    if (fresh || beat->second.seen != sign) {
      beat->second = {sign, now};
    } else if (now - beat->second.at > options_.monitor_grace) {
      give_up(name);
    }
  }
}

void FakeControllers::give_up(const std::string& name) {
  auto node = api_.get<core::Node>("", name);
  if (!node || !set_unknown(*node, clock_.now())) return;
  (void)api_.update_status(*node);
  for (auto& pod : api_.list<api::Pod>()) {
    if (pod.spec().nodename() == name && set_not_ready(pod, clock_.now())) (void)api_.update_status(pod);
  }
}

void FakeControllers::collect(const std::string& node) {
  heartbeats_.erase(node);
  for (const auto& pod : api_.list<api::Pod>()) {
    if (pod.spec().nodename() == node) {
      (void)api_.remove<api::Pod>(pod.metadata().namespace_(), pod.metadata().name(), 0);
    }
  }
}

// --- Accounts

void FakeControllers::make_accounts(const std::string& ns) {
  if (!api_.get<core::ServiceAccount>(ns, "default")) {
    core::ServiceAccount account;
    account.mutable_metadata()->set_namespace_(ns);
    account.mutable_metadata()->set_name("default");
    (void)api_.create(account);
  }
  if (!api_.get<core::ConfigMap>(ns, "kube-root-ca.crt")) {
    core::ConfigMap root;
    root.mutable_metadata()->set_namespace_(ns);
    root.mutable_metadata()->set_name("kube-root-ca.crt");
    (*root.mutable_metadata()->mutable_annotations())["kubernetes.io/description"] =
        "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
        "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
        "Kubernetes clusters.";
    (*root.mutable_data())["ca.crt"] = api_.ca_certificate();
    (void)api_.create(root);
  }
}

}  // namespace keelson::fakes
