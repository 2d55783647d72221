#include "agent/node_api/health.hpp"

#include "agent/node_api/tests/fake_reply.hpp"

namespace keelson::node_api {
namespace {

using testing::ask;
using testing::FakeReply;
using testing::get;

class NodeHealth : public ::testing::Test {
 protected:
  NodeHealth() {
    checks_.add("device-plugin", [this] { return device_plugin_; });
    checks_.add("pleg", [] { return Status(Error(ErrorKind::unavailable, "not a check of the kubelet")); });
    checks_.add("syncloop", [] { return Status(); });
    checks_.add("log", [] { return Status(); });
  }
  void fail() { device_plugin_ = Error(ErrorKind::unavailable, "no registration socket"); }
  std::string series() {
    metrics::Page page;
    collect(handler_.counts(), page);
    std::string lines;
    for (const auto& [name, family] : page.families()) {
      for (const auto& sample : family.samples()) {
        lines += name;
        for (const auto& [label, value] : sample.labels) lines += " " + label + "=" + value;
        lines += " " + std::to_string(static_cast<int>(sample.value)) + "\n";
      }
    }
    return lines;
  }

  Status device_plugin_;
  agent::HealthChecks checks_;
  HealthHandler handler_{checks_, base::Logger()};
};

TEST_F(NodeHealth, IsOkInOneWord) {
  const FakeReply reply = ask(handler_, get("/healthz"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "ok");
  EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff");
}

TEST_F(NodeHealth, VerboseIsAsTheKubeletsRecording) {
  EXPECT_EQ(ask(handler_, get("/healthz?verbose")).body, testing::golden("http/healthz-verbose.txt"));
}

TEST_F(NodeHealth, ExcludedChecksAreOkAndUnknownOnesAreWarnedOf) {
  fail();
  const FakeReply reply = ask(handler_, get("/healthz?verbose&exclude=device-plugin&exclude=log&exclude=etcd"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body,
            "[+]ping ok\n[+]log excluded: ok\n[+]syncloop ok\n[+]device-plugin excluded: ok\n"
            "warn: some health checks cannot be excluded: no matches for \"etcd\"\nhealthz check passed\n");
}

TEST_F(NodeHealth, AFailureIsAlwaysVerboseAndKeepsItsReason) {
  fail();
  const FakeReply reply = ask(handler_, get("/healthz"));
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body,
            "[+]ping ok\n[+]log ok\n[+]syncloop ok\n[-]device-plugin failed: reason withheld\nhealthz check failed\n");
  EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff");
}

TEST_F(NodeHealth, ASingleCheckSaysWhy) {
  fail();
  const FakeReply bad = ask(handler_, get("/healthz/device-plugin"));
  EXPECT_EQ(bad.status, 500);
  EXPECT_EQ(bad.body, "internal server error: no registration socket\n");
  const FakeReply good = ask(handler_, get("/healthz/log"));
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.body, "ok");
  EXPECT_EQ(good.header("X-Content-Type-Options"), "");
  EXPECT_EQ(ask(handler_, get("/healthz/pleg")).status, 404) << "the kubelet has no such check";
}

TEST_F(NodeHealth, CountsOnlyWhatTheWholePageHasRun) {
  ask(handler_, get("/healthz/ping"));
  EXPECT_EQ(series(), "");
  ask(handler_, get("/healthz?exclude=log"));
  fail();
  ask(handler_, get("/healthz?exclude=log"));
  EXPECT_EQ(series(),
            "kubernetes_healthcheck name=device-plugin type=healthz 0\n"
            "kubernetes_healthcheck name=ping type=healthz 1\n"
            "kubernetes_healthcheck name=syncloop type=healthz 1\n"
            "kubernetes_healthchecks_total name=device-plugin status=error type=healthz 1\n"
            "kubernetes_healthchecks_total name=device-plugin status=success type=healthz 1\n"
            "kubernetes_healthchecks_total name=ping status=success type=healthz 2\n"
            "kubernetes_healthchecks_total name=syncloop status=success type=healthz 2\n");
  handler_.reset_counts();
  EXPECT_EQ(series(), "");
}

TEST_F(NodeHealth, TheLogHasTheReasonThatTheAnswerWithholds) {
  std::string log;
  const auto sink =
      std::make_shared<base::LogSink>(base::LogFormat::text, 2, [&](std::string_view line) { log += line; });
  HealthHandler handler(checks_, base::Logger(sink));
  fail();
  ask(handler, get("/healthz"));
  EXPECT_NE(log.find("no registration socket"), std::string::npos) << log;
}

}  // namespace
}  // namespace keelson::node_api
