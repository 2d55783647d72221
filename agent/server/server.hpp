// Server: one port of the node's API, from the listening socket to the end of every connection.
//
// With TLS and access control it is the HTTPS port, without both the read-only one. At the limit of connections the one
// that has waited longest for its request makes room; when none waits, new ones are closed at once. Owner: the wiring;
// what is given to start() outlives it. Thread: the loop. Stops: stop() cancels all and closes every connection, those
// that handlers took over as well; it waits for nobody. What fails: start(), when the address cannot be bound, which is
// fatal for the agent. Source: contract 05 §1.
#pragma once

#include <memory>

#include "agent/server/service.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::server {

class Server {
 public:
  Server(base::Loop& loop, base::Clock& clock, base::Logger log, const Router& router, ServerMetrics& metrics);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // `tls` and `access` are there for the read-write port and missing for the other.
  Status start(ServerOptions options, TlsContexts* tls, Access access);
  base::Task<void> stop();

  std::size_t connections() const;
  int port() const;  // that it listens on

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::server
