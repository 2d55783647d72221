// HealthServer: GET /healthz on the local health port, answered from threads of its own.
//
// It must be able to say that the loop has stalled, so nothing here touches the loop: each request runs the
// HealthChecks. Served: /healthz (`?verbose`, `?exclude=NAME` repeatable) and /healthz/NAME for each check, any method;
// all else is 404. Owner: main(). Thread: start() and stop() on one thread; requests on at most four others, each with
// a 1 s limit to send its request. Stops: stop() (or the destructor) returns within a second even while clients hang.
// What fails: start(): the address is taken, not ours or not an address; the error names it.
// Source: contract 05 §1 (10248), §6; contract 01 healthzPort, healthzBindAddress (0 = off).
// Beyond the kubelet, which serves only `ping` on this port: all the named checks are here too.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/health/checks.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct HealthServerOptions {
  std::string address = "127.0.0.1";
  int port = 10248;       // 0 = off: start() does nothing
  bool any_port = false;  // for tests: the kernel chooses, see port()
};

class HealthServer {
 public:
  // `checks` must outlive stop().
  explicit HealthServer(const HealthChecks& checks);
  ~HealthServer();
  HealthServer(const HealthServer&) = delete;
  HealthServer& operator=(const HealthServer&) = delete;

  // May be called again after a failure (the kubelet tries every 5 s).
  Status start(const HealthServerOptions& options);
  void stop();
  // The bound port, 0 when off or stopped.
  int port() const;

 private:
  struct State;
  const HealthChecks& checks_;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::agent
