// What the connections of one Server share: its options, who may ask, TLS, and who else is connected.
//
// Owner: the Server. Thread: the loop. Everything that it refers to outlives it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "agent/server/authenticator.hpp"
#include "agent/server/authorizer.hpp"
#include "agent/server/router.hpp"
#include "agent/server/server_metrics.hpp"
#include "agent/server/tls_contexts.hpp"
#include "agent/server/wire.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "base/loop.hpp"

namespace keelson::server {

struct ServerOptions {
  std::string address = "0.0.0.0";
  int port = 10250;  // 0: any that is free
  std::size_t max_connections = 10'000;
  std::size_t body_limit = 3u << 20;
  // Of input that is held, on all connections together: heads, which may be 1 MiB long before anybody is known, and
  // bodies, while their requests are answered.
  std::size_t input_limit = 64u << 20;
};

// Who may ask. Without both (the read-only port) nobody is asked.
struct Access {
  Authenticator* authenticator = nullptr;
  Authorizer* authorizer = nullptr;
};

struct Service {
  base::Loop& loop;
  base::Clock& clock;
  base::Logger log;
  const Router& router;
  ServerMetrics& metrics;
  ServerOptions options{};
  Access access{};
  TlsContexts* tls = nullptr;  // null: plain HTTP
  std::shared_ptr<Wires> wires = std::make_shared<Wires>();
  base::SteadyTime next_complaint{};  // about somebody who could not be authenticated
};

}  // namespace keelson::server
