#include "agent/node_api/health.hpp"

#include <algorithm>
#include <utility>

#include "agent/node_api/answers.hpp"

namespace keelson::node_api {
namespace {

constexpr const char* kRoot = "/healthz";
constexpr const char* kType = "healthz";

}  // namespace

void collect(const HealthCounts& counts, metrics::Page& page) {
  auto& last = page.family("kubernetes_healthcheck", metrics::Type::gauge, metrics::Stability::stable,
                           "This metric records the result of a single healthcheck.");
  auto& total = page.family("kubernetes_healthchecks_total", metrics::Type::counter, metrics::Stability::stable,
                            "This metric records the results of all healthcheck.");
  for (const auto& [name, count] : counts) {
    last.add({{"name", name}, {"type", kType}}, count.passed ? 1 : 0);
    const std::pair<const char*, std::uint64_t> sides[] = {{"error", count.error}, {"success", count.success}};
    for (const auto& [status, times] : sides) {
      if (times == 0) continue;
      total.add({{"name", name}, {"status", status}, {"type", kType}}, static_cast<double>(times));
    }
  }
}

std::vector<agent::CheckOutcome> HealthHandler::run() const {
  std::vector<agent::CheckOutcome> all = checks_.run();
  std::vector<agent::CheckOutcome> shown;
  for (const char* name : health_names) {
    for (auto& outcome : all) {
      if (outcome.name == name) shown.push_back(std::move(outcome));
    }
  }
  return shown;
}

void HealthHandler::count(const std::vector<agent::CheckOutcome>& outcomes, const std::vector<std::string>& excluded) {
  for (const auto& [name, status] : outcomes) {
    if (std::find(excluded.begin(), excluded.end(), name) != excluded.end()) continue;
    HealthCount& count = counts_[name];
    count.passed = status.ok();
    ++(status.ok() ? count.success : count.error);
    // The answer withholds the reason; the log does not.
    if (!status.ok()) log_.debug(2, "A health check failed", {{"check", name}, {"err", status.error()}});
  }
}

base::Task<void> HealthHandler::handle(const server::Request& request, server::Reply& reply) {
  agent::HealthQuery query;
  query.verbose = request.query_value("verbose").has_value();
  query.excluded = request.query_values("exclude");
  const auto outcomes = run();
  const bool whole = request.path == kRoot;
  if (whole) count(outcomes, query.excluded);

  agent::HealthAnswer found = agent::health_answer(request.path, query, outcomes);
  server::Response response = server::plain_text(found.status, std::move(found.body));
  if (whole || found.status != 200) response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  co_await answer(reply, std::move(response));
}

}  // namespace keelson::node_api
