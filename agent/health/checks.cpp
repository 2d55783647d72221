#include "agent/health/checks.hpp"

#include <algorithm>
#include <set>

namespace keelson::agent {

HealthChecks::HealthChecks() {
  add("ping", [] { return Status(); });
}

void HealthChecks::add(std::string name, std::function<Status()> check) {
  std::lock_guard lock(mutex_);
  for (auto& [known, function] : checks_) {
    if (known != name) continue;
    function = std::move(check);
    return;
  }
  checks_.emplace_back(std::move(name), std::move(check));
}

void HealthChecks::remove(const std::string& name) {
  std::lock_guard lock(mutex_);
  std::erase_if(checks_, [&](const auto& entry) { return entry.first == name; });
}

std::vector<CheckOutcome> HealthChecks::run() const {
  std::lock_guard lock(mutex_);
  std::vector<CheckOutcome> outcomes;
  outcomes.reserve(checks_.size());
  for (const auto& [name, check] : checks_) outcomes.push_back({name, check()});
  return outcomes;
}

Status HealthChecks::run(const std::vector<std::string>& names) const {
  const auto outcomes = run();
  for (const auto& name : names) {
    const auto found = std::find_if(outcomes.begin(), outcomes.end(),
                                    [&](const CheckOutcome& outcome) { return outcome.name == name; });
    if (found == outcomes.end()) return Error(ErrorKind::not_found, "there is no health check named " + name);
    if (!found->status.ok()) return found->status.error().wrap("health check " + name);
  }
  return {};
}

namespace {

HealthAnswer all_checks(const HealthQuery& query, const std::vector<CheckOutcome>& outcomes) {
  std::set<std::string> unmatched(query.excluded.begin(), query.excluded.end());
  const std::set<std::string> excluded = unmatched;
  std::string lines;
  bool failed = false;
  for (const auto& [name, status] : outcomes) {
    if (excluded.contains(name)) {
      unmatched.erase(name);
      lines += "[+]" + name + " excluded: ok\n";
    } else if (status.ok()) {
      lines += "[+]" + name + " ok\n";
    } else {
      failed = true;
      lines += "[-]" + name + " failed: reason withheld\n";
    }
  }
  if (!unmatched.empty()) {
    std::string names;
    for (const auto& name : unmatched) names += (names.empty() ? "\"" : ",\"") + name + "\"";
    lines += "warn: some health checks cannot be excluded: no matches for " + names + "\n";
  }
  if (failed) return {500, lines + "healthz check failed\n"};
  if (!query.verbose) return {200, "ok"};
  return {200, lines + "healthz check passed\n"};
}

}  // namespace

HealthAnswer health_answer(const std::string& path, const HealthQuery& query,
                           const std::vector<CheckOutcome>& outcomes) {
  static const std::string root = "/healthz";
  if (path == root) return all_checks(query, outcomes);
  for (const auto& [name, status] : outcomes) {
    if (path != root + "/" + name) continue;
    if (status.ok()) return {200, "ok"};
    return {500, "internal server error: " + status.error().to_string() + "\n"};
  }
  return {404, "404 page not found\n"};
}

}  // namespace keelson::agent
