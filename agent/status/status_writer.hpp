// StatusWriter: tells the API server the newest status of each pod, and deletes the pods that are at their end.
//
// One request at a time per pod, several pods side by side; ends of pods and changes of readiness go first. A status is
// a patch against the API's copy that is known here, so no GET comes before it; metadata.uid guards against a pod of
// the same name. What cannot be sent is tried again, per pod, until it is sent, replaced by a newer status, or
// pointless: the API may be away for as long as it likes. Static pods' statuses go to their mirrors, which are never
// deleted here. Whoever changes our fields in the API is corrected, at most once a second.
//
// Owner: the agent's wiring; outlives the workers. Thread: the loop. Stops: stop() cancels requests in progress; what
// was not sent is forgotten, the next agent computes it anew. Failures are logged, never returned. Source: contract 02
// §11, §15.5.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/status/api_copies.hpp"
#include "agent/status/pod_api.hpp"
#include "agent/status/status_sink.hpp"
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/counters.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"

namespace keelson::agent {

struct StatusWriterOptions {
  std::size_t in_flight = 16;
  base::Duration first_retry = std::chrono::milliseconds(200);
  base::Duration longest_retry = std::chrono::seconds(10);
  // Between two corrections of one pod; doubled up to a minute while they do not last.
  base::Duration correction_gap = std::chrono::seconds(1);
};

// Seconds.
inline constexpr std::array<double, 11> kStatusSyncBounds{.01, .05, .1, .5, 1, 5, 10, 20, 30, 45, 60};

class StatusWriter final : public StatusSink {
 public:
  StatusWriter(base::Loop& loop, base::Clock& clock, base::Random& random, PodApi& api, StatusWriterOptions options,
               base::Logger log);
  ~StatusWriter() override;

  base::Task<void> stop();

  void publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) override;
  void terminated(const api::PodPtr& pod, const api::core::PodStatus& status) override;
  void forget(const std::string& uid) override;

  // --- from the pod informer: every pod of this node, mirrors included
  void on_api_pod(const api::PodPtr& pod);
  void on_api_pod_removed(const std::string& uid);
  // The API server was heard again: whatever waits for its next try is tried now.
  void api_is_back();

  // What the API says of a pod, by the newest copy: where an agent that starts anew goes on from. For a static pod what
  // its mirror says. Whoever puts this behind a StatusSink answers its known() from here.
  std::optional<api::core::PodStatus> known_status(const std::string& uid) const;
  std::optional<api::core::PodStatus> known_status(const api::Pod& pod) const;
  // Pods with something that is not sent yet; static pods without a mirror do not count.
  std::size_t pending() const;
  // From a change of a status until it was told, later changes with it (kubelet_pod_status_sync_duration_seconds).
  using SyncDurations = base::Histogram<kStatusSyncBounds>;
  const SyncDurations& sync_durations() const { return sync_durations_; }
  // Called after each request that carried a status: when that was published, and whether it arrived.
  using Written = std::function<void(const std::string& uid, base::SteadyTime published, bool ok)>;
  void on_written(Written listener) { written_ = std::move(listener); }

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;
  enum class Outcome {
    told,     // the API knows all there is to tell
    no_copy,  // nowhere to write to: a static pod without mirror
    gone,     // there is no such pod any more
    failed,   // try again later
    away,     // there is no server to be reached
  };

  EntryPtr& entry_for(const api::PodPtr& pod);
  void accept(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run, bool terminated);
  api::PodPtr copy_for(const Entry& entry) const;
  bool deletable(const Entry& entry) const;

  void request(const EntryPtr& entry);  // something is to be sent
  void enqueue(const EntryPtr& entry);
  void pump();
  bool start_next();
  void note_away();
  void wait(const EntryPtr& entry, base::Duration delay, bool failing);
  void correct(const EntryPtr& entry);
  void look_at(const EntryPtr& entry);  // the API's copy has changed

  base::Task<void> run(EntryPtr entry);
  base::Task<Outcome> tell(EntryPtr entry);
  base::Task<Outcome> remove(EntryPtr entry, api::PodPtr copy);
  base::Task<Outcome> look_again(EntryPtr entry, api::PodPtr copy);
  base::Task<void> wake_later(EntryPtr entry, std::uint64_t nap, base::Duration delay);
  void finish(const EntryPtr& entry, Outcome outcome);
  void note_told(Entry& entry, base::SteadyTime published);
  base::Task<void> probe_later(base::Duration delay);
  Outcome failed(const EntryPtr& entry, const char* what, const Error& error);

  base::Clock& clock_;
  base::Random& random_;
  PodApi& api_;
  StatusWriterOptions options_;
  base::Logger log_;
  ApiCopies copies_;
  std::map<std::string, EntryPtr> entries_;  // by the uid that the workers know
  std::deque<EntryPtr> urgent_;
  std::deque<EntryPtr> queue_;
  std::size_t in_flight_ = 0;
  bool away_ = false;  // the server could not be reached when it was last tried
  bool probe_pending_ = false;
  base::SteadyTime away_until_{};
  base::Backoff away_backoff_;
  Written written_;
  SyncDurations sync_durations_;
  base::Gate gate_;
};

}  // namespace keelson::agent
