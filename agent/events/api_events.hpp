// ApiEvents: sends the events of pods and of the node to the API server.
//
// Recording puts an event into a queue and returns; one task sends them, one after another, after EventCorrelator has
// decided what becomes of each. A server out of reach is tried twelve times, ten seconds apart (the first wait is
// random); what it refuses is not sent again. More than a thousand in the queue are dropped and counted. Owner: the
// agent's wiring; the client is its own, with the limits for events. Thread: the loop; recording never blocks and never
// fails. Stops: stop() gives what is queued one second, the rest is dropped. Source: contract 02 §22.1.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/events/event_correlator.hpp"
#include "agent/events/node_events.hpp"
#include "agent/sync/events.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

class ApiEvents final : public EventRecorder, public NodeEventRecorder {
 public:
  ApiEvents(kube::Client& client, base::Random& random, std::string node_name, base::Logger log);

  void start();
  base::Task<void> stop();

  void record(const api::Pod& pod, PodEvent event) override;
  void record_node(bool warning, std::string reason, std::string message) override;

  std::uint64_t sent() const { return sent_; }
  // Because the queue was full, the object had too many, or the server could not take them.
  std::uint64_t dropped() const { return dropped_; }
  std::size_t queued() const { return queue_.size(); }

 private:
  void enqueue(api::core::Event event);
  base::Task<void> run();
  base::Task<void> wait_until_idle();
  base::Task<void> deliver(api::core::Event event);
  base::Task<Result<api::core::Event>> send_once(std::shared_ptr<const CorrelatedEvent> event);

  kube::Client& client_;
  base::Clock& clock_;
  base::Random& random_;
  std::string node_name_;
  base::Logger log_;
  EventCorrelator correlator_;
  base::Mailbox<api::core::Event> queue_;
  base::Notification idle_bell_;
  bool sending_ = false;
  bool full_ = false;  // told once until there is room again
  bool stopped_ = false;
  std::uint64_t sent_ = 0;
  std::uint64_t dropped_ = 0;
  base::Gate gate_;
};

}  // namespace keelson::agent
