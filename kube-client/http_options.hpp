// HttpTransportOptions and HttpTransportStats: the limits of an HttpTransport, and what it counts.
//
// Plain values; the defaults are the agent's, tests take shorter ones. Source: contract 01 §10; the API server's own
// default is 100 (before v1.29: 250) streams a connection.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::kube {

using Addresses = std::vector<boost::asio::ip::address>;
using ResolveFunction = std::function<base::Task<Result<Addresses>>(std::string host)>;

struct HttpTransportOptions {
  HttpTransportOptions() = default;  // no aggregate: see CONTRIBUTING about GCC 12

  bool http2 = true;  // the environment's DISABLE_HTTP2 turns it off as well

  base::Duration dial_limit = std::chrono::seconds(30);    // all addresses, proxy and TLS together
  base::Duration address_limit = std::chrono::seconds(5);  // one of several addresses
  base::Duration tls_limit = std::chrono::seconds(10);
  base::Duration redial_delay = std::chrono::seconds(1);  // after a further connection could not be made
  // An HTTP/2 connection that is silent for so long is asked for a sign of life, which it must give within ping_limit.
  base::Duration silence = std::chrono::seconds(5);
  base::Duration ping_limit = std::chrono::seconds(3);

  // So many HTTP/2 connections, unless the server's limit of streams is so low that `streams_wanted` do not fit.
  std::size_t connections = 2;
  std::size_t connections_limit = 32;
  std::size_t streams_wanted = 500;
  std::size_t streams_reserved = 8;   // which long-lived exchanges leave to others
  std::size_t streams_assumed = 100;  // until the server has said
  std::size_t idle_http1 = 8;
  std::size_t dials_http1 = 16;  // at a time

  std::size_t body_limit = 64 * 1024 * 1024;  // of a whole answer, decoded
  std::size_t header_limit = 64 * 1024;
  std::size_t stream_window = 256 * 1024;
  std::size_t connection_window = 1024 * 1024;

  ResolveFunction resolve;  // instead of the system's
};

struct HttpTransportStats {
  std::size_t connections = 0;
  std::size_t streams = 0;
  std::size_t waiting = 0;  // requests that wait for a connection
  std::size_t dialing = 0;
  std::uint64_t opened = 0;  // connections ever
  std::uint64_t resent = 0;  // requests that were sent a second time
};

}  // namespace keelson::kube
