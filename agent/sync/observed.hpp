// ObservedPod: what the runtime says of one pod at one moment.
//
// Produced by the PLEG's inspection (agent/wiring), shared read-only as ObservedPtr. Thread: a value, the loop.
// Source: contract 02 §12.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

struct ObservedPod {
  std::string uid;
  std::string name;
  std::string ns;
  // Newest first, by attempt, then creation time.
  std::vector<cri::PodSandboxStatus> sandboxes;
  // All instances of all containers, grouped by name, the newest of each first.
  std::vector<cri::ContainerStatus> containers;
  base::SteadyTime taken_at{};

  // The newest instance of that name, or nullptr.
  const cri::ContainerStatus* newest(std::string_view container_name) const;
  // The second newest, or nullptr.
  const cri::ContainerStatus* previous(std::string_view container_name) const;
  const cri::ContainerStatus* by_id(std::string_view id) const;
  bool any_running() const;
  bool any_ready_sandbox() const;
  // It was made since the newest sandbox stands. (ContainerStatus does not name its sandbox.)
  bool is_in_newest_sandbox(const cri::ContainerStatus& container) const;
};

using ObservedPtr = std::shared_ptr<const ObservedPod>;

// Puts sandboxes and containers into their order.
void sort_newest_first(ObservedPod& pod);

}  // namespace keelson::agent
