#include "agent/health/checks.hpp"

#include <gtest/gtest.h>

namespace keelson::agent {
namespace {

Status broken() { return Error(ErrorKind::unavailable, "no beat for 9s"); }

std::vector<CheckOutcome> kubelet_outcomes() {
  return {{"ping", {}}, {"log", {}}, {"syncloop", {}}, {"device-plugin", {}}};
}

std::vector<CheckOutcome> with_failure() { return {{"ping", {}}, {"log", {}}, {"syncloop", broken()}}; }

TEST(HealthAnswer, VerboseIsTheKubeletsWordForWord) {
  // Recorded from a kubelet v1.36.2: GET /healthz?verbose.
  const std::string recorded = "[+]ping ok\n[+]log ok\n[+]syncloop ok\n[+]device-plugin ok\nhealthz check passed\n";
  const HealthAnswer answer = health_answer("/healthz", {.verbose = true}, kubelet_outcomes());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, recorded);
}

TEST(HealthAnswer, FollowsTheTable) {
  struct Row {
    std::string name;
    std::string path;
    HealthQuery query;
    std::vector<CheckOutcome> outcomes;
    int status;
    std::string body;
  };
  const Row rows[] = {
      {"plain success is two letters", "/healthz", {}, kubelet_outcomes(), 200, "ok"},
      {"a failure is always verbose and withholds the reason",
       "/healthz",
       {},
       with_failure(),
       500,
       "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n"},
      {"an excluded failure passes",
       "/healthz",
       {true, {"syncloop"}},
       with_failure(),
       200,
       "[+]ping ok\n[+]log ok\n[+]syncloop excluded: ok\nhealthz check passed\n"},
      {"unknown exclusions are told, sorted and once",
       "/healthz",
       {true, {"zz", "aa", "zz", "log"}},
       with_failure(),
       500,
       "[+]ping ok\n[+]log excluded: ok\n[-]syncloop failed: reason withheld\n"
       "warn: some health checks cannot be excluded: no matches for \"aa\",\"zz\"\nhealthz check failed\n"},
      {"one check", "/healthz/ping", {}, with_failure(), 200, "ok"},
      {"one failing check says why",
       "/healthz/syncloop",
       {},
       with_failure(),
       500,
       "internal server error: no beat for 9s\n"},
      {"no such check", "/healthz/nope", {}, with_failure(), 404, "404 page not found\n"},
      {"trailing slash", "/healthz/", {}, with_failure(), 404, "404 page not found\n"},
      {"there is no livez", "/livez", {}, kubelet_outcomes(), 404, "404 page not found\n"},
      {"there is no readyz", "/readyz", {}, kubelet_outcomes(), 404, "404 page not found\n"},
      {"root", "/", {}, kubelet_outcomes(), 404, "404 page not found\n"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const HealthAnswer answer = health_answer(row.path, row.query, row.outcomes);
    EXPECT_EQ(answer.status, row.status);
    EXPECT_EQ(answer.body, row.body);
  }
}

TEST(HealthChecks, StartWithPingAndKeepTheirOrder) {
  HealthChecks checks;
  checks.add("log", [] { return Status(); });
  checks.add("syncloop", broken);
  checks.add("log", broken);
  const auto outcomes = checks.run();
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(outcomes[0].name, "ping");
  EXPECT_TRUE(outcomes[0].status.ok());
  EXPECT_EQ(outcomes[1].name, "log");
  EXPECT_FALSE(outcomes[1].status.ok()) << "the second add() of a name replaces the first";
  checks.remove("log");
  EXPECT_EQ(checks.run().size(), 2u);
}

TEST(HealthChecks, RunsOnlyTheChecksThatAreNamed) {
  HealthChecks checks;
  checks.add("pleg", broken);
  EXPECT_TRUE(checks.run({"ping"}).ok());
  const Status failed = checks.run({"ping", "pleg"});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().to_string(), "health check pleg: no beat for 9s");
  EXPECT_FALSE(checks.run({"nope"}).ok());
}

}  // namespace
}  // namespace keelson::agent
