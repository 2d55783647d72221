// StatusSink: where the pods' workers put what the API is to be told.
//
// Implemented by StatusWriter (status_writer.hpp) on a node of a cluster, by NoStatusSink standalone, and by fakes.
// Owner: the agent's wiring; outlives the workers. Thread: the loop; every call returns at once.
// Source: contract 02 §11, §15.5, §15.6.
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

class StatusSink {
 public:
  virtual ~StatusSink() = default;
  // The newest status of that pod; it replaces what was not sent yet. `containers_may_run` holds back a phase that
  // would end the pod in the API.
  virtual void publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) = 0;
  // The pod is terminated: nothing of it runs, its volumes and cgroup are gone. After this status the pod is deleted in
  // the API if its deletion was asked for.
  virtual void terminated(const api::PodPtr& pod, const api::core::PodStatus& status) = 0;
  // What was last shown of that pod, or of its mirror; nothing when the API's copy in the pod itself is all there is.
  virtual std::optional<api::core::PodStatus> known(const api::Pod&) const { return std::nullopt; }
  // A source has that pod, and has it no more; every source has told all its pods.
  virtual void added(const api::PodPtr&) {}
  virtual void removed(const api::PodPtr&) {}
  virtual void sources_ready() {}
  // Neither a source nor the runtime knows the pod any more.
  virtual void forget(const std::string& uid) = 0;
};

class NoStatusSink final : public StatusSink {
 public:
  void publish(const api::PodPtr&, const api::core::PodStatus&, bool) override {}
  void terminated(const api::PodPtr&, const api::core::PodStatus&) override {}
  void forget(const std::string&) override {}
};

}  // namespace keelson::agent
