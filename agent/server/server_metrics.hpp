// What /metrics tells of the server: requests by path, the certificates of clients, the calls that ask the API server.
//
// Plain values, the loop's thread; counted by the servers, the authenticator and the authorizer that share them.
// Source: contract 05 §12.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/clock.hpp"

namespace keelson::server {

template <std::size_t N>
struct Histogram {
  std::uint64_t count = 0;
  double sum = 0;                          // seconds
  std::array<std::uint64_t, N> buckets{};  // not cumulative; what is above the last bound is in `count` only

  void observe(double seconds, const std::array<double, N>& bounds) {
    ++count;
    sum += seconds;
    const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), seconds);
    if (bucket != bounds.end()) ++buckets[static_cast<std::size_t>(bucket - bounds.begin())];
  }
  void observe(base::Duration duration, const std::array<double, N>& bounds) {
    observe(std::chrono::duration<double>(duration).count(), bounds);
  }
};

struct ServerMetrics {
  static constexpr std::array<double, 11> kRequestBounds = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
  static constexpr std::array<double, 8> kReviewBounds = {.25, .5, .7, 1, 1.5, 3, 5, 10};
  static constexpr std::array<double, 14> kExpirationBounds = {
      0, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000};

  // kubelet_http_requests_total, kubelet_http_inflight_requests, kubelet_http_requests_duration_seconds
  struct RequestKind {
    std::string method;  // "other" when it is none of those that HTTP knows best
    std::string path;    // "exec", "metrics/cadvisor", "other"
    bool read_only = false;
    bool long_running = false;
    auto operator<=>(const RequestKind&) const = default;
  };
  struct Requests {
    std::uint64_t total = 0;
    std::uint64_t in_flight = 0;
    Histogram<kRequestBounds.size()> duration;
  };
  std::map<RequestKind, Requests> requests;

  // apiserver_client_certificate_expiration_seconds: what a certificate that was good had left
  Histogram<kExpirationBounds.size()> certificate_left;

  // apiserver_delegated_authn_*, apiserver_delegated_authz_*, by code: an HTTP status or "<error>"
  using Reviews = std::map<std::string, Histogram<kReviewBounds.size()>>;
  Reviews token_reviews;
  Reviews access_reviews;
};

}  // namespace keelson::server
