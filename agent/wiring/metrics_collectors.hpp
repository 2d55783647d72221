// Which module's counts are on which page: /metrics, /metrics/probes, /metrics/slis.
//
// add_collectors() is called once, when all parts are there. Owner: the agent's wiring. Thread: the loop. Nothing
// fails; what a part of the page does not have, it leaves out. Source: contract 05 §12, §15.
#pragma once

#include <functional>

#include "agent/metrics/handler.hpp"
#include "agent/node_api/health.hpp"
#include "agent/server/server_metrics.hpp"
#include "agent/stats/sampler.hpp"
#include "agent/wiring/admission_gate.hpp"
#include "agent/wiring/cgroups_adapter.hpp"
#include "agent/wiring/cluster.hpp"
#include "agent/wiring/node_volumes.hpp"
#include "agent/wiring/pod_engine.hpp"
#include "config/configuration.hpp"
#include "cri-client/operation_metrics.hpp"

namespace keelson::agent {

// All of it outlives the pages.
struct MetricsSources {
  const config::Configuration& configuration;
  const NodeFacts& facts;
  PodEngine& engine;
  const cri::OperationMetrics& runtime;
  const CgroupsAdapter& cgroups;
  const AdmissionGate& admission;
  const RuntimeHooks& hooks;
  NodeVolumes& volumes;
  const server::ServerMetrics& server;
  node_api::HealthHandler& health;  // its counts are reset with the page of SLIs
  Cluster* cluster;                 // null: standalone
  // Whether the runtime was asked for its configuration and does not know that call.
  std::function<bool()> runtime_config_missing;
  const base::CountsBy<1>& websockets;  // streams by subresource
  const std::vector<stats::LogUse>& log_use;
};

struct MetricsPages {
  metrics::MetricsHandler& main;  // /metrics
  metrics::MetricsHandler& probes;
  metrics::MetricsHandler& slis;
};

void add_collectors(const MetricsPages& pages, const MetricsSources& sources);

}  // namespace keelson::agent
