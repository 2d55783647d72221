// Pleg: tells what happened to pods in the container runtime, and keeps a fresh snapshot of each.
//
// Without an event stream everything is listed once a second, counted from the end of the last listing. With one, the
// end of a container makes the PLEG look at its pod at once, while other events, and those of a pod that is being
// ended, wait for company: they tell mostly what the agent itself has just done, and will look at when it is done with
// the pod. The whole listing is then a safety net every 300 s; when the stream breaks, listing every second goes on
// until it stands again. What differs from the last listing is inspected, pod by pod and side by side; once a pod's
// inspection succeeded its events go to the listener, with the new snapshot. A pod whose inspection fails or hangs
// keeps its old snapshot and is tried again; it holds up nobody else. A listing that fails changes nothing: the runtime
// being away does not mean that containers are. Owner: main() or a test. Thread: the loop. Stops: stop(). What fails:
// nothing to the outside but get_newer_than(). Source: contract 02 §12, §5 (snapshots newer than the last step).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "base/sync.hpp"
#include "pleg/metrics.hpp"
#include "pleg/runtime_lister.hpp"
#include "pleg/transitions.hpp"

namespace keelson::pleg {

struct Snapshot {
  Inspection inspection;  // null: the runtime knows no such pod
  // When the listing began that named what was inspected: a container that was made since then is not in it.
  base::SteadyTime taken_at;
};

struct PodEvent {
  std::string uid;
  std::string ns;
  std::string name;
  EventType type;
  std::string id;  // of the container or sandbox; empty for pod_sync
  Snapshot snapshot;
};

struct PlegOptions {
  base::Duration relist_period = std::chrono::seconds(1);
  base::Duration evented_relist_period = std::chrono::seconds(300);
  base::Duration threshold = std::chrono::minutes(3);  // healthy while the last relist began less than that ago
  base::Duration evented_threshold = std::chrono::minutes(10);
  base::Duration call_limit = std::chrono::minutes(2);      // of one listing, of one pod's inspection
  base::Duration slow_after = std::chrono::seconds(2);      // a call that lasts longer gives its place to another pod
  base::Duration stream_settles = std::chrono::seconds(5);  // a silent stream that stood so long is believed
  base::Duration stream_retry = std::chrono::seconds(1);
  base::Duration event_patience = std::chrono::seconds(1);  // of an event that somebody will look at anyway
  base::Duration end_gap = std::chrono::milliseconds(50);   // ends are looked at so long after the last look
  int stream_errors = 5;  // in a row, before the stream is tried only every `stream_late_retry`
  base::Duration stream_late_retry = std::chrono::minutes(5);
  base::Duration first_retry = std::chrono::seconds(1);  // of a failed inspection, doubling
  base::Duration last_retry = std::chrono::seconds(30);
  std::size_t concurrency = 16;  // pods looked at at once, hanging ones not counted
  std::size_t queue = 200;       // pods that wait to be looked at on request
};

class Pleg {
 public:
  using Listener = std::function<void(const PodEvent&)>;

  Pleg(base::Loop& loop, base::Clock& clock, RuntimeLister& lister, base::Logger log, PlegOptions options = {});
  ~Pleg();

  // Before start(). Called on the loop, never from inside one of the methods below.
  void on_event(Listener listener) { listener_ = std::move(listener); }
  // Whether ends of that pod are no news: somebody is ending it, and looks at it afterwards.
  void when_ending(std::function<bool(const std::string& uid)> question) { ending_ = std::move(question); }
  void start();
  base::Task<void> stop();

  // Look at this pod now; events follow if something changed.
  void request_relist(const std::string& uid);
  // The same, and a pod_sync event if nothing did.
  void request_reinspect(const std::string& uid);
  // The whole list now, not at the end of the period: the runtime came back, or somebody needs it.
  void request_full_relist();

  // A snapshot that is true of a moment after `time`; looks at the pod when the present one is older. Fails as the look
  // did.
  base::Task<Result<Snapshot>> get_newer_than(std::string uid, base::SteadyTime time);
  // The present snapshot, however old; nullopt before the first.
  std::optional<Snapshot> latest(const std::string& uid) const;
  // Whether a pod of that name, other than `uid`, runs or could run: it was listed, and no snapshot shows otherwise.
  // `runs` reads a snapshot.
  bool namesake_may_run(const std::string& uid, const std::string& ns, const std::string& name,
                        const std::function<bool(const Snapshot&)>& runs) const;
  // Whether the runtime has anything of that pod, looked at or not.
  bool lists(const std::string& uid) const;
  // The UIDs of all pods that the runtime has, sorted.
  std::vector<std::string> pods() const;

