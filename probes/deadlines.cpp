#include "probes/deadlines.hpp"

#include <algorithm>

namespace keelson::probes {

Deadlines::Entries::iterator Deadlines::add(base::SteadyTime end, Limit* limit) {
  const auto place = entries_.emplace(end, limit);
  if (!sleeps_until_ || end < *sleeps_until_) {
    sleeps_until_ = end;
    base::spawn(gate_, "probe limits", watch(++generation_));
  }
  return place;
}

base::Task<void> Deadlines::watch(std::uint64_t generation) {
  while (!entries_.empty()) {
    const base::SteadyTime first = entries_.begin()->first;
    sleeps_until_ = first;
    co_await clock_.sleep_until(first);
    if (generation != generation_) co_return;
    const base::SteadyTime now = clock_.steady_now();
    while (!entries_.empty() && entries_.begin()->first <= now) {
      Limit* limit = entries_.begin()->second;
      entries_.erase(entries_.begin());
      limit->end();
    }
  }
  sleeps_until_.reset();
}

Limit::Limit(Deadlines& deadlines, base::Duration limit) : deadlines_(deadlines) {
  if (limit > base::Duration::zero()) place_ = deadlines_.add(deadlines_.clock_.steady_now() + limit, this);
}

Limit::~Limit() {
  if (place_) deadlines_.entries_.erase(*place_);
}

base::Duration Limit::left() const {
  if (over_) return base::Duration::zero();
  if (!place_) return base::Duration::max();
  return std::max(base::Duration::zero(), (*place_)->first - deadlines_.clock_.steady_now());
}

void Limit::end() {
  place_.reset();
  over_ = true;
  boost::system::error_code ignored;
  if (socket_ != nullptr) socket_->cancel(ignored);
}

}  // namespace keelson::probes
