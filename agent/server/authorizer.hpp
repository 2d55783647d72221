// Authorizer: whether a user may do what is asked, by asking the API server and remembering what it said.
//
// A request is about the subresources of this node that its path stands for; the first that is allowed opens it.
// Answers are kept by everything that was asked. When the API server cannot be asked, nobody is let in. Owner: the
// wiring; outlives the Server. Thread: the loop. Stops: with the task that awaits. Source: contract 05 §4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/events/lru_cache.hpp"
#include "agent/server/message.hpp"
#include "agent/server/reviews.hpp"
#include "agent/server/server_metrics.hpp"
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"

namespace keelson::server {

struct Authorization {
  std::string node_name;
  AccessReviewer* reviewer = nullptr;  // null: mode AlwaysAllow
  base::Duration allowed_ttl = std::chrono::minutes(5);
  base::Duration denied_ttl = std::chrono::seconds(30);
};

// "get", "create"...; empty for HEAD, OPTIONS and what else there is.
std::string_view verb_of(std::string_view method);
AccessReviewSpec review_spec(const User& user, std::string_view verb, std::string_view node,
                             std::string_view subresource);

class Authorizer {
 public:
  Authorizer(base::Clock& clock, base::Random& random, base::Logger log, Authorization options, ServerMetrics& metrics);

  // Nothing: it is allowed. Else what the client is told, 403 or 500. `path` is decoded.
  base::Task<std::optional<Response>> refusal(User user, std::string method, std::string path);

 private:
  struct Answer {
    bool allowed = false;
    base::SteadyTime good_until{};
  };

  base::Task<Result<bool>> is_allowed(AccessReviewSpec spec, bool keep);
  base::Task<Result<AccessReviewStatus>> review(AccessReviewSpec spec);

  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  Authorization options_;
  ServerMetrics& metrics_;
  agent::LruCache<std::string, Answer> answers_{8192};
};

}  // namespace keelson::server
