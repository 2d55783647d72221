// HttpTransport: requests to the API server over real connections: HTTP/2, or HTTP/1.1 where that is all there is.
//
// It adds authority, authorization, user agent and gzip; keeps the connections (connection_pool.hpp) and replaces them
// when our certificate changes or their peer is dead; sends once more what the server cannot have seen, a GET whose
// reused connection broke before an answer, and what was answered 401 when the authorization is another one by then.
// Owner: the agent's wiring or a test; the loop, the clock, the pool and the credentials outlive it. Thread: the loop.
// Stops: stop(), which fails all requests in progress with `cancelled` and waits for the connections' tasks; it must
// have been awaited before destruction. Streams may be destroyed later than that. Failures: see transport.hpp.
// Environment: DISABLE_HTTP2 (anything) means HTTP/1.1 only. Source: contract 01 §6.1, §10.
#pragma once

#include <memory>
#include <string>

#include "base/blocking_pool.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/http_options.hpp"
#include "kube-client/transport.hpp"

namespace keelson::kube {

class HttpTransport final : public Transport {
 public:
  HttpTransport(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, Endpoint endpoint,
                Credentials& credentials, std::string user_agent, base::Logger log,
                HttpTransportOptions options = HttpTransportOptions());
  ~HttpTransport() override;

  base::Task<Result<HttpResponse>> send(HttpRequest request, base::Duration limit) override;
  base::Task<Result<std::unique_ptr<HttpStream>>> open(HttpRequest request, base::Duration limit) override;
  void close_idle() override;
  void close_all() override;

  base::Task<void> stop();
  HttpTransportStats stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // calls that have not unwound yet hold it, too
};

}  // namespace keelson::kube
