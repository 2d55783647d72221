#include "agent/wiring/admission_gate.hpp"

#include "base/file.hpp"

namespace keelson::agent {
namespace {

constexpr char kDisruption[] = "Pod was preempted by Kubelet to accommodate a critical pod.";

bool apparmor_enforced() {
  return base::read_file("/sys/module/apparmor/parameters/enabled", 64).value_or("").starts_with("Y");
}

bool is_over(const PodWorkers::Wanted& wanted, const PodWorker& worker) {
  return wanted.refused || worker.state() == WorkerState::finished || is_terminal(wanted.pod->status());
}

}  // namespace

Result<std::unique_ptr<AdmissionGate>> AdmissionGate::create(base::Clock& clock,
                                                             const config::Configuration& configuration,
                                                             const NodeFacts& facts, const std::string& kernel_version,
                                                             PodWorkers& workers, const Allocations& allocations,
                                                             EventRecorder& events, std::function<NodePtr()> node) {
  auto sysctls = SysctlAllowlist::create(configuration.kubelet.allowed_unsafe_sysctls, kernel_version);
  if (!sysctls.ok()) return sysctls.error().wrap("allowedUnsafeSysctls");
  std::unique_ptr<AdmissionGate> gate(new AdmissionGate(clock, workers, allocations, events, std::move(node)));
  gate->facts_.node_name = facts.node_name;
  gate->facts_.sysctls = std::move(*sysctls);
  gate->facts_.apparmor = apparmor_enforced();
  gate->facts_.pod_level_resources = configuration.gates.enabled("PodLevelResources");
  return gate;
}

std::vector<api::PodPtr> AdmissionGate::others(const api::Pod& pod) const {
  std::vector<api::PodPtr> out;
  // Both are in the order of UIDs. A pod without a worker was not admitted yet and takes no room.
  auto wanted = workers_.wanted().begin();
  for (const auto& [uid, worker] : workers_.workers()) {
    while (wanted != workers_.wanted().end() && wanted->first < uid) ++wanted;
    if (wanted == workers_.wanted().end()) break;
    if (wanted->first != uid || uid == pod.metadata().uid() || is_over(wanted->second, *worker)) continue;
    out.push_back(allocations_.allocated_pod(wanted->second.pod));
  }
  return out;
}

PodAdmission AdmissionGate::ask(const api::PodPtr& pod) {
  const std::string& uid = pod->metadata().uid();
  PodAdmission waits;
  waits.verdict = PodAdmission::Verdict::wait;
  const auto fresh = fresh_.find(uid);
  if (fresh != fresh_.end() && !fresh->second) return waits;
  const bool read_afresh = fresh != fresh_.end();
  const NodePtr node = read_afresh && *fresh->second != nullptr ? *fresh->second : node_();
  // After a new start of the agent the checkpoint says what the pod was granted.
  const AdmissionDecision answer = decide(*allocations_.allocated_pod(pod), node.get());
  if (answer.rejection && answer.only_affinity_failed && !read_afresh && look_afresh(uid)) return waits;
  fresh_.erase(uid);
  if (answer.rejection) return refuse(*pod, *answer.rejection);
  push_out(answer);
  return answer.victims.empty() ? PodAdmission() : waits;
}

AdmissionDecision AdmissionGate::decide(const api::Pod& pod, const api::core::Node* node) {
  facts_.features.clear();
  if (node != nullptr) {
    for (const auto& feature : node->status().declaredfeatures()) facts_.features.push_back(feature);
  }
  const std::vector<api::PodPtr> active = others(pod);
  const AdmissionInput input{pod, node, active, facts_};
  return admit(input);
}

ResizeVerdict AdmissionGate::ask_resize(const api::PodPtr& pod) {
  const NodePtr node = node_();
  const AdmissionDecision answer = decide(*pod, node.get());
  if (answer.rejection) return {ResizeVerdict::Kind::refused, answer.rejection->reason, answer.rejection->message};
  push_out(answer);
  return {answer.victims.empty() ? ResizeVerdict::Kind::accepted : ResizeVerdict::Kind::wait, "", ""};
}

PodAdmission AdmissionGate::refuse(const api::Pod& pod, const Rejection& rejection) {
  rejections_.count(rejection);
  events_.record(pod, {true, rejection.reason, rejection.message, ""});
  PodAdmission out;
  out.verdict = PodAdmission::Verdict::refused;
  out.refusal = rejected_status(pod, rejection, clock_.now());
  return out;
}

bool AdmissionGate::look_afresh(const std::string& uid) {
  if (!read_node_) return false;
  fresh_[uid] = std::nullopt;
  read_node_([this, uid](NodePtr node) {
    if (workers_.wanted().count(uid) == 0) {
      fresh_.erase(uid);
      return;
    }
    fresh_[uid] = std::move(node);
    workers_.look_again();
  });
  return true;
}

void AdmissionGate::push_out(const AdmissionDecision& answer) {
  for (const auto& victim : answer.victims) push_out(victim, answer.preemption_signal);
}

void AdmissionGate::push_out(const api::PodPtr& victim, const std::string& signal) {
  PodWorker* worker = workers_.worker(victim->metadata().uid());
  if (worker == nullptr || worker->termination()) return;
  ++preemptions_[{signal}];
  const std::string message(kPreemptingMessage);
  events_.record(*victim, {true, std::string(kPreemptingReason), message, ""});
  Termination termination{"a critical pod needs its room", std::nullopt,
                          ForcedEnd{"Failed", std::string(kPreemptingReason), message, kDisruption}};
  termination.evicts = true;
  worker->terminate(std::move(termination));
}

}  // namespace keelson::agent
