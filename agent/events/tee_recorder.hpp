// TeeRecorder: one event to two recorders, the journal and log first, then the API server.
//
// Owner: the agent's wiring, as both recorders are. Thread: the loop. Source: contract 02 §22.
#pragma once

#include <utility>

#include "agent/sync/events.hpp"

namespace keelson::agent {

class TeeRecorder final : public EventRecorder {
 public:
  TeeRecorder(EventRecorder& first, EventRecorder& second) : first_(first), second_(second) {}

  void record(const api::Pod& pod, PodEvent event) override {
    first_.record(pod, event);
    second_.record(pod, std::move(event));
  }

 private:
  EventRecorder& first_;
  EventRecorder& second_;
};

}  // namespace keelson::agent
