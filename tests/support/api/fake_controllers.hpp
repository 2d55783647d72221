// FakeControllers: as much of a control plane as a node needs, over a FakeApi: a scheduler, the node lifecycle
// controller, the collector of orphaned pods, and the service account controllers.
//
//   - schedule: an unscheduled pod is bound to the Ready node that it may go to and that has the fewest pods.
//   - nodes: taints follow the Ready condition (not-ready, unreachable); a node whose lease is not renewed for 50 s
//     becomes Unknown and its pods not ready; pods of a node that is gone are removed.
//   - accounts: each namespace gets the ServiceAccount "default" and the ConfigMap "kube-root-ca.crt".
// They learn by FakeApi's on_change and act in a task of their own, never inside a request. Owner: a test or the fake
// API server's program; the FakeApi outlives it. Thread: the loop. Stops: stop(). What fails: a write that somebody
// else's came before is decided anew by that one's change. Source: contract 01 §8.5.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/gate.hpp"
#include "base/sync.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::fakes {

struct ControllerOptions {
  bool schedule = false;
  bool nodes = true;
  bool accounts = false;
  base::Duration monitor_period = std::chrono::seconds(5);
  base::Duration monitor_grace = std::chrono::seconds(50);
};

// --- The decisions, as functions of values
bool tolerates(const api::core::Toleration& toleration, const api::core::Taint& taint);
// Whether a scheduler would put the pod there.
bool fits(const api::Pod& pod, const api::core::Node& node);
bool is_ready(const api::core::Node& node);
// The node as the lifecycle controller wants its taints; true when that changed something.
bool set_condition_taints(api::core::Node& node, base::SystemTime now);
// Ready and the pressures become Unknown; true when that changed something.
bool set_unknown(api::core::Node& node, base::SystemTime now);

class FakeControllers {
 public:
  FakeControllers(base::Loop& loop, FakeApi& api, base::Clock& clock, ControllerOptions options);
  void start();
  base::Task<void> stop();

 private:
  struct Heartbeat {
    std::string seen;
    base::SteadyTime at{};
  };
  static base::Task<void> work_loop(FakeControllers* self);
  static base::Task<void> monitor_loop(FakeControllers* self);
  void notice(const std::string& type, const google::protobuf::Message& object);
  void notice_all();
  void work();

  void schedule_pending();
  void bind(const api::Pod& pod);
  void taint(const std::string& node);
  void monitor();
  void give_up(const std::string& node);
  void collect(const std::string& node);
  void make_accounts(const std::string& ns);

  FakeApi& api_;
  base::Clock& clock_;
  ControllerOptions options_;
  base::Gate gate_;
  base::Notification bell_;
  using Key = std::pair<std::string, std::string>;  // namespace, name
  std::set<Key> pending_;
  std::set<std::string> changed_nodes_;
  std::set<std::string> gone_nodes_;
  std::set<std::string> new_namespaces_;
  bool try_pending_ = false;
  std::map<std::string, Heartbeat> heartbeats_;
};

}  // namespace keelson::fakes
