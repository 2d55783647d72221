// Families of /metrics about the node and what it stands on: the runtime, images, cgroups, admission, the version.
//
// Each function copies one module's counts into a page. Thread: the loop, within a scrape. Nothing fails. Source:
// contract 05 §12.
#pragma once

#include "agent/admission/rejection.hpp"
#include "agent/images/image_metrics.hpp"
#include "agent/images/pull_records.hpp"
#include "agent/metrics/page.hpp"
#include "agent/node/node_reporter.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/wiring/cgroups_adapter.hpp"
#include "base/counters.hpp"
#include "config/configuration.hpp"
#include "cri-client/operation_metrics.hpp"

namespace keelson::agent {

void collect_node(const NodeFacts& facts, metrics::Page& page);
void collect_version(const config::Configuration& configuration, metrics::Page& page);
void collect_runtime(const cri::OperationMetrics& metrics, metrics::Page& page);
// The runtime does not know RuntimeConfig, so that the next minor version will not work with it.
void collect_losing_support(metrics::Page& page);
void collect_images(const ImageMetrics& metrics, metrics::Page& page);
void collect_pull_records(const PullRecords& records, metrics::Page& page);
void collect_credential_plugins(const CredentialPluginMetrics& metrics, metrics::Page& page);
void collect_cgroups(const CgroupsAdapter::Durations& durations, metrics::Page& page);
void collect_credential_config(const std::string& hash, metrics::Page& page);
// By signer and state.
void collect_pod_certificates(const base::CountsBy<2>& states, metrics::Page& page);
// `late`: by reason, those that were refused after their admission.
void collect_admission(const RejectionCounters& rejections, base::CountsBy<1> late,
                       const base::CountsBy<1>& preemptions, metrics::Page& page);
// `booted`: when the machine was started.
void collect_startup(const NodeStartup& startup, base::SystemTime booted, base::SystemTime agent_started,
                     metrics::Page& page);

}  // namespace keelson::agent
