// Looking at one pod: at most one task per pod, which lists (if asked), inspects, delivers, and goes on while there is
// reason.
#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/duration.hpp"
#include "pleg/pleg.hpp"

namespace keelson::pleg {

namespace asio = boost::asio;
using base::Task;

void Pleg::request_relist(const std::string& uid) { ask(uid, false); }
void Pleg::request_reinspect(const std::string& uid) { ask(uid, true); }

void Pleg::ask(const std::string& uid, bool sync) {
  const auto known = records_.find(uid);
  const bool queued = known != records_.end() && known->second.queued;
  if (!queued && queued_ >= options_.queue) {
    // The whole listing shows what the one-pod listing would have; only a pod_sync is lost.
    ++metrics_.discard_events;
    request_full_relist();
    return;
  }
  Record& record = records_[uid];
  record.sync_asked = record.sync_asked || sync;
  record.list_asked = true;
  if (!record.queued) {
    record.queued = true;
    ++queued_;
  }
  look_at(uid, record);
}

void Pleg::look_at(const std::string& uid, Record& record) {
  if (record.busy || gate_.stopping()) return;
  record.busy = true;
  base::spawn(gate_, "pleg look at " + uid, look(uid));
}

// Gives the place back when a call is slow, so that hanging pods cannot take all of them, and ends when it takes too
// long.
Task<void> Pleg::hold_place(std::shared_ptr<base::Semaphore::Permit> place) {
  co_await clock_.sleep_for(options_.slow_after);
  place->release();
  co_await clock_.sleep_for(options_.call_limit - options_.slow_after);
}

// Runs until a pass finds nothing to do. The record stays while `busy`.
Task<void> Pleg::look(std::string uid) {
  while (true) {
    Record& record = records_.at(uid);
    if (record.clean()) break;
    const base::SteadyTime began = clock_.steady_now();
    const bool asked = record.list_asked;
    if (asked) {
      const Status listed = co_await list_pod(uid);
      if (!listed.ok()) break;
    }
    const Status inspected = co_await inspect_pod(uid);
    if (asked) metrics_.pod_relist_duration.observe(clock_.steady_now() - began);
    if (!inspected.ok()) break;
  }
  records_.at(uid).busy = false;
  ring(records_.at(uid));
  forget_if_gone(uid);
}

Error Pleg::too_slow(const std::string& what) const {
  return Error(ErrorKind::deadline_exceeded, what + " took longer than " + base::format_duration(options_.call_limit));
}

Task<Status> Pleg::list_pod(std::string uid) {
  using namespace asio::experimental::awaitable_operators;
  auto permit = co_await places_.acquire();
  auto place = std::make_shared<base::Semaphore::Permit>(std::move(permit));
  {
    Record& record = records_.at(uid);
    record.list_asked = false;
    if (std::exchange(record.queued, false)) --queued_;
    record.dirty = true;  // asked for: inspect even if the list shows no change
  }
  const Look look{++looks_, clock_.steady_now()};
  auto race = lister_.list_pod(uid) || hold_place(place);
  auto winner = co_await std::move(race);
  Result<std::vector<Item>> listed = too_slow("listing the pod");
  if (winner.index() == 0) listed = std::get<0>(std::move(winner));
  if (!listed.ok()) {
    records_.at(uid).list_asked = true;
    failed(uid, listed.error(), look.number);
    co_return listed.error();
  }
  std::vector<const Item*> items;
  for (const Item& item : *listed) items.push_back(&item);
  std::sort(items.begin(), items.end(), [](const Item* a, const Item* b) { return a->id < b->id; });
  apply_pod(uid, records_.at(uid), items, look);
  co_return Ok{};
}

Task<Status> Pleg::inspect_pod(std::string uid) {
  using namespace asio::experimental::awaitable_operators;
  auto permit = co_await places_.acquire();
  auto place = std::make_shared<base::Semaphore::Permit>(std::move(permit));
  PodTarget target;
  std::vector<Transition> transitions;
  bool sync = false;
  Look listing{};
  {
    Record& record = records_.at(uid);
    target = PodTarget{uid, record.ns, record.name, record.items};
    listing = {record.listed, record.listed_at};
    transitions = std::exchange(record.pending, {});
    sync = std::exchange(record.sync_asked, false);
    record.dirty = false;
  }
  const std::uint64_t look = ++looks_;
  Result<Inspection> inspection = Inspection();
  if (!target.items.empty()) {
    auto race = lister_.inspect(target) || hold_place(place);
    auto winner = co_await std::move(race);
    inspection = too_slow("inspecting the pod");
    if (winner.index() == 0) inspection = std::get<0>(std::move(winner));
  }
  place->release();
  Record& record = records_.at(uid);
  if (!inspection.ok()) {
    // What happened meanwhile comes after what could not be told yet.
    record.pending.insert(record.pending.begin(), transitions.begin(), transitions.end());
    record.sync_asked = record.sync_asked || sync;
    record.dirty = true;
    failed(uid, inspection.error(), look);
    co_return inspection.error();
  }
  if (record.failures > 0)
    log_.info("Pod can be inspected again", {{"pod", record.ns + "/" + record.name}, {"uid", uid}});
  record.failures = 0;
  record.failure.reset();
  record.snapshot = Snapshot{std::move(*inspection), listing.began};
  record.inspected = listing.number;
  ring(record);
  deliver(uid, std::move(transitions), sync);
  co_return Ok{};
}

void Pleg::deliver(std::string uid, std::vector<Transition> transitions, bool sync) {
  const Record& record = records_.at(uid);
  PodEvent event{uid, record.ns, record.name, EventType::pod_sync, "", *record.snapshot};
  bool told = false;
  for (Transition& transition : transitions) {
    if (transition.type == EventType::container_changed) continue;
    event.type = transition.type;
    event.id = std::move(transition.id);
    told = true;
    if (listener_) listener_(event);
  }
  if (told || !sync) return;
  event.type = EventType::pod_sync;
  event.id.clear();
  if (listener_) listener_(event);
}

void Pleg::failed(const std::string& uid, Error error, std::uint64_t look) {
  Record& record = records_.at(uid);
  if (record.failures == 0) {
    log_.warning("Cannot inspect the pod, its last known state is kept",
                 {{"pod", record.ns + "/" + record.name}, {"uid", uid}, {"error", error}});
  }
  base::Duration delay = options_.first_retry;
  for (int i = 0; i < record.failures && delay < options_.last_retry; ++i) delay *= 2;
  ++record.failures;
  record.failure = std::move(error);
  record.failed = look;
  ring(record);
  // Somebody may have asked and failed meanwhile: one retry is enough.
  if (std::exchange(record.retry_planned, true)) return;
  base::spawn(gate_, "pleg retry " + uid, retry_later(uid, std::min(delay, options_.last_retry)));
}

Task<void> Pleg::retry_later(std::string uid, base::Duration delay) {
  co_await clock_.sleep_for(delay);
  const auto found = records_.find(uid);
  if (found == records_.end()) co_return;
  found->second.retry_planned = false;
  if (!found->second.clean()) look_at(uid, found->second);
}

void Pleg::ring(Record& record) {
  for (const auto& waiter : std::exchange(record.waiters, {})) waiter->cancel();
}

// A pod without sandboxes and containers leaves no record, once its removal was told.
void Pleg::forget_if_gone(const std::string& uid) {
  const auto found = records_.find(uid);
  if (found == records_.end()) return;
  const Record& record = found->second;
  if (record.items.empty() && record.clean() && !record.busy && record.awaited == 0 && record.planned == 0) {
    records_.erase(found);
  }
}

}  // namespace keelson::pleg
