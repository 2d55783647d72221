#include "agent/status/status_writer.hpp"

#include <algorithm>
#include <utility>

#include "agent/pod_config/qos.hpp"
#include "agent/status/status.hpp"
#include "agent/status/status_patch.hpp"
#include "agent/sync/containers.hpp"
#include "api/stable_bytes.hpp"

namespace keelson::agent {
namespace {

constexpr double kJitter = 0.2;
constexpr base::Duration kLongestGap = std::chrono::seconds(60);

api::core::PodStatus status_of(const std::string& bytes) {
  api::core::PodStatus out;
  KEELSON_CHECK(out.ParseFromString(bytes));
  return out;
}

}  // namespace

// What is known of one pod of the workers. In the order of a status' life: idle -> queued -> in_flight -> idle, or
// napping until the next try.
struct StatusWriter::Entry {
  enum class State { idle, queued, in_flight, napping };
  enum class Lane { none, normal, urgent };

  explicit Entry(const StatusWriterOptions& options)
      : backoff(options.first_retry, options.longest_retry, 2.0, kJitter),
        gap(options.correction_gap, kLongestGap, 2.0) {}

  api::PodPtr pod;     // as the workers know it
  std::string newest;  // a PodStatus in bytes, a fifth of what the object takes
  bool may_run = true;
  bool terminated = false;
  base::SteadyTime published{};
  std::optional<base::SteadyTime> untold_since;  // the first change that was not told yet

  State state = State::idle;
  Lane lane = Lane::none;  // of the queue that holds the place that counts
  bool urgent = false;
  bool again = false;    // something is to be sent that came while in flight
  bool changed = false;  // the API's copy changed while in flight
  bool failing = false;  // napping after a failure, not between corrections
  std::uint64_t naps = 0;
  base::Backoff backoff;

  bool gone = false;  // the API has no such pod any more
  bool delete_sent = false;
  std::string told_uid;  // of the API's object that was written to last
  std::string refused;   // logged once
  base::Backoff gap;     // between corrections
  base::SteadyTime correct_at{};
};

StatusWriter::StatusWriter(base::Loop& loop, base::Clock& clock, base::Random& random, PodApi& api,
                           StatusWriterOptions options, base::Logger log)
    : clock_(clock),
      random_(random),
      api_(api),
      options_(options),
      log_(std::move(log)),
      away_backoff_(options.first_retry, options.longest_retry, 2.0, kJitter),
      gate_(loop) {}

StatusWriter::~StatusWriter() = default;

base::Task<void> StatusWriter::stop() { co_await gate_.stop(); }

// --- from the workers ---

StatusWriter::EntryPtr& StatusWriter::entry_for(const api::PodPtr& pod) {
  EntryPtr& entry = entries_[pod->metadata().uid()];
  if (entry == nullptr) entry = std::make_shared<Entry>(options_);
  entry->pod = pod;
  return entry;
}

void StatusWriter::publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) {
  accept(pod, status, containers_may_run, false);
}

void StatusWriter::terminated(const api::PodPtr& pod, const api::core::PodStatus& status) {
  accept(pod, status, false, true);
}

void StatusWriter::accept(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run,
                          bool terminated) {
  const EntryPtr entry = entry_for(pod);
  std::string newest = api::stable_bytes(status);
  const bool same = entry->may_run == containers_may_run && entry->terminated >= terminated && entry->newest == newest;
  if (same && entry->published != base::SteadyTime{}) return;
  entry->urgent = entry->urgent || terminated || is_urgent(status_of(entry->newest), status);
  entry->newest = std::move(newest);
  entry->may_run = containers_may_run;
  entry->terminated = entry->terminated || terminated;
  entry->published = clock_.steady_now();
  if (!entry->untold_since) entry->untold_since = entry->published;
  entry->gap.reset();
  // One that the API did not know: kept, in case the watch says otherwise.
  if (!entry->gone) request(entry);
}

void StatusWriter::forget(const std::string& uid) {
  const auto found = entries_.find(uid);
  if (found == entries_.end()) return;
  found->second->gone = true;  // a request in progress must not go on
  ++found->second->naps;
  entries_.erase(found);
  copies_.forget(uid);
}

// --- from the informer ---

