// LifecycleHooks: runs the postStart and preStop handlers of containers.
//
// The sync code and the killer ask through this interface; RuntimeHooks does it over the runtime and the network, the
// simulation by its script. Owner: the agent's wiring; outlives the workers. Thread: the loop. Stops: with the task
// that awaits it; a handler has no time limit of its own. What fails: the handler; the error is the whole text that the
// waiting state shows (contract 02 §18), with the handler's output, so it never goes into an event.
// Source: contract 02 §18.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/sync/events.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "cri-client/runtime.hpp"
#include "probes/http_get.hpp"

namespace keelson::agent {

struct HookRequest {
  api::PodPtr pod;
  api::core::Container container;  // its name, and the ports that a handler may name
  std::string container_id;
  std::vector<std::string> pod_ips;  // the first one is where an httpGet handler goes that names no host
  api::core::LifecycleHandler handler;
};

class LifecycleHooks {
 public:
  virtual ~LifecycleHooks() = default;
  virtual base::Task<Status> run(HookRequest request) = 0;
};

// Makes the request of an httpGet handler; on a node over its network, in a test by a script.
class HookHttp {
 public:
  virtual ~HookHttp() = default;
  virtual base::Task<probes::HttpOutcome> get(probes::HttpGet request) = 0;
};

class RuntimeHooks final : public LifecycleHooks {
 public:
  RuntimeHooks(base::Clock& clock, cri::RuntimeService& runtime, HookHttp& http, EventRecorder& events)
      : clock_(clock), runtime_(runtime), http_(http), events_(events) {}
  base::Task<Status> run(HookRequest request) override;

  // For the metrics: HTTPS hooks that were answered in plain HTTP, sleeps that were not slept to their end.
  std::uint64_t http_fallbacks() const { return http_fallbacks_; }
  std::uint64_t short_sleeps() const { return short_sleeps_; }

 private:
  base::Task<Status> run_exec(HookRequest request);
  base::Task<Status> run_http_get(HookRequest request);
  base::Task<Status> run_sleep(HookRequest request);

  base::Clock& clock_;
  cri::RuntimeService& runtime_;
  HookHttp& http_;
  EventRecorder& events_;
  std::uint64_t http_fallbacks_ = 0;
  std::uint64_t short_sleeps_ = 0;
};

}  // namespace keelson::agent
