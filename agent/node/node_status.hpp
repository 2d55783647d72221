// The node's status: the next one from what is the case, whether it must be sent, and the patch that sends it.
//
// Pure functions; NodeReporter (node_reporter.hpp) gathers, calls and sends. Source: contract 01 §7.2, §8.1, §8.2.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/node/image_list.hpp"
#include "agent/node/node_conditions.hpp"
#include "agent/node/node_object.hpp"
#include "base/backoff.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// What device plugins offer.
struct DeviceResources {
  ResourceMap capacity;              // healthy and unhealthy
  ResourceMap allocatable;           // healthy
  std::vector<std::string> removed;  // stay in the status with 0
};

// What the runtime says about itself.
struct RuntimeFacts {
  std::string version = "Unknown";  // "containerd://1.7.2"
  std::vector<cri::RuntimeHandler> handlers;
  std::optional<bool> supplemental_groups_policy;
  bool user_namespaces_host_network = false;
};

// What may be another with each round.
struct StatusInputs {
  ReadyCauses causes;  // missing_capacity is filled in by next_status()
  Pressures pressures;
  RuntimeFacts runtime;
  std::shared_ptr<const NodeImages> images;                // null: leave what is there
  std::optional<std::vector<std::string>> volumes_in_use;  // none: mounts are not known yet, leave what is there
  DeviceResources devices;
  std::optional<AddressFacts> addresses;  // none: could not be looked up, leave what is there
};

struct NextStatus {
  api::core::Node node;
  std::vector<NodeEvent> events;
  bool rebooted = false;  // the boot id was another
  Status addresses;       // why they stayed as they were
};

// `existing` with our part of its status (and the os and arch labels) as it is now.
NextStatus next_status(const NodeSettings& settings, const StatusInputs& inputs, const api::core::Node& existing,
                       base::SystemTime now);

// The whole Node as it is created, or made up where there is no API server (contract 01 §5).
NextStatus first_node(const NodeSettings& settings, const StatusInputs& inputs, base::SystemTime now);

// Whether they differ in more than the times of heartbeats.
bool status_differs(const api::core::Node& before, const api::core::Node& after);

// The JSON body of PATCH nodes/NAME/status; "{}" when nothing differs. The spec is left out.
std::string status_patch(const api::core::Node& before, const api::core::Node& after);

// When the status was last sent, and when it must be again though nothing has changed.
class ReportTimes {
 public:
  ReportTimes(base::Duration frequency, base::Random& random)
      : frequency_(frequency), delay_(spread(frequency, random)) {}

  bool due(bool changed, base::SteadyTime now) const {
    return changed || !sent_ || now - *sent_ >= frequency_ + delay_;
  }
  // The decision to send was made: after a change the next periodic one is spread, after a periodic one it is not.
  void decided(bool changed, base::Random& random) {
    delay_ = changed ? spread(frequency_, random) : base::Duration::zero();
  }
  void sent(base::SteadyTime now) { sent_ = now; }

 private:
  // Uniform in [-50 %, +50 %).
  static base::Duration spread(base::Duration frequency, base::Random& random);

  base::Duration frequency_;
  base::Duration delay_;
  std::optional<base::SteadyTime> sent_;
};

}  // namespace keelson::agent
