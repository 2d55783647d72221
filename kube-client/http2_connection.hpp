// Http2Connection: HTTP/2 with many exchanges side by side, on nghttp2's engine.
//
// Flow control: a stream's window opens only as its body is taken, the connection's at once, so that a slow reader
// stops its own stream and no other. A silent connection that carries streams is pinged and given up when nothing comes
// back (options silence, ping_limit); one that carries none costs no timer. GOAWAY retires it. Owner, thread, stop: see
// connection.hpp. An answer that breaks the protocol fails with `invalid`. Source: RFC 9113; contract 01 §10.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kube-client/connection.hpp"

struct nghttp2_session;

namespace keelson::kube {

class Http2Connection final : public Connection {
 public:
  Http2Connection(ConnectionContext& context, std::unique_ptr<Channel> channel);
  ~Http2Connection() override;

  void start(base::Gate& gate) override;
  bool carry(std::shared_ptr<Exchange> exchange) override;
  std::size_t streams() const override { return open_; }
  std::size_t capacity() const override;
  bool settled() const override { return limit_.has_value(); }
  void give_up(Exchange& exchange) override;
  void consumed(Exchange& exchange, std::size_t size) override;

 protected:
  std::vector<std::shared_ptr<Exchange>> exchanges() const override;
  void on_input(std::string_view data) override;
  bool has_output() const override;
  void next_output(std::string& out) override;
  void on_closed() override;

 private:
  friend struct Http2Callbacks;
  using Streams = std::unordered_map<std::int32_t, std::shared_ptr<Exchange>>;

  static base::Task<void> watch_peer(std::shared_ptr<Http2Connection> self);
  Exchange* find(std::int32_t stream);
  void head_received(Exchange& exchange, bool end);
  bool header_received(Exchange& exchange, std::string_view name, std::string_view value);
  void stream_closed(std::int32_t stream, std::uint32_t code);
  void going_away(std::uint32_t code, std::string_view text);
  void settings_received();
  void close_when_done();

  nghttp2_session* session_ = nullptr;
  Streams streams_;       // those that somebody still waits for
  std::size_t open_ = 0;  // given up ones included, until they are closed
  std::optional<std::size_t> limit_;
  bool peer_leaves_ = false;  // GOAWAY came
  std::string engine_says_;   // nghttp2's last complaint
  base::Notification busy_;
};

}  // namespace keelson::kube
