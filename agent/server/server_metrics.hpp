// What /metrics tells of the server: requests by path, the certificates of clients, the calls that ask the API server.
//
// Plain values, the loop's thread; counted by the servers, the authenticator and the authorizer that share them.
// Source: contract 05 §12.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/counters.hpp"

namespace keelson::server {

// Upper bounds, in seconds.
inline constexpr std::array<double, 8> kReviewBounds{.25, .5, .7, 1, 1.5, 3, 5, 10};
inline constexpr std::array<double, 14> kExpirationBounds{0,      1800,   3600,   7200,    21600,   43200,    86400,
                                                          172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000};

struct ServerMetrics {
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
    base::Histogram<base::buckets::kDurations> duration;
  };
  std::map<RequestKind, Requests> requests;

  // apiserver_client_certificate_expiration_seconds: what a certificate that was good had left
  base::Histogram<kExpirationBounds> certificate_left;

  // apiserver_delegated_authn_*, apiserver_delegated_authz_*, by code: an HTTP status or "<error>"
  using Reviews = std::map<std::string, base::Histogram<kReviewBounds>>;
  Reviews token_reviews;
  Reviews access_reviews;
};

}  // namespace keelson::server
