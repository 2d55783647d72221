// Link: one HTTP/2 connection on a unix socket, with many calls side by side. Module-internal.
//
// nghttp2 is the engine; the socket is on the loop, so that a call costs neither a thread nor a wake-up of one. Calls
// wait until the server has shown itself by its SETTINGS. What calls have to send in one turn of the loop goes out at
// once. Owner: its Transport, and the handlers of its socket until close(). Thread: the loop. Stops: close(), which
// ends all its calls as broken; it closes itself when the peer goes or breaks the protocol. A server that says GOAWAY
// keeps its running calls and gets no more. Source: RFC 9113, "gRPC over HTTP/2".
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"

struct nghttp2_session;

namespace keelson::cri {

class GrpcCall;

class Link : public std::enable_shared_from_this<Link> {
 public:
  // `unavailable`, in Go's words, when nothing listens at `path`. The server has `patience` to show itself.
  static Result<std::shared_ptr<Link>> connect(base::Loop& loop, const std::string& path,
                                               std::chrono::milliseconds patience);
  Link(base::Loop& loop, boost::asio::local::stream_protocol::socket socket);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Whether it takes new calls.
  bool usable() const { return !closed_ && !retired_; }
  void carry(std::shared_ptr<GrpcCall> call);
  // The call has ended for us: the server is told when its stream is open.
  void let_go(GrpcCall& call);
  void close(const std::string& why);

 private:
  friend struct LinkCallbacks;

  void start(std::chrono::milliseconds patience);
  GrpcCall* find(std::int32_t stream) const;
  void submit(const std::shared_ptr<GrpcCall>& call);
  void settle();
  void retire();
  void answered(std::int32_t stream);
  void stream_closed(std::int32_t stream, std::uint32_t code);
  void read_on();
  void received(std::string_view data);
  void flush_soon();
  void flush();
  bool send_rest();
  void close_when_done();

  base::Loop& loop_;
  boost::asio::local::stream_protocol::socket socket_;
  boost::asio::steady_timer patience_;
  nghttp2_session* session_ = nullptr;
  bool settled_ = false;
  bool retired_ = false;
  bool closed_ = false;
  bool flushes_ = false;  // a flush is on its way, or waits for room in the socket
  std::vector<std::shared_ptr<GrpcCall>> waiting_;
  std::unordered_map<std::int32_t, std::shared_ptr<GrpcCall>> streams_;
  std::string out_;
  std::size_t out_sent_ = 0;
  std::string engine_says_;  // nghttp2's last complaint
  std::vector<char> in_;
};

}  // namespace keelson::cri
