// Transport: one gRPC channel to one unix socket, and the bridge from its reader's thread to the loop.
//
// The channel lives as long as the Transport and reconnects by itself (100 ms .. 3 s between tries). A call's request,
// response and context are shared state that lives until its last operation has ended, whatever became of the task that
// awaits it; that end is taken from gRPC's completion queue by one thread of ours, which only posts to the loop. Owner:
// GrpcRuntime. Thread: the loop. Cancelling the awaiting task cancels the call. Stops: stop() refuses new calls,
// cancels the running ones and completes when all have ended; drain(), also done by the destructor, then joins that
// thread, so that the Loop may be destroyed. Fails: every failure is an Outcome. Source: contract 02 §1; DESIGN "One
// loop"; STYLE rules 10, 11.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/task.hpp"
#include "cri-client/rpc.hpp"

namespace google::protobuf {
class MessageLite;
}

namespace keelson::cri {

// The messages of one call; for a stream `response()` holds the newest message.
class ExchangeBase {
 public:
  virtual ~ExchangeBase() = default;
  virtual const google::protobuf::MessageLite& request_message() const = 0;
  virtual google::protobuf::MessageLite& response_message() = 0;
};

struct TransportLimits {
  int max_receive_bytes = 16 << 20;
  std::chrono::milliseconds first_backoff{100};
  std::chrono::milliseconds longest_backoff{3000};
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
  // Calls `on_message` on the loop for each message; the next one is read only after it returned, so that at most one
  // is held here and the runtime feels the pressure.
  base::Task<Outcome> read_stream(const char* method, std::shared_ptr<ExchangeBase> exchange,
                                  std::optional<base::Duration> limit, std::function<void()> on_message);

  base::Task<void> stop();
  // Blocks until the calls that were cancelled have ended; at once after stop().
  void drain();
  std::size_t running() const;

 private:
  struct Hub;
  struct Channel;
  class Call;
  class UnaryCall;
  class StreamCall;

  base::Loop& loop_;
  std::string path_;
  std::shared_ptr<Hub> hub_;
  std::unique_ptr<Channel> channel_;
};

}  // namespace keelson::cri
