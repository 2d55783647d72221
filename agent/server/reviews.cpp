#include "agent/server/reviews.hpp"

namespace keelson::server {
namespace {

constexpr int kMostTries = 5;
constexpr base::Duration kFirstPause = std::chrono::milliseconds(500);

}  // namespace

bool may_retry_review(const Error& error) {
  if (error.code() == 429 || error.code() >= 500) return true;
  return error.kind() == ErrorKind::maybe_applied || error.kind() == ErrorKind::deadline_exceeded;
}

std::string review_code(const Error* error) {
  if (error == nullptr) return "201";
  const bool is_http = error->code() >= 300 && error->code() < 600;
  return is_http ? std::to_string(error->code()) : "<error>";
}

ReviewTries::ReviewTries(base::Clock& clock, base::Random& random, ServerMetrics::Reviews& metrics)
    : clock_(clock), random_(random), metrics_(metrics), backoff_(kFirstPause, kReviewLimit, 1.5, 0.2) {}

void ReviewTries::begin() {
  ++tries_;
  begun_ = clock_.steady_now();
}

void ReviewTries::end(const Error* error) { metrics_[review_code(error)].observe(clock_.steady_now() - begun_); }

base::Task<bool> ReviewTries::another(Error error) {
  if (tries_ >= kMostTries || !may_retry_review(error)) co_return false;
  co_await clock_.sleep_for(backoff_.next(random_));
  co_return true;
}

}  // namespace keelson::server
