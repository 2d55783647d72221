// NetworkHookHttp: the requests of httpGet hooks over the node's network.
//
// Owner: Agent; `network` outlives it. Thread: the loop. Source: contract 02 §18.
#pragma once

#include <utility>

#include "agent/sync/lifecycle_hooks.hpp"

namespace keelson::agent {

class NetworkHookHttp final : public HookHttp {
 public:
  explicit NetworkHookHttp(probes::Network& network) : network_(network) {}
  base::Task<probes::HttpOutcome> get(probes::HttpGet request) override {
    return probes::http_get(network_, std::move(request));
  }

 private:
  probes::Network& network_;
};

}  // namespace keelson::agent
