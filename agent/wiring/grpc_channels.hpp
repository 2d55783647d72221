// GrpcChannels: base::RpcChannels over cri-client's transport.
//
// Each call makes a connection of its own, which goes with it, as the contract wants it of CSI calls; so nothing here
// can grow old, and nothing needs to be stopped. Owner: the agent's wiring. Thread: the loop. What fails: RpcOutcome.
// Source: contract 04 §22.
#pragma once

#include <string>

#include "base/loop.hpp"
#include "base/rpc.hpp"

namespace keelson::agent {

class GrpcChannels final : public base::RpcChannels {
 public:
  explicit GrpcChannels(base::Loop& loop) : loop_(loop) {}

  base::Task<base::RpcOutcome> call(std::string socket, std::string method, Request request, Response response,
                                    base::Duration limit) override;

 private:
  base::Loop& loop_;
};

}  // namespace keelson::agent
