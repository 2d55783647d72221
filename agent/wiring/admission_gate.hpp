// AdmissionGate: gathers what admit() decides by, and carries out its answer.
//
// A refused pod gets its event and its final status. For a critical pod that lacks room, others are ended first and the
// pod waits; it is asked for again as each of them ends. A pod that only its affinity keeps out waits until the Node
// was read afresh: its labels may have changed just before the pod came. Pods count with what is allocated to them; a
// resize goes through the same checks with what it asks for. Owner: Agent. Thread: the loop. Source:
// contract 02 §13, §14.1.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/admission/admit.hpp"
#include "agent/admission/rejection.hpp"
#include "agent/allocation/resizes.hpp"
#include "agent/sync/events.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_workers.hpp"
#include "base/clock.hpp"
#include "base/counters.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

class AdmissionGate {
 public:
  using NodePtr = std::shared_ptr<const api::core::Node>;
  // Reads the Node from the server and calls back, with null when that failed; unset where there is no server.
  using ReadNode = std::function<void(std::function<void(NodePtr)>)>;

  // `node` gives the newest Node, or one as it would be registered; null when there is neither.
  static Result<std::unique_ptr<AdmissionGate>> create(base::Clock& clock, const config::Configuration& configuration,
                                                       const NodeFacts& facts, const std::string& kernel_version,
                                                       PodWorkers& workers, const Allocations& allocations,
                                                       EventRecorder& events, std::function<NodePtr()> node);

  PodAdmission ask(const api::PodPtr& pod);
  ResizeVerdict ask_resize(const api::PodPtr& pod);
  void read_node_by(ReadNode read) { read_node_ = std::move(read); }
  const RejectionCounters& rejections() const { return rejections_; }
  // Pods that were ended for others, by the resource that was short (kubelet_preemptions).
  const base::CountsBy<1>& preemptions() const { return preemptions_; }

 private:
  AdmissionGate(base::Clock& clock, PodWorkers& workers, const Allocations& allocations, EventRecorder& events,
                std::function<NodePtr()> node)
      : clock_(clock), workers_(workers), allocations_(allocations), events_(events), node_(std::move(node)) {}

  AdmissionDecision decide(const api::Pod& pod, const api::core::Node* node);
  std::vector<api::PodPtr> others(const api::Pod& pod) const;
  bool look_afresh(const std::string& uid);
  PodAdmission refuse(const api::Pod& pod, const Rejection& rejection);
  void push_out(const AdmissionDecision& answer);
  void push_out(const api::PodPtr& victim, const std::string& signal);

  base::Clock& clock_;
  PodWorkers& workers_;
  const Allocations& allocations_;
  EventRecorder& events_;
  std::function<NodePtr()> node_;
  ReadNode read_node_;
  // Pods whose affinity failed, and the Node as it was read for them (null while that is under way, or failed).
  std::map<std::string, std::optional<NodePtr>> fresh_;
  AdmissionFacts facts_;
  RejectionCounters rejections_;
  base::CountsBy<1> preemptions_;
};

}  // namespace keelson::agent
