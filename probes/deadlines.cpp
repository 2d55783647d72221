#include "probes/deadlines.hpp"

#include <algorithm>

namespace keelson::probes {

Deadlines::Deadlines(base::Loop& loop, base::Clock& clock)
    : clock_(clock), alarm_(loop, clock, "limits of probes", [this] { return end_those_due(); }) {}

Deadlines::Entries::iterator Deadlines::add(base::SteadyTime end, Limit* limit) {
  alarm_.set(end);
  return entries_.emplace(end, limit);
}

base::SteadyTime Deadlines::end_those_due() {
  const base::SteadyTime now = clock_.steady_now();
  while (!entries_.empty() && entries_.begin()->first <= now) {
    Limit* limit = entries_.begin()->second;
    entries_.erase(entries_.begin());
    limit->end();
  }
  return entries_.empty() ? base::SteadyTime::max() : entries_.begin()->first;
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
