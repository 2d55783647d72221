// GrpcChannels: base::RpcChannels over cri-client's transport.
//
// Each call makes a connection of its own and gives it back when it has ended, as the contract wants it of CSI calls;
// so nothing here can grow old. Owner: the agent's wiring. Thread: the loop. Stops: stop() waits for the connections of
// cancelled calls. What fails: RpcOutcome, with Go's words for what gRPC for C++ says otherwise. Source: contract 04
// §22.
#pragma once

#include <memory>
#include <string>

#include "base/gate.hpp"
#include "base/loop.hpp"
#include "base/rpc.hpp"

namespace keelson::cri {
class Transport;
}

namespace keelson::agent {

class GrpcChannels final : public base::RpcChannels {
 public:
  explicit GrpcChannels(base::Loop& loop) : loop_(loop), gate_(loop) {}

  base::Task<base::RpcOutcome> call(std::string socket, std::string method, Request request, Response response,
                                    base::Duration limit) override;
  base::Task<void> stop() { return gate_.stop(); }

 private:
  class Connection;
  static base::Task<void> close(std::unique_ptr<cri::Transport> transport);

  base::Loop& loop_;
  base::Gate gate_;
};

}  // namespace keelson::agent
