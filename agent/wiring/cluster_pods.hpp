// ClusterPods: this node's pods as the API server has them, and what it is told of them.
//
// One watch brings the pods: those to run go to the workers, mirrors to MirrorPods, every copy to StatusWriter. What
// the workers tell comes back through sink(). Owner: Cluster, or a test. Thread: the loop. Stops: stop(), after the
// workers have stopped. Source: contract 02 §4, §4.2, §11, §15.5.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "agent/status/mirror_pods.hpp"
#include "agent/status/status_sink.hpp"
#include "agent/status/status_writer.hpp"
#include "agent/sync/pod_workers.hpp"
#include "agent/wiring/client_pod_api.hpp"
#include "kube-client/informer.hpp"

namespace keelson::agent {

class ClusterPods {
 public:
  ClusterPods(base::Loop& loop, base::Clock& clock, base::Random& random, kube::Client& client,
              const std::string& node_name, base::Logger log);

  StatusSink& sink() { return sink_; }
  StatusWriter& writer() { return writer_; }
  // The workers outlive this object's tasks. `gone` is called when a pod has left the API.
  void attach(PodWorkers& workers, std::function<void(const std::string& uid)> gone);
  // The node's pods may be read: the Node is there.
  void start(base::Gate& gate) { informer_.start(gate); }
  void on_node(std::shared_ptr<const api::core::Node> node) { mirrors_.on_node(std::move(node)); }
  base::Task<void> stop();

  // Why the pods cannot be watched; empty when all is well.
  const std::string& problem() const { return informer_.problem(); }
  // For the metrics.
  const StatusWriter& writer() const { return writer_; }
  std::size_t mirrors() const { return mirrors_.count(); }

 private:
  using Informer = kube::Informer<api::Pod>;

  // What the workers tell goes to the writer; static pods get mirrors as they are synced.
  class Sink final : public StatusSink {
   public:
    Sink(StatusWriter& writer, MirrorPods& mirrors) : writer_(writer), mirrors_(mirrors) {}
    void publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) override;
    void terminated(const api::PodPtr& pod, const api::core::PodStatus& status) override;
    void forget(const std::string& uid) override;
    std::optional<api::core::PodStatus> known(const api::Pod& pod) const override { return writer_.known_status(pod); }
    void added(const api::PodPtr& pod) override;
    void removed(const api::PodPtr& pod) override;
    void sources_ready() override { mirrors_.sources_ready(); }

   private:
    StatusWriter& writer_;
    MirrorPods& mirrors_;
  };

  void on_event(const Informer::Event& event);
  void on_removed(const api::Pod& pod);
  void on_synced();
  void add_own_annotations(api::Pod& pod);

  base::Clock& clock_;
  base::Logger log_;
  ClientPodApi api_;
  Informer informer_;
  StatusWriter writer_;
  MirrorPods mirrors_;
  Sink sink_;
  PodWorkers* workers_ = nullptr;
  std::function<void(const std::string&)> gone_;
  std::map<std::string, std::string> seen_;  // annotation config.seen by UID
};

}  // namespace keelson::agent
