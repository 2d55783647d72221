// Transport: gRPC calls to one unix socket.
//
// One connection carries all calls, side by side; it is made at the first call, and anew at the first after it was
// lost. A call that the server has seen nothing of when its connection goes is sent once more. Owner: GrpcRuntime, or
// whoever calls a plugin. Thread: the loop. Cancelling the awaiting task cancels the call. Stops: stop(), also done by
// the destructor, refuses new calls and ends the running ones at once. Fails: every failure is an Outcome. Source:
// contract 02 §1; "gRPC over HTTP/2"; docs/architecture.md "gRPC".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/task.hpp"
#include "cri-client/grpc_call.hpp"
#include "cri-client/rpc.hpp"

namespace google::protobuf {
class MessageLite;
}

namespace keelson::cri {

// The messages of one call; for a stream response_message() is the newest.
class ExchangeBase {
 public:
  virtual ~ExchangeBase() = default;
  virtual const google::protobuf::MessageLite& request_message() const = 0;
  virtual google::protobuf::MessageLite& response_message() = 0;
};

struct TransportLimits {
  std::size_t max_receive_bytes = 16 << 20;
  // In which a server must have shown itself, once it has taken the connection.
  std::chrono::milliseconds connect_timeout{5000};
};

class Transport {
 public:
  Transport(base::Loop& loop, std::string path, TransportLimits limits = {});
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  const std::string& path() const { return path_; }

  base::Task<Outcome> unary(const char* method, std::shared_ptr<ExchangeBase> exchange,
                            std::optional<base::Duration> limit);
  // Calls `on_message` on the loop for each message, in their order, before more is read from the connection.
  base::Task<Outcome> read_stream(const char* method, std::shared_ptr<ExchangeBase> exchange,
                                  std::optional<base::Duration> limit, std::function<void()> on_message);

  void stop();
  std::size_t running() const;

 private:
  GrpcCall::Terms terms(GrpcCall::Shape shape, std::optional<base::Duration> limit) const;
  void send(const std::shared_ptr<GrpcCall>& call);

  base::Loop& loop_;
  std::string path_;
  TransportLimits limits_;
  std::shared_ptr<RunningCalls> calls_;
  std::shared_ptr<Link> link_;
  std::vector<std::weak_ptr<Link>> retired_;  // that end their calls
};

}  // namespace keelson::cri
