// HealthHandler: /healthz and /healthz/NAME on the node's port, and the counts that /metrics/slis shows of it.
//
// Only the checks of the kubelet are shown here, in its order; port 10248 (agent/health) has all of ours. Owner: the
// agent's wiring; `checks` outlives it. Thread: the loop; the checks answer at once. Stops: with the connection's task.
// What fails: nothing; a check that nobody has added is not shown. Counts change only when /healthz itself is asked.
// Source: contract 05 §6 "healthz", "check rules", §15; golden http/healthz-verbose.txt.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/health/checks.hpp"
#include "agent/metrics/page.hpp"
#include "agent/server/message.hpp"
#include "base/logger.hpp"

namespace keelson::node_api {

// Each is also a path: /healthz/ping.
inline constexpr std::array<const char*, 4> health_names = {"ping", "log", "syncloop", "device-plugin"};

struct HealthCount {
  bool passed = false;  // the last time
  std::uint64_t success = 0;
  std::uint64_t error = 0;
};
using HealthCounts = std::map<std::string, HealthCount>;  // by name of the check

// kubernetes_healthcheck and kubernetes_healthchecks_total.
void collect(const HealthCounts& counts, metrics::Page& page);

class HealthHandler final : public server::Handler {
 public:
  HealthHandler(const agent::HealthChecks& checks, base::Logger log) : checks_(checks), log_(std::move(log)) {}

  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

  const HealthCounts& counts() const { return counts_; }
  void reset_counts() { counts_.clear(); }

 private:
  std::vector<agent::CheckOutcome> run() const;
  void count(const std::vector<agent::CheckOutcome>& outcomes, const std::vector<std::string>& excluded);

  const agent::HealthChecks& checks_;
  base::Logger log_;
  HealthCounts counts_;
};

}  // namespace keelson::node_api