  // ok, or the text that `/healthz` and the node's condition show after "PLEG is not healthy: ".
  Status healthy() const;
  // A relist succeeded and no pod waits for the inspection of what it showed.
  bool settled() const;
  bool evented() const { return evented_; }
  const Metrics& metrics() const { return metrics_; }
  Counts counts() const;

 private:
  // What is known of one pod. `items` is the newest listing; what it changed and could not be inspected yet is in
  // `pending`.
  struct Record {
    std::string ns;
    std::string name;
    std::vector<Item> items;       // sorted by id
    std::uint64_t listed = 0;      // number of the look that gave `items`
    base::SteadyTime listed_at{};  // and when it began
    std::vector<Transition> pending;
    std::optional<Snapshot> snapshot;
    std::uint64_t inspected = 0;  // number of the look that listed what `snapshot` shows
    std::optional<Error> failure;
    std::uint64_t failed = 0;  // number of the look that failed last
    int failures = 0;          // in a row
    bool retry_planned = false;
    bool dirty = false;  // needs an inspection
    bool list_asked = false;
    bool sync_asked = false;
    bool queued = false;  // counts towards the queue of requests
    bool busy = false;    // its task runs
    int awaited = 0;      // calls of get_newer_than(); the record stays for them
    int planned = 0;      // tasks that will look because of an event, if nobody has by then; the record stays for them
    base::SteadyTime heard_at{};                  // when the last of those events came
    std::optional<base::SteadyTime> planned_for;  // when the first of those tasks is due
    std::vector<std::shared_ptr<boost::asio::steady_timer>> waiters;

    bool clean() const { return !dirty && !list_asked; }
    bool settled() const { return clean() && !busy; }
  };
  using Records = std::map<std::string, Record, std::less<>>;

  base::Task<void> relist_loop();
  base::Task<void> relist();
  base::Task<void> wait_for_next_relist();
  // One listing: its number, and when it began.
  struct Look {
    std::uint64_t number;
    base::SteadyTime began;
  };
  void apply(const std::vector<Item>& listing, const Look& look);
  void apply_pod(const std::string& uid, Record& record, const std::vector<const Item*>& items, const Look& look);

  void ask(const std::string& uid, bool sync);
  void look_at(const std::string& uid, Record& record);
  base::Task<void> look(std::string uid);
  base::Task<Status> list_pod(std::string uid);
  base::Task<Status> inspect_pod(std::string uid);
  void deliver(std::string uid, std::vector<Transition> transitions, bool sync);
  Error too_slow(const std::string& what) const;
  void failed(const std::string& uid, Error error, std::uint64_t look);
  base::Task<void> retry_later(std::string uid, base::Duration delay);
  base::Task<void> hold_place(std::shared_ptr<base::Semaphore::Permit> place);
  static void ring(Record& record);
  void forget_if_gone(const std::string& uid);

  base::Task<void> event_loop();
  base::Task<void> believe_stream();
  void take_event(const RuntimeEvent& event);
  void heed(const std::string& uid, bool end);
  base::Task<void> look_later(std::string uid, base::SteadyTime when);
  void set_evented(bool evented);
  void runtime_is_back();

  base::Loop& loop_;
  base::Clock& clock_;
  RuntimeLister& lister_;
  base::Logger log_;
  PlegOptions options_;
  Listener listener_;
  std::function<bool(const std::string&)> ending_;
  base::Gate gate_;
  base::Semaphore places_;

  Records records_;
  std::uint64_t looks_ = 0;  // numbers listings and inspections in the order of their beginnings
  std::size_t queued_ = 0;
  bool relist_now_ = false;
  std::shared_ptr<boost::asio::steady_timer> relist_bell_;
  std::optional<base::SteadyTime> relisted_;  // beginning of the last good relist
  std::uint64_t relist_look_ = 0;             // and its number
  std::optional<base::SteadyTime> relist_began_;
  std::string relist_error_;  // so that a failure that goes on is told once
  bool evented_ = false;
  std::optional<base::SteadyTime> mode_since_;
  int stream_errors_ = 0;
  std::shared_ptr<boost::asio::steady_timer> stream_bell_;
  bool stream_unimplemented_ = false;
  Metrics metrics_;
};

}  // namespace keelson::pleg
