// HealthChecks: the named checks behind /healthz and the systemd watchdog, and what is said about them.
//
// A check is a function that answers at once from atomics or a guarded snapshot: it is called from the health server's
// threads while the loop may be stalled, so it must never wait for the loop. `ping` is always there and always passes.
// Owner: main(). Thread: any; the list is guarded by a mutex (this is a bridge). A check must stay callable until
// remove() of its name, or the destruction, has returned. What fails: a name added twice replaces the first. Source:
// contract 05 §6 "Small endpoints" (healthz), golden http/healthz-verbose.txt.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

struct CheckOutcome {
  std::string name;
  Status status;
};

class HealthChecks {
 public:
  HealthChecks();

  void add(std::string name, std::function<Status()> check);
  void remove(const std::string& name);
  // All, in the order they were added.
  std::vector<CheckOutcome> run() const;
  // The first failure of the named checks, or success; a name that is not there is a failure.
  Status run(const std::vector<std::string>& names) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::function<Status()>>> checks_;
};

struct HealthQuery {
  bool verbose = false;
  std::vector<std::string> excluded;
};

struct HealthAnswer {
  int status = 200;
  std::string body;
};

// The answer to GET `path` for these outcomes, word for word as the kubelet gives it.
HealthAnswer health_answer(const std::string& path, const HealthQuery& query,
                           const std::vector<CheckOutcome>& outcomes);

}  // namespace keelson::agent
