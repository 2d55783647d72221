// RpcChannels: one unary gRPC call to a service on a unix socket, for modules that must not see gRPC.
//
// call() sends `request` to "/package.Service/Method" at `socket` and fills `response`; both live until the call has
// ended, whatever became of the task that awaits it. Every failure is an RpcOutcome, nothing is thrown but the
// cancellation of the awaiting task, which cancels the call. Owner: the agent's wiring (over cri-client's transport) or
// a test; outlives its calls. Thread: the loop. Source: google.rpc.Code; contract 04 §19, §22.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace google::protobuf {
class MessageLite;
}

namespace keelson::base {

struct RpcOutcome {
  // No server was reached: the request was never sent.
  static constexpr int unreached = -1;

  int code = 0;  // google.rpc.Code, or `unreached`
  std::string message;

  bool ok() const { return code == 0; }
  // "rpc error: code = NotFound desc = no such volume", as Go's gRPC writes what users know from events.
  std::string to_string() const;
  // The same with a kind that fits the code; Error::code() is the code.
  Error error() const;
};

class RpcChannels {
 public:
  using Request = std::shared_ptr<const google::protobuf::MessageLite>;
  using Response = std::shared_ptr<google::protobuf::MessageLite>;

  virtual ~RpcChannels() = default;
  virtual Task<RpcOutcome> call(std::string socket, std::string method, Request request, Response response,
                                Duration limit) = 0;
};

// "NotFound", as Go's gRPC prints codes.
std::string_view rpc_code_name(int code);

}  // namespace keelson::base
