#include "agent/wiring/grpc_channels.hpp"

#include <google/protobuf/message_lite.h>

#include "cri-client/transport.hpp"

namespace keelson::agent {

using base::RpcOutcome;
using base::Task;

namespace {

class AnyExchange final : public cri::ExchangeBase {
 public:
  AnyExchange(base::RpcChannels::Request request, base::RpcChannels::Response response)
      : request_(std::move(request)), response_(std::move(response)) {}
  const google::protobuf::MessageLite& request_message() const override { return *request_; }
  google::protobuf::MessageLite& response_message() override { return *response_; }

 private:
  base::RpcChannels::Request request_;
  base::RpcChannels::Response response_;
};

RpcOutcome outcome_of(const cri::Outcome& outcome) {
  RpcOutcome out;
  out.code = outcome.never_sent ? RpcOutcome::unreached : outcome.code;
  if (outcome.code != 0) out.message = cri::description(cri::to_error(cri::Rpc{"", ""}, outcome));
  return out;
}

}  // namespace

Task<RpcOutcome> GrpcChannels::call(std::string socket, std::string method, Request request, Response response,
                                    base::Duration limit) {
  cri::Transport transport(loop_, std::move(socket));
  std::shared_ptr<cri::ExchangeBase> exchange = std::make_shared<AnyExchange>(std::move(request), std::move(response));
  const cri::Outcome outcome = co_await transport.unary(method.c_str(), std::move(exchange), limit);
  co_return outcome_of(outcome);
}

}  // namespace keelson::agent
