// How an upgrade leaves an HTTP/1.1 connection: the connection's bytes for NodeStreams, or an answer like any other.
//
// Owner: the connection's serving task. Thread: the loop. What fails ends the connection.
#pragma once

#include <memory>
#include <string>

#include "tests/support/api/server_internal.hpp"

namespace keelson::fakes::server {

// A connection whose requests are over.
class RawConnection {
 public:
  virtual ~RawConnection() = default;
  virtual base::Task<std::string> take(std::size_t limit) = 0;  // empty: the client has ended
  virtual base::Task<bool> put(std::string bytes) = 0;
  virtual void end_putting() = 0;
  virtual void close_raw() = 0;
};

// Whether the request goes on to a node and wants the connection for it.
bool upgrades_to_node(const Host& host, const ApiRequest& request);

struct Upgraded {
  bool taken_over = false;  // nothing more is to be done
  ApiAnswer answer;
};
base::Task<Upgraded> upgrade_to_node(Host* host, PeerCertificate peer, ApiRequest request,
                                     std::shared_ptr<RawConnection> connection);

}  // namespace keelson::fakes::server
