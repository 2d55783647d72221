// TokenAuthenticator: who a bearer token belongs to, by asking the API server and remembering what it said.
//
// Both answers are kept for the TTL, under the token's SHA-256: tokens themselves are not. A failure to ask is not
// kept, nor is an answer with an error text, as in the kubelet. Requests with one token that is being asked about share
// the one call, which goes on when some of them give up. Owner: the wiring; outlives the Server. Thread: the loop.
// Stops: stop(), after the Server. What fails: the API server cannot be asked within 30 s. Source: contract 05 §3.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/events/lru_cache.hpp"
#include "agent/server/message.hpp"
#include "agent/server/reviews.hpp"
#include "agent/server/server_metrics.hpp"
#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "base/sync.hpp"

namespace keelson::server {

class TokenAuthenticator {
 public:
  static constexpr base::Duration kUsualTtl = std::chrono::minutes(2);
  static constexpr std::size_t kLongestToken = 64 << 10;  // longer ones are nobody's
  static constexpr std::size_t kMostLookups = 256;        // at once, of strangers too

  // `ttl`: authentication.webhook.cacheTTL; 0: nothing is kept.
  TokenAuthenticator(base::Loop& loop, base::Clock& clock, base::Random& random, TokenReviewer& reviewer,
                     base::Duration ttl, ServerMetrics& metrics);

  // Nothing: nobody's.
  base::Task<Result<std::optional<User>>> authenticate(std::string token);
  base::Task<void> stop();

 private:
  struct Answer {
    std::optional<User> user;
    base::SteadyTime good_until{};
  };
  struct Lookup {
    explicit Lookup(base::Loop& loop) : bell(loop) {}
    std::optional<Result<std::optional<User>>> outcome;
    base::Notification bell;
  };
  using Answers = agent::LruCache<std::string, Answer>;

  const Answer* remembered(const std::string& key);
  base::Task<void> look_up(std::string key, std::string token, std::shared_ptr<Lookup> lookup);
  base::Task<Result<std::optional<User>>> review(std::string token);

  base::Loop& loop_;
  base::Clock& clock_;
  base::Random& random_;
  TokenReviewer& reviewer_;
  base::Duration ttl_;
  ServerMetrics& metrics_;
  // Apart, so that somebody with many bad tokens does not push out the good ones.
  Answers good_{4096};
  Answers bad_{4096};
  std::map<std::string, std::shared_ptr<Lookup>> lookups_;
  base::Gate gate_;
};

}  // namespace keelson::server
