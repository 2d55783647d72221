#include "kube-client/watch_plan.hpp"

#include "kube-client/api_error.hpp"
#include "kube-client/resource_version.hpp"

namespace keelson::kube {
namespace {

bool is_refusal(const Error& error) { return error.code() == 400 || error.code() == 422; }

// An answer that came but made no sense, as opposed to an error status.
bool is_nonsense(const Error& error) { return error.kind() == ErrorKind::invalid && error.code() == 0; }

}  // namespace

WatchPlan::Step WatchPlan::step() const {
  if (have_set_) return Step::resume;
  return watch_list_ && !list_next_ ? Step::initial_events : Step::list;
}

std::string WatchPlan::version() const {
  if (from_empty_ && !have_set_) return {};
  return step() == Step::list && version_.empty() ? "0" : version_;
}

void WatchPlan::complete(std::string version) {
  version_ = std::move(version);
  have_set_ = true;
  from_empty_ = false;
  list_next_ = false;
}

void WatchPlan::advance(const std::string& version) {
  if (!version.empty() && !not_newer(version, version_)) version_ = version;
}

base::Duration WatchPlan::ended(const Round& round, base::SteadyTime now, base::Random& random) {
  const bool lived = round.lived > kShortLife;
  if (lived) at_once_ = 0;
  const bool turned = turn(round);
  const bool ran = (round.end == End::ended || round.end == End::cut) && (round.delivered || lived);
  if ((turned || ran) && may_go_at_once()) return base::Duration(0);
  return pause(now, random);
}

bool WatchPlan::turn(const Round& round) {
  if (have_set_) return round.end == End::failed && turn_resume(round.error);
  return turn_set(round);
}

bool WatchPlan::turn_resume(const Error& error) {
  if (is_expired(error)) {
    have_set_ = false;
    return true;
  }
  if (is_too_new(error) || is_refusal(error)) {
    have_set_ = false;
    from_empty_ = true;
    return is_too_new(error);
  }
  // What cannot be understood may be gone from a set; but the first time it may have been a damaged stream.
  if (is_nonsense(error)) {
    if (was_stuck_ && stuck_at_ == version_) have_set_ = false;
    was_stuck_ = true;
    stuck_at_ = version_;
  }
  return false;
}

bool WatchPlan::turn_set(const Round& round) {
  const bool listed = step() == Step::list;
  const bool failed = round.end == End::failed;
  if (failed && (is_expired(round.error) || is_too_new(round.error)) && !from_empty_ && !version_.empty()) {
    from_empty_ = true;
    return true;
  }
  if (listed) {
    list_next_ = false;
    return false;
  }
  if (failed && is_refusal(round.error)) {
    watch_list_ = false;
    return true;
  }
  // A stream that never says where its initial events end is an old server's; other trouble with them may be, too.
  list_next_ = round.end == End::silent || round.end == End::ended ||
               (failed && round.error.code() >= 410 && round.error.code() != 429);
  return list_next_ && !failed;
}

bool WatchPlan::may_go_at_once() {
  if (at_once_ >= kMostAtOnce) return false;
  ++at_once_;
  return true;
}

base::Duration WatchPlan::pause(base::SteadyTime now, base::Random& random) {
  if (now - paused_at_ > kForget) backoff_.reset();
  paused_at_ = now;
  return backoff_.next(random);
}

}  // namespace keelson::kube
