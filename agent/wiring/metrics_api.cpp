#include "agent/wiring/metrics_api.hpp"

#include "agent/metrics/add.hpp"

namespace keelson::agent {
namespace {

using metrics::add;
using metrics::add_counts;
using metrics::add_histogram;
using metrics::counter;
using metrics::gauge;
using metrics::histogram;
using metrics::Labels;
using metrics::Page;

constexpr char kReviewsHelp[] = "Number of HTTP requests partitioned by status code.";
constexpr char kReviewTimesHelp[] = "Request latency in seconds. Broken down by status code.";

template <class Histogram>
void merge(Histogram& into, const Histogram& from) {
  into.count += from.count;
  into.sum += from.sum;
  for (std::size_t i = 0; i < from.buckets.size(); ++i) into.buckets[i] += from.buckets[i];
}

kube::RequestMetrics sum_of(const std::vector<const kube::RequestMetrics*>& clients) {
  kube::RequestMetrics out;
  for (const auto* client : clients) {
    for (const auto& [labels, count] : client->requests) out.requests[labels] += count;
    for (const auto& [labels, count] : client->retries) out.retries[labels] += count;
    for (const auto& [labels, verb] : client->verbs) {
      auto& sum = out.verbs[labels];
      merge(sum.duration, verb.duration);
      merge(sum.rate_limiter, verb.rate_limiter);
      merge(sum.request_size, verb.request_size);
      merge(sum.response_size, verb.response_size);
    }
  }
  return out;
}

Labels request_labels(const server::ServerMetrics::RequestKind& kind) {
  return {{"method", kind.method},
          {"path", kind.path},
          {"server_type", kind.read_only ? "readonly" : "readwrite"},
          {"long_running", kind.long_running ? "true" : "false"}};
}

void collect_reviews(const std::string& prefix, const server::ServerMetrics::Reviews& reviews, Page& page) {
  auto& total = counter(page, prefix + "_request_total", kReviewsHelp);
  auto& durations = histogram(page, prefix + "_request_duration_seconds", kReviewTimesHelp);
  for (const auto& [code, one] : reviews) {
    const Labels labels{{"code", code}};
    total.add(labels, static_cast<double>(one.count));
    add_histogram(durations, labels, one);
  }
}

}  // namespace

std::string host_of(const std::string& server) {
  const auto scheme = server.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  return server.substr(begin, server.find('/', begin) - begin);
}

void collect_requests(const std::string& host, const std::vector<const kube::RequestMetrics*>& clients, Page& page) {
  const kube::RequestMetrics all = sum_of(clients);
  auto& requests = counter(page, "rest_client_requests_total",
                           "Number of HTTP requests, partitioned by status code, method, and host.");
  for (const auto& [labels, count] : all.requests) {
    requests.add({{"code", labels[0]}, {"method", labels[1]}, {"host", host}}, static_cast<double>(count));
  }
  auto& retries = counter(page, "rest_client_request_retries_total",
                          "Number of request retries, partitioned by status code, verb, and host.");
  for (const auto& [labels, count] : all.retries) {
    retries.add({{"code", labels[0]}, {"verb", labels[1]}, {"host", host}}, static_cast<double>(count));
  }
  auto& durations = histogram(page, "rest_client_request_duration_seconds",
                              "Request latency in seconds. Broken down by verb, and host.");
  auto& limiter = histogram(page, "rest_client_rate_limiter_duration_seconds",
                            "Client side rate limiter latency in seconds. Broken down by verb, and host.");
  auto& request_sizes =
      histogram(page, "rest_client_request_size_bytes", "Request size in bytes. Broken down by verb and host.");
  auto& response_sizes =
      histogram(page, "rest_client_response_size_bytes", "Response size in bytes. Broken down by verb and host.");
  for (const auto& [labels, verb] : all.verbs) {
    const Labels own{{"verb", labels[0]}, {"host", host}};
    const auto put = [&](metrics::Family& family, const auto& one) {
      if (one.count > 0) add_histogram(family, own, one);
    };
    put(durations, verb.duration);
    put(limiter, verb.rate_limiter);
    put(request_sizes, verb.request_size);
    put(response_sizes, verb.response_size);
  }
}

void collect_certificates(const kube::CertificateManager* client, const kube::CertificateManager* server,
                          const Cluster::RotationAges& rotations, Page& page) {
  if (client != nullptr) {
    add(gauge(page, "kubelet_certificate_manager_client_ttl_seconds",
              "Gauge of the TTL (time-to-live) of the Kubelet's client certificate. The value is in seconds until "
              "certificate expiry (negative if already expired). If client certificate is invalid or unused, the value "
              "will be +INF."),
        client->ttl_seconds());
    add(counter(page, "kubelet_certificate_manager_client_expiration_renew_errors",
                "Counter of certificate renewal errors."),
        client->renew_errors());
  }
  if (server != nullptr) {
    add(gauge(page, "kubelet_certificate_manager_server_ttl_seconds",
              "Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in seconds "
              "until certificate expiry (negative if already expired). If serving certificate is invalid or unused, "
              "the value will be +INF."),
        server->ttl_seconds());
    add(counter(page, "kubelet_server_expiration_renew_errors", "Counter of certificate renewal errors."),
        server->renew_errors());
    add_histogram(histogram(page, "kubelet_certificate_manager_server_rotation_seconds",
                            "Histogram of the number of seconds the previous certificate lived before being rotated."),
                  {}, rotations);
  }
}

void collect_status_sync(const StatusWriter::SyncDurations& durations, Page& page) {
  add_histogram(histogram(page, "kubelet_pod_status_sync_duration_seconds",
                          "Duration in seconds to sync a pod status update. Measures time from detection of a change "
                          "to pod status until the API is successfully updated for that pod, even if multiple "
                          "intevening changes to pod status occur."),
                {}, durations);
}

void collect_websockets(const base::CountsBy<1>& streams, Page& page) {
  add_counts<1>(counter(page, "kubelet_websocket_streaming_requests_total",
                        "Total number of WebSocket streaming requests received by the kubelet, by subresource."),
                {"subresource"}, streams);
}

void collect_server(const server::ServerMetrics& server, Page& page) {
  auto& total =
      counter(page, "kubelet_http_requests_total", "Number of the http requests received since the server started");
  auto& in_flight = gauge(page, "kubelet_http_inflight_requests", "Number of the inflight http requests");
  auto& durations =
      histogram(page, "kubelet_http_requests_duration_seconds", "Duration in seconds to serve http requests");
  for (const auto& [kind, requests] : server.requests) {
    const Labels labels = request_labels(kind);
    const auto& duration = requests.duration;
    total.add(labels, static_cast<double>(requests.total));
    in_flight.add(labels, static_cast<double>(requests.in_flight));
    if (duration.count == 0) continue;
    add_histogram(durations, labels, duration);
  }
  auto& certificates =
      histogram(page, "apiserver_client_certificate_expiration_seconds",
                "Distribution of the remaining lifetime on the certificate used to authenticate a request.");
  add_histogram(certificates, {}, server.certificate_left);
  collect_reviews("apiserver_delegated_authn", server.token_reviews, page);
  collect_reviews("apiserver_delegated_authz", server.access_reviews, page);
}

}  // namespace keelson::agent
