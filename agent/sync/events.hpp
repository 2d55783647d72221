// Events about pods: what the agent tells users through the API, the log and `keelson explain`.
//
// EventRecorder is what the sync code asks for; the recorder keeps, logs and (with an API server) sends. Thread: the
// loop; recording never blocks and never fails. Source: contract 02 §22.
#pragma once

#include <memory>
#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

struct PodEvent {
  bool warning = false;
  std::string reason;
  std::string message;
  std::string field_path;  // spec.containers{NAME}, empty for the pod itself
  bool of_node = false;    // the API's event is the node's, found while working on the pod
  // The API's event is that object's, found while working on the pod: of a claim, a PersistentVolume. Null: the pod's.
  std::shared_ptr<const api::core::ObjectReference> of_object = nullptr;
};

class EventRecorder {
 public:
  virtual ~EventRecorder() = default;
  virtual void record(const api::Pod& pod, PodEvent event) = 0;
};

}  // namespace keelson::agent
