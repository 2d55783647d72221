// WatchPlan: from where an informer watches next, and after which pause.
//
// Pure decisions over the ends of rounds; Informer does the talking. A round is one request with what follows from it:
// a watch that begins with initial events, a list, or a watch resumed from the last version. What changes the way of
// the next round (expired, refused) and what merely ended goes on at once, but only a few times before a stream lives
// for a second; all else backs off. Owner: an Informer. Thread: the loop. Source: contract 01 §10 "Watch pattern for
// all informers".
#pragma once

#include <string>
#include <string_view>

#include "base/backoff.hpp"
#include "base/result.hpp"

namespace keelson::kube {

class WatchPlan {
 public:
  static constexpr base::Duration kFirstPause = std::chrono::milliseconds(800);
  static constexpr base::Duration kLongestPause = std::chrono::seconds(30);
  static constexpr base::Duration kForget = std::chrono::minutes(2);
  static constexpr base::Duration kShortLife = std::chrono::seconds(1);
  static constexpr int kMostAtOnce = 3;

  enum class Step { initial_events, list, resume };
  enum class End {
    ended,   // the server ended the stream
    cut,     // the connection broke
    silent,  // nothing came for too long
    failed,  // an error status, an ERROR event, something that cannot be understood
  };
  struct Round {
    End end = End::ended;
    Error error;
    bool delivered = false;  // at least one event
    base::Duration lived{};
  };

  Step step() const;
  // What the step begins from: empty for the latest, "0" for anything the server has at hand.
  std::string version() const;
  // The last version seen.
  const std::string& position() const { return version_; }

  // A whole set as of `version` has arrived.
  void complete(std::string version);
  // An event or a bookmark has passed.
  void advance(const std::string& version);
  // The pause before the next round.
  base::Duration ended(const Round& round, base::SteadyTime now, base::Random& random);

 private:
  // Whether the next round goes another way than this one.
  bool turn(const Round& round);
  bool turn_resume(const Error& error);
  bool turn_set(const Round& round);
  bool may_go_at_once();
  base::Duration pause(base::SteadyTime now, base::Random& random);

  std::string version_;
  bool have_set_ = false;    // version_ can be resumed from
  bool from_empty_ = false;  // not even a set as of version_ can be had
  bool watch_list_ = true;   // the server knows initial events
  bool list_next_ = false;   // try a list once
  std::string stuck_at_;     // where something could not be understood
  bool was_stuck_ = false;
  int at_once_ = 0;
  base::Backoff backoff_{kFirstPause, kLongestPause, 2.0, 1.0};
  base::SteadyTime paused_at_{};
};

}  // namespace keelson::kube
