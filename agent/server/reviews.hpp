// What asks the API server about users: TokenReviewer and AccessReviewer, which the wiring implements, and the retries.
//
// Thread: the loop. Stops: with the task that awaits. Source: contract 05 §3, §4 (retry), 05a (authentication.v1,
// authorization.v1).
#pragma once

#include <string>

#include "agent/server/server_metrics.hpp"
#include "api/proto/authentication_v1.pb.h"
#include "api/proto/authorization_v1.pb.h"
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::server {

using TokenReviewStatus = k8s::authentication::v1::TokenReviewStatus;
using AccessReviewSpec = k8s::authorization::v1::SubjectAccessReviewSpec;
using AccessReviewStatus = k8s::authorization::v1::SubjectAccessReviewStatus;

// POST of a TokenReview with spec.token alone. Errors as of kube::Client: code() is the HTTP status, if there was one.
class TokenReviewer {
 public:
  virtual ~TokenReviewer() = default;
  virtual base::Task<Result<TokenReviewStatus>> review(std::string token) = 0;
};

// POST of a SubjectAccessReview.
class AccessReviewer {
 public:
  virtual ~AccessReviewer() = default;
  virtual base::Task<Result<AccessReviewStatus>> review(AccessReviewSpec spec) = 0;
};

// Of one review, its retries included.
inline constexpr base::Duration kReviewLimit = std::chrono::seconds(30);

// A broken connection, 429, 5xx, no answer in time. A server that cannot be reached at all will not be so in a second.
bool may_retry_review(const Error& error);
// "201", "403", "<error>"
std::string review_code(const Error* error);

// The tries of one review: five, the first after 0.5 s, each pause half as long again, with a fifth of jitter.
class ReviewTries {
 public:
  ReviewTries(base::Clock& clock, base::Random& random, ServerMetrics::Reviews& metrics);

  // Before each try, and after it.
  void begin();
  void end(const Error* error);  // null: it went well
  // False: it is over with `error`. Else sleeps first.
  base::Task<bool> another(Error error);

 private:
  base::Clock& clock_;
  base::Random& random_;
  ServerMetrics::Reviews& metrics_;
  base::Backoff backoff_;
  base::SteadyTime begun_{};
  int tries_ = 0;
};

}  // namespace keelson::server