void StatusWriter::on_api_pod(const api::PodPtr& pod) {
  const bool news = copies_.learn(pod);
  if (!is_mirror(*pod)) {
    const auto found = entries_.find(pod->metadata().uid());
    if (found == entries_.end()) return;
    // What it was made of before would be kept for nothing: what counts of a pod here does not change.
    found->second->pod = pod;
    if (!news) return;
    found->second->gone = false;
    look_at(found->second);
    return;
  }
  if (!news) return;
  const std::string name = full_name(*pod);
  for (const auto& [uid, entry] : entries_) {
    if (is_static(*entry->pod) && full_name(*entry->pod) == name) look_at(entry);
  }
}

void StatusWriter::on_api_pod_removed(const std::string& uid) {
  copies_.forget(uid);
  const auto found = entries_.find(uid);
  if (found != entries_.end() && !is_static(*found->second->pod)) found->second->gone = true;
}

void StatusWriter::api_is_back() {
  if (std::exchange(away_, false)) log_.info("The API server can be reached again", {{"waiting", pending()}});
  away_backoff_.reset();
  for (const auto& [uid, entry] : entries_) {
    if (entry->state == Entry::State::napping && entry->failing) enqueue(entry);
  }
  pump();
}

void StatusWriter::look_at(const EntryPtr& entry) {
  if (entry->published == base::SteadyTime{} || entry->gone) return;
  if (deletable(*entry)) {
    entry->urgent = true;
    request(entry);
    return;
  }
  if (entry->state == Entry::State::in_flight) entry->changed = true;
  if (entry->state != Entry::State::idle) return;
  const api::PodPtr copy = copy_for(*entry);
  if (copy == nullptr) return;
  if (!status_patch(*copy, *entry->pod, status_of(entry->newest), entry->may_run).body.empty()) {
    // A mirror that was made anew is told at once.
    if (copy->metadata().uid() != entry->told_uid) {
      request(entry);
    } else {
      correct(entry);
    }
  }
}

void StatusWriter::correct(const EntryPtr& entry) {
  const auto now = clock_.steady_now();
  if (now < entry->correct_at) {
    wait(entry, entry->correct_at - now, false);
    return;
  }
  log_.info("Somebody else changed a pod's status, writing ours again", {{"pod", full_name(*entry->pod)}});
  entry->correct_at = now + entry->gap.next(random_);
  request(entry);
}

// --- queue ---

// For a static pod its mirror. A pod of the API of which the informer has not told yet: what the worker was given.
api::PodPtr StatusWriter::copy_for(const Entry& entry) const {
  if (is_static(*entry.pod)) return copies_.mirror_of(*entry.pod);
  api::PodPtr copy = copies_.find(entry.pod->metadata().uid());
  return copy == nullptr ? entry.pod : copy;
}

void StatusWriter::request(const EntryPtr& entry) {
  switch (entry->state) {
    case Entry::State::in_flight: entry->again = true; return;
    case Entry::State::napping:
      if (entry->failing) return;
      break;
    case Entry::State::idle:
    case Entry::State::queued: break;
  }
  enqueue(entry);
  pump();
}

void StatusWriter::enqueue(const EntryPtr& entry) {
  const Entry::Lane lane = entry->urgent ? Entry::Lane::urgent : Entry::Lane::normal;
  if (entry->state == Entry::State::queued && entry->lane >= lane) return;
  ++entry->naps;
  entry->state = Entry::State::queued;
  entry->lane = lane;
  (entry->urgent ? urgent_ : queue_).push_back(entry);
}

void StatusWriter::pump() {
  if (!away_) {
    while (in_flight_ < options_.in_flight && start_next()) {
    }
  } else if (!probe_pending_ && !(urgent_.empty() && queue_.empty())) {
    probe_pending_ = true;
    base::spawn(gate_, "status probe", probe_later(away_until_ - clock_.steady_now()));
  }
}

bool StatusWriter::start_next() {
  while (!(urgent_.empty() && queue_.empty())) {
    const Entry::Lane lane = urgent_.empty() ? Entry::Lane::normal : Entry::Lane::urgent;
    auto& queue = urgent_.empty() ? queue_ : urgent_;
    const EntryPtr entry = std::move(queue.front());
    queue.pop_front();
    // Moved to the other lane since.
    if (entry->state != Entry::State::queued || entry->lane != lane) continue;
    entry->lane = Entry::Lane::none;
    entry->state = entry->gone ? Entry::State::idle : Entry::State::in_flight;
    if (entry->gone) continue;
    entry->again = false;
    entry->changed = false;
    ++in_flight_;
    base::spawn(gate_, "status " + full_name(*entry->pod), run(entry));
    return true;
  }
  return false;
}

