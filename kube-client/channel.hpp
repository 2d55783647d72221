// Channel: a byte stream to the server, plain or through TLS.
//
// Made by connect_tcp() and secured, if need be twice (a proxy that is spoken to over TLS), by start_tls(). Owner: a
// Connection, or the Dialer while it makes one. Thread: the loop. One read and one write may be pending at a time;
// close() ends both. Source: contract 01 §10; RFC 8446.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "kube-client/tls.hpp"

namespace keelson::kube {

class Channel {
 public:
  virtual ~Channel() = default;
  virtual base::Task<std::size_t> read_some(char* data, std::size_t size, boost::system::error_code& error) = 0;
  virtual base::Task<void> write(const char* data, std::size_t size, boost::system::error_code& error) = 0;
  virtual void close() = 0;
  // What the two sides agreed upon by ALPN; empty without TLS.
  virtual std::string protocol() const { return {}; }
};

// What is wrong, in words of use to a person.
std::string describe(const boost::system::error_code& error);
// The other side told us by a TLS alert that it wants nothing to do with us (our certificate, mostly).
bool is_tls_alert(const boost::system::error_code& error);

// A connected socket that notices a dead peer by itself within `dead_after`.
base::Task<Result<std::unique_ptr<Channel>>> connect_tcp(base::Loop& loop, boost::asio::ip::tcp::endpoint to,
                                                         base::Duration dead_after);
// `what` names the server for errors: "kube.example:6443 (10.0.0.1:6443)".
base::Task<Result<std::unique_ptr<Channel>>> start_tls(std::unique_ptr<Channel> below, TlsContext context,
                                                       std::string server_name, std::string what);

}  // namespace keelson::kube
