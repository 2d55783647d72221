// RuntimeLister: what the PLEG needs of a container runtime. Declared here, implemented by agent/wiring over the CRI
// and by the tests' fake.
//
// Owner: the PLEG's owner; outlives the PLEG. Thread: the loop; every call is awaited there and ends soon after its
// task is cancelled. The PLEG puts its own deadlines on top. Source: contract 02 §12.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::pleg {

// A sandbox counts as a container without a name: ready is running, not ready is exited.
enum class State { created, running, exited, unknown };

struct Item {
  std::string id;
  std::string pod_uid;
  std::string pod_namespace;
  std::string pod_name;
  std::string container_name;  // empty for a sandbox
  bool sandbox = false;
  State state = State::unknown;
  std::int64_t created_at = 0;  // nanoseconds since 1970
};

// One pod as it was last listed, for its inspection.
struct PodTarget {
  std::string uid;
  std::string ns;
  std::string name;
  std::vector<Item> items;
};

// What an inspection made of a pod; the PLEG hands it on and never looks inside. Null: the runtime knows no such pod.
using Inspection = std::shared_ptr<const void>;

enum class RuntimeEventType { created, started, stopped, deleted };

struct RuntimeEvent {
  std::string pod_uid;       // empty when the runtime did not say
  std::string container_id;  // or sandbox
  RuntimeEventType type = RuntimeEventType::created;
  std::int64_t created_at = 0;  // nanoseconds since 1970; 0: not known
};

class RuntimeLister {
 public:
  virtual ~RuntimeLister() = default;

  // All sandboxes and containers that belong to pods, in every state, in any order.
  virtual base::Task<Result<std::vector<Item>>> list() = 0;
  // Those of one pod; empty when there are none.
  virtual base::Task<Result<std::vector<Item>>> list_pod(std::string uid) = 0;
  // The full status of one pod; what is gone by now is left out.
  virtual base::Task<Result<Inspection>> inspect(PodTarget target) = 0;
  // Reads the runtime's events until the stream ends; `unimplemented` when it has none.
  virtual base::Task<Status> events(std::function<void(RuntimeEvent)> on_event) = 0;
};

}  // namespace keelson::pleg