// Of the requests that fail together, one counts.
void StatusWriter::note_away() {
  const auto now = clock_.steady_now();
  if (away_ && now < away_until_) return;
  if (!std::exchange(away_, true)) log_.warning("The API server cannot be reached, statuses wait");
  away_until_ = now + away_backoff_.next(random_);
}

// While the server is away one request is the way to see whether it is back.
base::Task<void> StatusWriter::probe_later(base::Duration delay) {
  co_await clock_.sleep_for(delay);
  probe_pending_ = false;
  if (away_) start_next();
}

void StatusWriter::wait(const EntryPtr& entry, base::Duration delay, bool failing) {
  entry->state = Entry::State::napping;
  entry->failing = failing;
  base::spawn(gate_, "status nap " + full_name(*entry->pod), wake_later(entry, ++entry->naps, delay));
}

base::Task<void> StatusWriter::wake_later(EntryPtr entry, std::uint64_t nap, base::Duration delay) {
  co_await clock_.sleep_for(delay);
  if (entry->naps != nap || entry->gone) co_return;
  const bool correction = !entry->failing;
  entry->state = Entry::State::idle;
  if (correction) {
    look_at(entry);
  } else {
    request(entry);
  }
}

// --- requests ---

base::Task<void> StatusWriter::run(EntryPtr entry) {
  const Outcome outcome = co_await tell(entry);
  finish(entry, outcome);
}

void StatusWriter::finish(const EntryPtr& entry, Outcome outcome) {
  --in_flight_;
  entry->state = Entry::State::idle;
  const bool again = std::exchange(entry->again, false);
  const bool changed = std::exchange(entry->changed, false);
  if (outcome == Outcome::gone || entry->gone) {
    if (!is_static(*entry->pod)) entry->gone = true;
  } else if (outcome == Outcome::failed) {
    wait(entry, entry->backoff.next(random_), true);
  } else if (outcome == Outcome::away) {
    enqueue(entry);
  } else {
    entry->backoff.reset();
    if (!again) entry->urgent = false;
    if (again) enqueue(entry);
    if (!again && changed) look_at(entry);
  }
  pump();
}

base::Task<StatusWriter::Outcome> StatusWriter::tell(EntryPtr entry) {
  api::PodPtr copy = entry->gone ? nullptr : copy_for(*entry);
  if (copy == nullptr) co_return entry->gone ? Outcome::gone : Outcome::no_copy;
  StatusPatch patch = status_patch(*copy, *entry->pod, status_of(entry->newest), entry->may_run);
  if (std::exchange(entry->refused, patch.refused) != patch.refused && !is_static(*entry->pod)) {
    log_.warning("A pod's status is not sent", {{"pod", full_name(*entry->pod)}, {"reason", patch.refused}});
  }
  entry->told_uid = copy->metadata().uid();
  const bool terminated = entry->terminated;
  if (patch.body.empty()) {
    entry->untold_since.reset();
  } else {
    const base::SteadyTime published = entry->published;
    std::string ns = copy->metadata().namespace_();
    std::string name = copy->metadata().name();
    const std::string wanted = api::stable_bytes(patch.merged);
    auto answer = co_await api_.patch_status(std::move(ns), std::move(name), std::move(patch.body));
    if (written_) written_(entry->pod->metadata().uid(), published, answer.ok());
    if (!answer.ok()) {
      const Outcome outcome = failed(entry, "write the status of", answer.error());
      const ErrorKind kind = answer.error().kind();
      const int code = answer.error().code();
      if (kind == ErrorKind::not_found) {
        copies_.forget(copy->metadata().uid());
        co_return is_static(*entry->pod) ? Outcome::no_copy : Outcome::gone;
      }
      if (kind == ErrorKind::conflict || kind == ErrorKind::invalid || code == 403) {
        const Outcome seen = co_await look_again(entry, copy);
        co_return seen;
      }
      co_return outcome;
    }
    if (away_) api_is_back();
    note_told(*entry, published);
    if (entry->gone) co_return Outcome::gone;
    // A mirror that was replaced meanwhile must not take its successor's place.
    if (is_static(*entry->pod) && copies_.find(copy->metadata().uid()) == nullptr) co_return Outcome::failed;
    copy = std::make_shared<const api::Pod>(std::move(*answer));
    copies_.learn(copy);
    // Changed before by somebody else, or by a patch of ours whose answer was lost: no event newer than this copy tells
    // it.
    if (api::stable_bytes(copy->status()) != wanted) entry->changed = true;
  }
  if (!terminated || !deletable(*entry)) co_return Outcome::told;
  const Outcome outcome = co_await remove(entry, copy_for(*entry));
  co_return outcome;
}

