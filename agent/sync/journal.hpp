// Journal: the story of one pod, for `keelson explain` and the log.
//
// Keeps the last decisions, errors and events and what the pod waits for. Bounded: the oldest entries go first, equal
// entries in a row are counted. Owner: the pod's worker. Thread: the loop. Source: issue "For the person on the node".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/control/views.hpp"
#include "agent/sync/events.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"

namespace keelson::agent {

class Journal {
 public:
  Journal(base::Clock& clock, base::Logger log) : clock_(clock), log_(std::move(log)) {}

  void decided(std::string text);
  void failed(std::string text);
  void event(const PodEvent& event);
  // What the pod waits for now; an empty text means nothing.
  void waits_for(std::string what, std::optional<base::SteadyTime> next_try = std::nullopt);

  const WaitView& waiting() const { return waiting_; }
  std::vector<DecisionView> decisions() const { return decisions_; }
  std::vector<ErrorView> errors() const { return errors_; }
  std::vector<EventView> events() const { return events_; }
  const base::Logger& log() const { return log_; }

 private:
  base::Clock& clock_;
  base::Logger log_;
  WaitView waiting_;
  // Few and short: deques would take half a kilobyte each even when empty.
  std::vector<DecisionView> decisions_;
  std::vector<ErrorView> errors_;
  std::vector<EventView> events_;
};

}  // namespace keelson::agent
