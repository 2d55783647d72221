// Families of /metrics about the API server: requests to it, certificates, statuses that were told, and who asks this
// node's own server.
//
// Each function copies one module's counts into a page. Thread: the loop, within a scrape. Nothing fails. Source:
// contract 05 §12.
#pragma once

#include <string>
#include <vector>

#include "agent/metrics/page.hpp"
#include "agent/server/server_metrics.hpp"
#include "agent/status/status_writer.hpp"
#include "agent/wiring/cluster.hpp"
#include "base/counters.hpp"
#include "kube-client/certificate_manager.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

// "https://10.0.0.1:6443/base" -> "10.0.0.1:6443", the label `host`.
std::string host_of(const std::string& server);
// Of all clients together.
void collect_requests(const std::string& host, const std::vector<const kube::RequestMetrics*>& clients,
                      metrics::Page& page);
// Each may be null: that certificate is not rotated.
void collect_certificates(const kube::CertificateManager* client, const kube::CertificateManager* server,
                          const Cluster::RotationAges& rotations, metrics::Page& page);
void collect_status_sync(const StatusWriter::SyncDurations& durations, metrics::Page& page);
void collect_server(const server::ServerMetrics& server, metrics::Page& page);
// Streams that came as WebSockets, by subresource: exec, attach, portforward.
void collect_websockets(const base::CountsBy<1>& streams, metrics::Page& page);

}  // namespace keelson::agent
