#include "kube-client/rate_limit.hpp"

#include <algorithm>

namespace keelson::kube {

RateLimit::RateLimit(base::Loop& loop, base::Clock& clock, double qps, int burst)
    : clock_(clock),
      qps_(qps),
      burst_(std::max(1, burst)),
      tokens_(burst_),
      filled_at_(clock.steady_now()),
      turn_(loop, 1) {}

void RateLimit::refill() {
  const base::SteadyTime now = clock_.steady_now();
  tokens_ = std::min(burst_, tokens_ + std::chrono::duration<double>(now - filled_at_).count() * qps_);
  filled_at_ = now;
}

base::Task<void> RateLimit::acquire() {
  if (qps_ <= 0) co_return;
  auto turn = co_await turn_.acquire();
  refill();
  if (tokens_ < 1) {
    const std::chrono::duration<double> wait((1 - tokens_) / qps_);
    const base::SteadyTime due = filled_at_ + std::chrono::ceil<base::Duration>(wait);
    co_await clock_.sleep_until(due);
    refill();
  }
  // Rounding must not make the one who waited for this token wait again.
  tokens_ = std::max(0.0, tokens_ - 1);
}

}  // namespace keelson::kube
