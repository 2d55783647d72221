// NodeReporter: the Node object as this agent registers it and keeps its status true.
//
// It creates the Node (or adopts the one that is there), then computes the status every nodeStatusUpdateFrequency and
// whenever something asked for it by update_soon(), and sends what changed. Until the Node is Ready, for two minutes at
// most, it looks every 100 ms at what may still be missing. A Node that is deleted while we run stays deleted, as with
// the kubelet. Trouble is retried for ever and told once. Owner: the agent's wiring. Thread: the loop. Stops: with the
// gate it was started in. Source: contract 01 §7.1, §8.1, §8.2; contract 02 §22.3.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/events/node_events.hpp"
#include "agent/node/node_status.hpp"
#include "base/blocking_pool.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

using NodePtr = std::shared_ptr<const api::core::Node>;

// What the reporter asks of the rest of the agent; those marked with * must be set. All are called on the loop.
struct NodeHooks {
  std::function<NodePtr()> cached_node;                         // * the informer's, null when it has none
  std::function<ReadyCauses()> causes;                          // *
  std::function<RuntimeFacts()> runtime;                        // *
  std::function<base::Task<Result<AddressFacts>>()> addresses;  // * see look_up_addresses()
  std::function<Pressures()> pressures;
  std::function<std::shared_ptr<const NodeImages>()> images;
  std::function<std::optional<std::vector<std::string>>()> volumes_in_use;
  std::function<DeviceResources()> devices;
  std::function<bool()> reset_devices;                            // the device manager has no checkpoint of its own
  std::function<base::Task<void>()> check_runtime;                // asks the runtime now; until Ready only
  std::function<base::Task<Status>(std::string)> take_pod_cidrs;  // spec.podCIDRs are others: tell the runtime
  std::function<void()> close_connections;                        // heartbeats failed twice: connect anew
  std::function<void()> registered;                               // once, when the Node is there
  std::function<void(const api::core::Node&)> answered;           // the Node as the server has it after each write
};

// Gathers on the pool what addresses are decided by. The settings and the pool outlive the hook.
std::function<base::Task<Result<AddressFacts>>()> look_up_addresses(base::BlockingPool& pool,
                                                                    const AddressSettings& settings);

// When a Node that is new came up, for the metrics (kubelet_node_startup_*); unset: it has not, or was there before.
struct NodeStartup {
  std::optional<base::SystemTime> first_try;  // to register it
  std::optional<base::SystemTime> registered;
  std::optional<base::SystemTime> ready;
};

class NodeReporter {
 public:
  NodeReporter(base::Loop& loop, base::Clock& clock, base::Random& random, NodeSettings settings, kube::Client& main,
               kube::Client& heartbeat, NodeEventRecorder& events, NodeHooks hooks, base::Logger log);

  void start(base::Gate& gate);

  // A status round at once (but not twice within a second once the Node was Ready).
  void update_soon() { bell_.notify(); }
  // The informer saw another Node; null: it is gone.
  void node_changed(NodePtr node);

  bool registered() const { return registered_; }
  // The newest Node that is known, from the cache or from our own last write; may be null.
  NodePtr newest() const;
  // What the next round would be made from.
  StatusInputs gather() const;
  const NodeSettings& settings() const { return settings_; }
  const NodeStartup& startup() const { return startup_; }

 private:
  base::Task<void> run();
  base::Task<void> await_first_answers();
  base::Task<void> keep_addresses();
  base::Task<void> register_node();
  base::Task<Status> try_to_register();
  base::Task<Status> adopt(api::core::Node wanted);
  base::Task<void> report();
  base::Task<Status> report_once(NodePtr before);
  base::Task<bool> hand_over_pod_cidrs(std::string cidrs);
  base::Task<void> wait_for_cause();
  bool in_fast_path() const;
  bool must_look() const;
  bool becomes_ready() const;

  void took(api::core::Node node);
  void took_addresses(AddressFacts facts);
  void tell(const std::vector<NodeEvent>& events);
  void tell_schedulable(const api::core::Node& node);
  void tell_round(const NextStatus& next);

  base::Clock& clock_;
  base::Random& random_;
  NodeSettings settings_;
  kube::Client& main_;
  kube::Client& heartbeat_;
  NodeEventRecorder& events_;
  NodeHooks hooks_;
  base::Logger log_;

  base::Notification bell_;
  base::Notification address_bell_;
  base::Notification addresses_known_;
  std::optional<AddressFacts> addresses_;
  std::vector<std::string> chosen_ips_;
  ReportTimes times_;
  base::SteadyTime started_{};
  NodePtr answered_;  // our own last write; null once the Node was seen to be gone
  std::string pod_cidrs_;
  bool registered_ = false;
  bool first_told_ = false;
  bool reboot_told_ = false;
  bool unschedulable_ = false;
  NodeStartup startup_;
  std::string problem_;  // of the last round
};

}  // namespace keelson::agent
