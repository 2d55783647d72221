// TokenCache: service account tokens for pods, asked from the API server and kept in memory until they grow old.
//
// A token is asked for anew when a day or four fifths of its life have passed (up to nine seconds earlier, at random);
// while that fails, the old one serves as long as it is valid. Expired ones are dropped, at most once a minute, and
// those of a pod by forget_pod(). Tokens are never logged, nor do they appear in errors. Owner: the agent's wiring.
// Thread: the loop. Stops: with the tasks that await it. Errors: those of the request, with what could not be had.
// Source: contract 04 §9, contract 01 §9 (token request).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/proto/authentication_v1.pb.h"
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

struct TokenQuery {
  std::string ns;
  std::string service_account;
  std::vector<std::string> audiences;  // none: the API server's own
  std::int64_t expiration_seconds = 3600;
  std::string pod_name;
  std::string pod_uid;
  auto operator<=>(const TokenQuery&) const = default;
};

struct ServiceToken {
  std::string token;
  base::SystemTime expires{};
  // Not before this time will another one come; when to write the file again.
  base::SystemTime renew_at{};
};

// When a token of that age should be replaced, `early` before it is due.
base::SystemTime renewal_time(base::SystemTime expires, std::chrono::seconds lifetime, std::chrono::seconds early);

class TokenCache {
 public:
  TokenCache(kube::Client& client, base::Random& random, base::Logger log);

  base::Task<Result<ServiceToken>> token(TokenQuery query);
  // A projected volume of that pod was unmounted, or the pod is gone.
  void forget_pod(const std::string& pod_uid);
  std::size_t size() const { return tokens_.size(); }

 private:
  struct Held {
    std::string token;
    base::SystemTime expires{};
    std::chrono::seconds lifetime{};
  };

  base::Task<Result<k8s::authentication::v1::TokenRequest>> ask(TokenQuery query);
  bool is_due(const Held& held);
  void drop_expired();
  void complain(const TokenQuery& query, const Error& error) const;
  static ServiceToken answer(const Held& held);

  kube::Client& client_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  std::map<TokenQuery, Held> tokens_;
  base::SteadyTime last_sweep_{};
};

}  // namespace keelson::agent
