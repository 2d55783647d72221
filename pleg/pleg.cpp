// Construction, the whole listing, health, and what others may ask. Looking at one pod is in look.cpp, the stream in
// stream.cpp.
#include "pleg/pleg.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>

#include "base/duration.hpp"

namespace keelson::pleg {

namespace asio = boost::asio;
using base::Task;

Pleg::Pleg(base::Loop& loop, base::Clock& clock, RuntimeLister& lister, base::Logger log, PlegOptions options)
    : loop_(loop),
      clock_(clock),
      lister_(lister),
      log_(std::move(log)),
      options_(options),
      gate_(loop),
      places_(loop, options.concurrency),
      relist_bell_(std::make_shared<asio::steady_timer>(loop.context(), base::SteadyTime::max())),
      stream_bell_(std::make_shared<asio::steady_timer>(loop.context(), base::SteadyTime::max())) {}

Pleg::~Pleg() = default;

void Pleg::start() {
  base::spawn(gate_, "pleg relist", relist_loop());
  base::spawn(gate_, "pleg events", event_loop());
}

Task<void> Pleg::stop() {
  co_await gate_.stop();
  for (auto& [uid, record] : records_) ring(record);
}

Task<void> Pleg::relist_loop() {
  while (true) {
    co_await relist();
    co_await wait_for_next_relist();
  }
}

Task<void> Pleg::relist() {
  const base::SteadyTime began = clock_.steady_now();
  const base::SystemTime began_system = clock_.now();
  if (relist_began_) metrics_.relist_interval.observe(began - *relist_began_);
  relist_began_ = began;
  const std::uint64_t look = ++looks_;
  auto listing = co_await base::with_timeout(clock_, options_.call_limit, lister_.list());
  metrics_.relist_duration.observe(clock_.steady_now() - began);
  std::string error;
  if (!listing) error = "no answer within " + base::format_duration(options_.call_limit);
  if (listing && !listing->ok()) error = listing->error().to_string();
  if (error.empty()) {
    relisted_ = began;
    relist_look_ = look;
    metrics_.last_seen = began_system;
    apply(**listing, {look, began});
    if (!relist_error_.empty()) runtime_is_back();
  } else if (error != relist_error_) {
    log_.warning("Cannot list pods in the container runtime", {{"error", error}});
  }
  relist_error_ = error;
}

// Till the period is over or somebody rings. Each pass sleeps at most until the end of the present mode's period.
Task<void> Pleg::wait_for_next_relist() {
  using namespace asio::experimental::awaitable_operators;
  const base::SteadyTime ended = clock_.steady_now();
  while (!relist_now_) {
    const base::SteadyTime due = ended + (evented_ ? options_.evented_relist_period : options_.relist_period);
    if (clock_.steady_now() >= due) break;
    boost::system::error_code ignored;
    auto either =
        clock_.sleep_until(due) || relist_bell_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_await std::move(either);
  }
  relist_now_ = false;
}

// What waits for its next try need not wait longer.
void Pleg::runtime_is_back() {
  log_.info("Pods can be listed again");
  for (auto& [uid, record] : records_) {
    if (!record.clean()) look_at(uid, record);
  }
  stream_errors_ = 0;
  stream_bell_->cancel();
}

void Pleg::request_full_relist() {
  relist_now_ = true;
  relist_bell_->cancel();
}

// Walks the listing and the records side by side, both in the order of UIDs: when nothing changed nothing is allocated
// but the two arrays of pointers.
void Pleg::apply(const std::vector<Item>& listing, const Look& look) {
  std::vector<const Item*> sorted;
  sorted.reserve(listing.size());
  for (const Item& item : listing) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [](const Item* a, const Item* b) {
    const int order = a->pod_uid.compare(b->pod_uid);
    return order != 0 ? order < 0 : a->id < b->id;
  });

  std::vector<const Item*> pod_items;
  auto record = records_.begin();
  auto item = sorted.begin();
  while (record != records_.end() || item != sorted.end()) {
    const bool gone = item == sorted.end() || (record != records_.end() && record->first < (*item)->pod_uid);
    if (gone) {
      auto next = std::next(record);
      pod_items.clear();
      apply_pod(record->first, record->second, pod_items, look);
      record = next;
      continue;
    }
    const std::string& uid = (*item)->pod_uid;
    pod_items.clear();
    for (; item != sorted.end() && (*item)->pod_uid == uid; ++item) pod_items.push_back(*item);
    if (record == records_.end() || record->first != uid) record = records_.try_emplace(record, uid);
    apply_pod(uid, record->second, pod_items, look);
    ++record;
  }
}

