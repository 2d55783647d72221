// Connection: one client's connection from the TLS handshake to its end, request after request.
//
// Each request: read its head, find its endpoint, find out who asks and whether they may, read its body, run the
// handler. While that runs the client is watched: when it goes, the task is cancelled; one that has only ended its own
// side still gets a short answer. A handler may take the connection over. Owner: serve(), a task in the Server's gate.
// Thread: the loop. Stops: with its task. Limits: 10 s for the handshake, 90 s idle, 32 s for a head from its first
// byte, 60 s without a byte of a body, 4 h for a request, 30 s to take an answer of our own, 5 min for
// each 64 KiB of a handler's long one. Source: contract 05 §1,
// §5; RFC 9112.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/server/reply.hpp"
#include "agent/server/request_parser.hpp"
#include "agent/server/service.hpp"
#include "agent/server/wire.hpp"
#include "base/interruption.hpp"
#include "base/task.hpp"

namespace keelson::server {

class Connection {
 public:
  Connection(Service& service, std::shared_ptr<Wire> wire);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  base::Task<void> run();

 private:
  enum class BodyEnd { complete, too_large, bad, slow, gone };

  base::Task<bool> secure();
  // False: no request comes any more, or one that cannot be understood.
  base::Task<bool> read_head();
  // Whether another request may follow.
  base::Task<bool> exchange();
  base::Task<void> respond(Request& request, HttpReply& reply);
  base::Task<std::optional<Response>> admit(Request& request);
  base::Task<BodyEnd> read_body(std::string& body);
  // True: the body is out of the way, and the connection can be kept.
  base::Task<bool> discard_body();
  // An answer of our own, for which no handler needs the body.
  base::Task<void> answer(HttpReply& reply, Response response);
  base::Task<void> refuse(BadRequest bad);
  base::Task<void> linger();

  // Nothing: the request is filled in from its head.
  std::optional<Response> fill(Request& request);
  void begin_exchange(HttpReply& reply);
  void complain(const Error& why, const Request& request);
  void report(const Request& request, const HttpReply& reply, base::SteadyTime begun) const;

  void watch();
  void stop_watching();
  void peer_ended();
  void count_input(std::size_t size);
  // All that came and is held here.
  void count_input();
  bool too_much_input() const;

  Service& service_;
  base::Clock& clock_;
  std::shared_ptr<Wire> wire_;
  std::string input_;  // what has come and was not understood yet
  std::size_t counted_ = 0;
  std::size_t body_size_ = 0;  // of the request in hand
  std::unique_ptr<RequestParser> parser_;

  // Of the request in hand:
  base::SteadyTime end_{};
  bool expects_continue_ = false;
  bool body_done_ = false;
  bool streaming_ = false;
  bool peer_ended_ = false;
  bool peer_gone_ = false;
  base::Interruption interruption_;
  std::unique_ptr<base::Alarm> limit_;
  std::unique_ptr<base::Alarm> grace_;
  std::unique_ptr<Wire::Readable> readable_;
};

// The task of one connection.
base::Task<void> serve(std::shared_ptr<Connection> connection);

}  // namespace keelson::server