// What has changed since the request was made is yet to be told.
void StatusWriter::note_told(Entry& entry, base::SteadyTime published) {
  if (!entry.untold_since || *entry.untold_since > published) return;
  sync_durations_.observe(clock_.steady_now() - *entry.untold_since);
  entry.untold_since.reset();
  if (entry.published > published) entry.untold_since = entry.published;
}

// contract 02 §11.4.
bool StatusWriter::deletable(const Entry& entry) const {
  if (!entry.terminated || entry.delete_sent || is_static(*entry.pod)) return false;
  const api::PodPtr copy = copy_for(entry);
  return copy != nullptr && copy->metadata().has_deletiontimestamp() && !is_mirror(*copy) &&
         is_terminal(copy->status());
}

base::Task<StatusWriter::Outcome> StatusWriter::remove(EntryPtr entry, api::PodPtr copy) {
  std::string ns = copy->metadata().namespace_();
  std::string name = copy->metadata().name();
  std::string uid = copy->metadata().uid();
  const Status status = co_await api_.remove(std::move(ns), std::move(name), std::move(uid));
  const bool gone = !status.ok() && status.error().kind() == ErrorKind::not_found;
  if (status.ok() || gone) {
    if (away_) api_is_back();
    // Finalizers may keep the object; that is nothing to repeat the request for.
    entry->delete_sent = !gone;
    co_return gone ? Outcome::gone : Outcome::told;
  }
  const Outcome outcome = failed(entry, "delete", status.error());
  // A conflict may be one of UIDs, or one of writers.
  if (status.error().code() != 403 && status.error().kind() != ErrorKind::conflict) co_return outcome;
  const Outcome seen = co_await look_again(entry, copy);
  co_return seen;
}

// The server refused: perhaps the pod is another one by now, or has changed in a way that was not heard of yet.
base::Task<StatusWriter::Outcome> StatusWriter::look_again(EntryPtr entry, api::PodPtr copy) {
  std::string ns = copy->metadata().namespace_();
  std::string name = copy->metadata().name();
  auto answer = co_await api_.get(std::move(ns), std::move(name));
  const bool is_ours = !is_static(*entry->pod);
  if (answer.ok() && answer->metadata().uid() == copy->metadata().uid()) {
    auto seen = std::make_shared<const api::Pod>(std::move(*answer));
    copies_.learn(std::move(seen));
    co_return Outcome::failed;
  }
  const bool other = answer.ok();
  const bool missing = !answer.ok() && answer.error().kind() == ErrorKind::not_found;
  // A node may not read a pod that is gone either; while the informer has it, the refusal is about something else.
  const bool unseen = !answer.ok() && answer.error().code() == 403 && copies_.find(copy->metadata().uid()) == nullptr;
  if (other || missing || unseen) {
    copies_.forget(copy->metadata().uid());
    co_return is_ours ? Outcome::gone : Outcome::no_copy;
  }
  co_return Outcome::failed;
}

StatusWriter::Outcome StatusWriter::failed(const EntryPtr& entry, const char* what, const Error& error) {
  if (error.kind() == ErrorKind::unavailable && error.code() == 0) {
    note_away();
    return Outcome::away;
  }
  if (away_ && error.code() != 0) api_is_back();
  if (error.kind() != ErrorKind::not_found) {
    log_.warning(std::string("Failed to ") + what + " a pod in the API, will try again",
                 {{"pod", full_name(*entry->pod)}, {"err", error}});
  }
  return Outcome::failed;
}

// --- questions ---

std::optional<api::core::PodStatus> StatusWriter::known_status(const std::string& uid) const {
  const api::PodPtr copy = copies_.find(uid);
  if (copy == nullptr) return std::nullopt;
  return copy->status();
}

std::optional<api::core::PodStatus> StatusWriter::known_status(const api::Pod& pod) const {
  const api::PodPtr copy = is_static(pod) ? copies_.mirror_of(pod) : copies_.find(pod.metadata().uid());
  if (copy == nullptr) return std::nullopt;
  return copy->status();
}

std::size_t StatusWriter::pending() const {
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry.second->state != Entry::State::idle && !entry.second->gone;
  }));
}

}  // namespace keelson::agent
