// EventLog: records events in the pod's journal and in the log; where an API server is, they will be sent from here.
//
// Owner: Agent. Thread: the loop. Source: contract 02 §22; contract 01 §5 (standalone: events are logged only).
#pragma once

#include <functional>

#include "agent/sync/events.hpp"
#include "agent/sync/journal.hpp"
#include "base/logger.hpp"

namespace keelson::agent {

class EventLog final : public EventRecorder {
 public:
  explicit EventLog(base::Logger log) : log_(std::move(log)) {}

  // Where the journal of a pod is; nullptr when the pod is gone.
  void find_journals_by(std::function<Journal*(const std::string& uid)> find) { find_ = std::move(find); }
  void record(const api::Pod& pod, PodEvent event) override;

 private:
  base::Logger log_;
  std::function<Journal*(const std::string&)> find_;
};

}  // namespace keelson::agent