// `items` are sorted by id and are what the look of that number showed.
void Pleg::apply_pod(const std::string& uid, Record& record, const std::vector<const Item*>& items, const Look& look) {
  if (look.number < record.listed) return;  // a look that began later has already told
  record.listed = look.number;
  record.listed_at = look.began;
  if (same_items(record.items, items)) {
    if (record.settled()) ring(record);
    return;
  }
  std::vector<Transition> changes = transitions(record.items, items);
  std::move(changes.begin(), changes.end(), std::back_inserter(record.pending));
  if (!items.empty()) {
    record.ns = items.front()->pod_namespace;
    record.name = items.front()->pod_name;
  }
  std::vector<Item> copy;
  copy.reserve(items.size());
  for (const Item* item : items) copy.push_back(*item);
  record.items = std::move(copy);
  record.dirty = true;
  look_at(uid, record);
}

Task<Result<Snapshot>> Pleg::get_newer_than(std::string uid, base::SteadyTime time) {
  const std::uint64_t asked = looks_;
  auto bell = std::make_shared<asio::steady_timer>(loop_.context(), base::SteadyTime::max());
  // The record stays as long as somebody waits for it.
  ++records_[uid].awaited;
  struct Leave {
    Pleg& pleg;
    const std::string& uid;
    const std::shared_ptr<asio::steady_timer>& bell;
    ~Leave() {
      Record& record = pleg.records_.at(uid);
      --record.awaited;
      std::erase(record.waiters, bell);
      pleg.forget_if_gone(uid);
    }
  } leave{*this, uid, bell};

  bool looked = false;
  while (true) {
    const bool listed_since = relisted_ && (*relisted_ > time || relist_look_ > asked);
    Record& record = records_.at(uid);
    if (record.failure && record.failed > asked) co_return *record.failure;
    if (record.snapshot) {
      const bool newer = record.snapshot->taken_at > time || record.inspected > asked;
      if (newer || (listed_since && record.settled())) co_return *record.snapshot;
    } else if (listed_since && record.items.empty() && record.settled()) {
      co_return Snapshot{nullptr, *relisted_};
    }
    if (gate_.stopping()) co_return Error(ErrorKind::cancelled, "the pod lifecycle event generator is stopping");
    if (!looked) ask(uid, false);
    looked = true;
    records_.at(uid).waiters.push_back(bell);
    boost::system::error_code ignored;
    co_await bell->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
}

std::optional<Snapshot> Pleg::latest(const std::string& uid) const {
  const auto found = records_.find(uid);
  if (found == records_.end()) return std::nullopt;
  return found->second.snapshot;
}

bool Pleg::lists(const std::string& uid) const {
  const auto found = records_.find(uid);
  return found != records_.end() && !found->second.items.empty();
}

bool Pleg::namesake_may_run(const std::string& uid, const std::string& ns, const std::string& name,
                            const std::function<bool(const Snapshot&)>& runs) const {
  for (const auto& [other, record] : records_) {
    if (other == uid || record.items.empty() || record.name != name || record.ns != ns) continue;
    if (!record.snapshot || runs(*record.snapshot)) return true;
  }
  return false;
}

std::vector<std::string> Pleg::pods() const {
  std::vector<std::string> uids;
  for (const auto& [uid, record] : records_) {
    if (!record.items.empty()) uids.push_back(uid);
  }
  return uids;
}

Status Pleg::healthy() const {
  if (!relisted_) return Error(ErrorKind::unavailable, "pleg has yet to be successful");
  const base::Duration threshold = evented_ ? options_.evented_threshold : options_.threshold;
  // A mode that just began has its whole threshold: the last listing may be as old as the other mode's period.
  const bool fresh_mode = mode_since_ && relist_error_.empty();
  const base::SteadyTime active = fresh_mode ? std::max(*relisted_, *mode_since_) : *relisted_;
  const base::Duration elapsed = clock_.steady_now() - active;
  if (elapsed < threshold) return {};
  return Error(ErrorKind::unavailable, "pleg was last seen active " + base::format_duration(elapsed) +
                                           " ago; threshold is " + base::format_duration(threshold));
}

bool Pleg::settled() const {
  return relisted_ && std::all_of(records_.begin(), records_.end(), [](const auto& entry) {
           return entry.second.settled() && entry.second.planned == 0;
         });
}

Counts Pleg::counts() const {
  Counts counts;
  for (const auto& [uid, record] : records_) {
    bool running = false;
    for (const Item& item : record.items) {
      if (item.sandbox) {
        running = running || item.state == State::running;
      } else {
        ++counts.containers[static_cast<std::size_t>(item.state)];
      }
    }
    if (running) ++counts.running_pods;
  }
  return counts;
}

}  // namespace keelson::pleg
