// Dialer: makes connections to the API server, by name, address, proxy and TLS.
//
// All addresses of the name are tried in turn, beginning with the one that worked last; after trouble the next one
// comes first. Owner: HttpTransport. Thread: the loop; names are resolved on the blocking pool. Stops: with the
// awaiting task. Fails with `unavailable` and one line that names the server and the reason; `invalid` for a client
// certificate or an authority that cannot be used. Source: contract 01 §6.1, §10; RFC 9110 §9.3.6 (CONNECT).
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/logger.hpp"
#include "kube-client/channel.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/http_options.hpp"
#include "kube-client/proxy.hpp"

namespace keelson::kube {

struct Dialed {
  std::unique_ptr<Channel> channel;
  bool http2 = false;
};

// "host:port", with brackets around an IPv6 address.
std::string host_and_port(const std::string& host, const std::string& port);

class Dialer {
 public:
  Dialer(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, const Endpoint& endpoint,
         Credentials& credentials, std::string user_agent, const HttpTransportOptions& options, base::Logger log);

  base::Task<Result<Dialed>> dial();
  // The address in use is in trouble: the next dial begins with another one.
  void start_elsewhere() { ++first_; }
  // What is wrong with the configuration: no dial will work. Empty when nothing is.
  const std::string& problem() const { return problem_; }
  const Proxy* proxy() const { return proxy_ ? &*proxy_ : nullptr; }

 private:
  base::Task<Result<Dialed>> dial_all();
  base::Task<Result<Addresses>> resolve(std::string host);
  base::Task<Result<std::unique_ptr<Channel>>> connect(std::string host, std::string port, std::string* peer);
  base::Task<Result<std::unique_ptr<Channel>>> secure(std::unique_ptr<Channel> below, TlsContext context,
                                                      std::string name, std::string what);
  base::Task<Status> tunnel(Channel* channel);
  Result<TlsContext> context_for_server();

  base::Loop& loop_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  const Endpoint& endpoint_;
  Credentials& credentials_;
  std::string user_agent_;
  const HttpTransportOptions& options_;
  base::Logger log_;
  std::optional<Proxy> proxy_;
  std::string problem_;
  std::size_t first_ = 0;
  TlsContext context_;  // for context_identity_
  std::optional<Identity> context_identity_;
};

}  // namespace keelson::kube
