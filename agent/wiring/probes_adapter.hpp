// ProbesAdapter: the probes of pods over probes/, and RuntimeCommands: their commands over the container runtime.
//
// It says which containers are probed (regular ones and sidecars), what each does now, and turns results into wake-ups
// of the pod's worker and failures into events. Owner: PodEngine. Thread: the loop. Stops: stop(). What fails: nothing
// to the outside. Source: contract 02 §3.3 (commands know literal variables only), §17, §22.2.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "agent/sync/events.hpp"
#include "agent/sync/pod_probes.hpp"
#include "cri-client/runtime.hpp"
#include "probes/network_transport.hpp"
#include "probes/probe_manager.hpp"

namespace keelson::agent {

class RuntimeCommands final : public probes::CommandRunner {
 public:
  explicit RuntimeCommands(cri::RuntimeService& runtime) : runtime_(runtime) {}
  base::Task<probes::CommandOutcome> run(std::string container_id, std::vector<std::string> command,
                                         std::chrono::seconds limit) override;

 private:
  cri::RuntimeService& runtime_;
};

class ProbesAdapter final : public PodProbes, private probes::ProbeListener {
 public:
  // `changed` is told which pod is to be looked at again.
  ProbesAdapter(base::Loop& loop, base::Clock& clock, base::Random& random, base::SystemTime agent_started,
                probes::Transport& transport, EventRecorder& events,
                std::function<void(const std::string& uid)> changed);
  base::Task<void> stop() { return manager_.stop(); }

  void start(const api::PodPtr& pod) override;
  void see(const api::Pod& pod, const ObservedPod& observed, const api::core::PodStatus& status) override;
  std::map<std::string, ProbeView> views(const api::Pod& pod) const override;
  void stop_restarting(const api::Pod& pod) override;
  void stop(const std::string& uid) override { manager_.end_all(uid); }
  void forget(const std::string& uid) override;

  std::vector<probes::ProbeMetrics> metrics() const { return manager_.metrics(); }

 private:
  void on_verdict(const probes::ProbeKey& key, probes::Verdict verdict) override;
  void on_event(const probes::ProbeKey& key, const std::string& reason, const std::string& message) override;

  EventRecorder& events_;
  std::function<void(const std::string&)> changed_;
  std::map<std::string, api::PodPtr> pods_;  // those with probes, by UID
  probes::ProbeManager manager_;
};

}  // namespace keelson::agent
