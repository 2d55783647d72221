// NodeEventRecorder: events about the node itself.
//
// Implemented by ApiEvents (api_events.hpp) and by fakes. Thread: the loop; recording never blocks and never fails.
// Source: contract 01 §8.1, contract 02 §22.3.
#pragma once

#include <string>

namespace keelson::agent {

class NodeEventRecorder {
 public:
  virtual ~NodeEventRecorder() = default;
  virtual void record_node(bool warning, std::string reason, std::string message) = 0;
};

}  // namespace keelson::agent
