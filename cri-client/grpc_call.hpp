// GrpcCall: one call as it stands on the wire. Module-internal.
//
// Shared by the task that awaits it and by the link that carries it; whatever becomes of one, the other finds it whole.
// It ends once, by the first of: what the server says, a reset stream, a broken connection, its time limit, a message
// that is too large or cannot be read, abandon(). Thread: the loop. Nothing throws but ring(), by cancellation. Source:
// "gRPC over HTTP/2"; contract 02 §1; texts: Go's gRPC.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/grpc.hpp"
#include "base/loop.hpp"
#include "base/task.hpp"
#include "cri-client/rpc.hpp"

namespace google::protobuf {
class MessageLite;
}

namespace keelson::cri {

class Link;

class GrpcCall;

// The calls of a Transport that have not ended.
struct RunningCalls {
  explicit RunningCalls(base::Loop& owner) : loop(owner) {}

  base::Loop& loop;
  bool stopping = false;
  std::unordered_set<GrpcCall*> all;
};

class GrpcCall {
 public:
  enum class Shape { unary, stream };
  struct Terms {
    Shape shape = Shape::unary;
    std::optional<base::SteadyTime> deadline;
    std::size_t largest_message = 0;  // of those that come, bytes
  };

  // `request` with its prefix.
  GrpcCall(std::shared_ptr<RunningCalls> calls, std::string method, std::string request, Terms terms);
  ~GrpcCall();
  GrpcCall(const GrpcCall&) = delete;
  GrpcCall& operator=(const GrpcCall&) = delete;

  // --- for the task ---

  // Sleeps until something has changed; throws when the awaiting task is cancelled.
  base::Task<void> ring();
  // The next message of a stream, or that of a unary call that has ended. False: there is none (yet). One that cannot
  // be read ends the call, or makes its good end a failure.
  bool take(google::protobuf::MessageLite& message);
  bool done() const { return outcome_.has_value(); }
  // Of a call that is done.
  const Outcome& outcome() const { return *outcome_; }
  // The server has seen nothing of it, though there was a connection.
  bool untouched() const { return untouched_; }
  void abandon();
  void stop();
  // No connection could be made.
  void unreached(std::string text);

  // --- for the link ---

  const std::string& method() const { return method_; }
  const std::string& request() const { return request_; }
  std::optional<std::string> timeout() const;  // the header
  void header(std::string_view name, std::string_view value) { end_.header(name, value); }
  void data(std::string_view bytes);
  void closed(std::uint32_t http2_error);
  void broken(std::string text);

  Link* link = nullptr;     // while it carries this; told when the call ends otherwise than by it
  std::int32_t stream = 0;  // there; 0: not yet
  bool begun = false;       // its first frame has gone out
  std::size_t sent = 0;     // bytes of the request

 private:
  bool complete() const;
  bool ends_within_a_message() const;
  void end(Outcome outcome);
  void fail(int code, std::string text);
  void conclude();

  std::shared_ptr<RunningCalls> calls_;
  std::string method_;
  std::string request_;
  Terms terms_;
  boost::asio::steady_timer bell_;
  std::string answer_;     // what has come and was not taken
  std::size_t taken_ = 0;  // so much of its begin was
  base::GrpcEnd end_;
  bool untouched_ = false;
  bool ended_there_ = false;  // not by us: what came before counts
  std::optional<Outcome> outcome_;
};

}  // namespace keelson::cri
