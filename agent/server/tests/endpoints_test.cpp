// Contract 05 §4, §5 and §6 as tables.
#include "agent/server/endpoints.hpp"

#include <gtest/gtest.h>

#include "agent/server/router.hpp"

namespace keelson::server {
namespace {

Outcome find(const std::string& method, const std::string& path, Port port = Port::read_write, Switches switches = {},
             std::optional<std::string_view> accept = std::nullopt, std::string_view query = {}) {
  Asked asked;
  asked.method = method;
  asked.path = path;
  asked.query = query;
  asked.accept = accept;
  return find_endpoint(port, switches, asked);
}

// "exec", or "404!" with a mark for what only those see who may ask.
std::string brief(const Outcome& outcome) {
  if (!outcome.endpoint.empty()) return std::string(outcome.endpoint) + (outcome.guarded ? "" : " unguarded");
  return std::to_string(outcome.response.status) + (outcome.guarded ? "!" : "");
}

struct Row {
  const char* method;
  const char* path;
  const char* expected;
};

void check(const std::vector<Row>& rows, Port port = Port::read_write, Switches switches = {}) {
  for (const Row& row : rows) {
    EXPECT_EQ(brief(find(row.method, row.path, port, switches)), row.expected) << row.method << " " << row.path;
  }
}

TEST(Endpoints, EachPathHasItsMethods) {
  check({{"GET", "/healthz", "healthz"},
         {"POST", "/healthz/ping", "healthz"},
         {"GET", "/healthz/log", "healthz"},
         {"GET", "/healthz/syncloop", "healthz"},
         {"GET", "/healthz/device-plugin", "healthz"},
         {"GET", "/healthz/nope", "404"},
         {"GET", "/healthz/", "404"},
         {"GET", "/pods", "pods"},
         {"GET", "/pods/", "pods"},
         {"POST", "/pods", "405!"},
         {"HEAD", "/pods", "405!"},
         {"GET", "/pods/x", "404!"},
         {"GET", "/runningpods/", "runningpods"},
         {"GET", "/runningpods", "307"},
         {"GET", "/runningpods/x", "404!"},
         {"GET", "/stats/summary", "stats/summary"},
         {"POST", "/stats/summary/", "stats/summary"},
         {"PUT", "/stats/summary", "405!"},
         {"GET", "/stats/", "404!"},
         {"GET", "/stats", "307"},
         {"GET", "/stats/container", "404!"},
         {"GET", "/stats/ns/pod/uid/c", "404!"},
         {"GET", "/metrics", "metrics"},
         {"DELETE", "/metrics/slis", "metrics/slis"},
         {"GET", "/metrics/cadvisor", "metrics/cadvisor"},
         {"GET", "/metrics/resource", "metrics/resource"},
         {"GET", "/metrics/probes", "metrics/probes"},
         {"HEAD", "/metrics", "metrics"},
         {"GET", "/metrics/", "404"},
         {"GET", "/metrics/resource/v1alpha1", "404"},
         {"GET", "/containerLogs/ns/pod/c", "containerLogs"},
         {"POST", "/containerLogs/ns/pod/c", "405!"},
         {"GET", "/containerLogs/ns/pod", "404!"},
         {"GET", "/containerLogs/ns/pod/uid/c", "404!"},
         {"GET", "/containerLogs", "404!"},
         {"POST", "/run/ns/pod/c", "run"},
         {"POST", "/run/ns/pod/uid/c", "run"},
         {"GET", "/run/ns/pod/c", "405!"},
         {"POST", "/run/ns/pod", "404!"},
         {"GET", "/exec/ns/pod/c", "exec"},
         {"POST", "/exec/ns/pod/uid/c", "exec"},
         {"PUT", "/exec/ns/pod/c", "405!"},
         {"GET", "/exec/ns/pod/uid/c/x", "404!"},
         {"GET", "/attach/ns/pod/c", "attach"},
         {"POST", "/portForward/ns/pod", "portForward"},
         {"GET", "/portForward/ns/pod/uid", "portForward"},
         {"GET", "/portForward/ns", "404!"},
         {"GET", "/portforward/ns/pod", "404"},
         {"GET", "/logs/", "logs"},
         {"GET", "/logs/pods/a/b.log", "logs"},
         {"HEAD", "/logs/x", "405!"},
         {"GET", "/logs", "307"},
         {"GET", "/debug/pprof/heap", "pprof"},
         {"GET", "/debug/pprof/a/b", "pprof"},
         {"GET", "/debug/pprof/", "404!"},
         {"GET", "/debug/pprof", "307"},
         {"PUT", "/debug/flags/v", "flags"},
         {"GET", "/debug/flags/v", "406!"},
         {"PUT", "/debug/flags", "404"},
         {"PUT", "/debug/flags/v/", "404"},
         {"GET", "/configz", "configz"},
         {"DELETE", "/configz", "configz"},
         {"GET", "/configz/", "404"},
         {"POST", "/checkpoint/ns/pod/c", "checkpoint"},
         {"GET", "/checkpoint/ns/pod/c", "405!"},
         {"POST", "/checkpoint", "307"},
         {"POST", "/checkpoint/ns/pod", "404!"},
         {"GET", "/statusz", "statusz"},
         {"POST", "/statusz", "405!"},
         {"GET", "/flagz", "flagz"},
         {"GET", "/", "404"},
         {"GET", "/spec", "404"},
         {"GET", "/cri/exec/x", "404"},
         {"GET", "/readyz", "404"},
         {"GET", "/livez", "404"},
         {"CONNECT", "", "404"}});
}

TEST(Endpoints, TheReadOnlyPortHasASubset) {
  check({{"GET", "/healthz", "healthz"},
         {"GET", "/pods", "pods"},
         {"GET", "/stats/summary", "stats/summary"},
         {"GET", "/metrics", "metrics"},
         {"GET", "/metrics/cadvisor", "metrics/cadvisor"},
         {"GET", "/runningpods/", "405!"},
         {"GET", "/containerLogs/ns/pod/c", "405!"},
         {"DELETE", "/run/", "405!"},
         {"POST", "/run/ns/pod/c", "405!"},
         {"POST", "/run", "307"},
         {"GET", "/exec/ns/pod/c", "405!"},
         {"GET", "/attach/x", "405!"},
         {"GET", "/portForward/x", "405!"},
         {"GET", "/logs/", "405!"},
         {"GET", "/debug/pprof/heap", "405!"},
         {"PUT", "/debug/flags/v", "404"},
         {"GET", "/configz", "404"},
         {"POST", "/checkpoint/ns/pod/c", "404"},
         {"GET", "/statusz", "404"},
         {"GET", "/flagz", "404"}},
        Port::read_only);
}

TEST(Endpoints, AreSwitchedOffOneByOne) {
  Switches none;
  none.debugging = false;
  EXPECT_EQ(find("GET", "/exec/ns/pod/c", Port::read_write, none).response.body, "Debug endpoints are disabled.\n");
  check({{"GET", "/runningpods/", "405!"}, {"GET", "/configz", "404"}, {"GET", "/pods", "pods"}}, Port::read_write,
        none);

  struct Case {
    bool Switches::*off;
    const char* path;
    const char* text;
  };
  const Case cases[] = {{&Switches::system_logs, "/logs/x", "logs endpoint is disabled.\n"},
                        {&Switches::profiling, "/debug/pprof/heap", "profiling endpoint is disabled.\n"},
                        {&Switches::flags, "/debug/flags/v", "flags endpoint is disabled.\n"}};
  for (const Case& row : cases) {
    Switches switches;
    switches.*row.off = false;
    const Outcome outcome = find("PUT", row.path, Port::read_write, switches);
    EXPECT_EQ(brief(outcome), "405!") << row.path;
    EXPECT_EQ(outcome.response.body, row.text);
    EXPECT_EQ(find_field(outcome.response.headers, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(brief(find("GET", "/exec/ns/pod/c", Port::read_write, switches)), "exec");
    switches.debugging = false;
    const bool flags = row.off == &Switches::flags;
    EXPECT_EQ(find("PUT", row.path, Port::read_write, switches).response.body,
              flags ? "404 page not found\n" : "Debug endpoints are disabled.\n");
  }
  Switches gates;
  gates.checkpoint = gates.statusz = gates.flagz = false;
  check({{"POST", "/checkpoint/ns/pod/c", "404"}, {"GET", "/statusz", "404"}, {"GET", "/flagz", "404"}},
        Port::read_write, gates);
}

TEST(Endpoints, UncleanPathsAreRedirected) {
  struct Case {
    const char* path;
    const char* query;
    const char* location;
  };
  const Case cases[] = {{"//pods", "", "/pods"},
                        {"/a/../pods", "x=1&y", "/pods?x=1&y"},
                        {"/a/../nowhere", "", "/nowhere"},
                        {"/logs//x/", "", "/logs/x/"},
                        {"/stats", "only_cpu=1", "/stats/?only_cpu=1"},
                        {"//stats", "", "/stats/"},
                        {"//evil.example/..", "", "/"},
                        {"/./\\evil", "", "/%5Cevil"}};
  for (const Case& row : cases) {
    const Outcome outcome = find("GET", row.path, Port::read_write, {}, std::nullopt, row.query);
    EXPECT_EQ(brief(outcome), "307") << row.path;
    EXPECT_EQ(find_field(outcome.response.headers, "Location"), row.location) << row.path;
  }
  EXPECT_EQ(find("GET", "//pods", Port::read_write, {}, std::nullopt, "a=b&c=d").response.body,
            "<a href=\"/pods?a=b&amp;c=d\">Temporary Redirect</a>.\n\n");
  EXPECT_EQ(find("POST", "//pods").response.body, "") << "only GET is told in words";
}

TEST(Endpoints, EncodedSlashesDoNotLeadAnywhereElse) {
  check({{"GET", "/%70ods", "pods"},
         {"GET", "/pods%2Fx", "404"},
         {"GET", "/metrics%2fcadvisor", "404"},
         {"GET", "/stats/..%2Fexec%2Fa%2Fb%2Fc", "404!"},
         {"GET", "/exec/a%2Fb/c", "exec"},
         {"GET", "/exec/a%2Fb/c/d/e", "404!"}});
}

TEST(Endpoints, JsonIsServedOnlyToThoseWhoTakeIt) {
  const std::pair<const char*, const char*> rows[] = {{"application/json", "pods"},
                                                      {"text/html, */*;q=0.1", "pods"},
                                                      {"text/plain;q=1 , application/json;v=1", "pods"},
                                                      {"", "pods"},
                                                      {"application/*", "406!"},
                                                      {"text/html", "406!"},
                                                      {"application/jsonx", "406!"}};
  for (const auto& [accept, expected] : rows) {
    EXPECT_EQ(brief(find("GET", "/pods", Port::read_write, {}, accept)), expected) << accept;
  }
  for (const char* path : {"/runningpods/", "/stats/summary"}) {
    EXPECT_EQ(brief(find("GET", path, Port::read_write, {}, "text/html")), "406!") << path;
  }
  const Outcome outcome = find("POST", "/checkpoint/a/b/c", Port::read_write, {}, "text/html");
  EXPECT_EQ(outcome.response.body, "406: Not Acceptable\n\nAvailable representations: application/json");
  EXPECT_EQ(brief(find("POST", "/run/a/b/c", Port::read_write, {}, "text/html")), "run");
}

TEST(Endpoints, AnswersHaveTheKubeletsWords) {
  EXPECT_EQ(find("GET", "/x").response.body, "404 page not found\n");
  EXPECT_EQ(find_field(find("GET", "/x").response.headers, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(find("GET", "/exec/x").response.body, "404: Page Not Found");
  const Response wrong = find("DELETE", "/exec/a/b/c").response;
  EXPECT_EQ(wrong.body, "405: Method Not Allowed");
  EXPECT_EQ(find_field(wrong.headers, "Allow"), "GET, POST");
  const Response flags = find("GET", "/debug/flags/v").response;
  EXPECT_EQ(flags.body, "unsupported http method\n");
  EXPECT_EQ(find_field(flags.headers, "Content-Type"), "text/plain");
}

TEST(Endpoints, PathsStandForSubresourcesOfTheNode) {
  const std::pair<const char*, const char*> rows[] = {{"/pods", "pods proxy"},
                                                      {"/pods/", "pods proxy"},
                                                      {"/podsx", "proxy"},
                                                      {"/runningpods/", "pods proxy"},
                                                      {"/healthz", "healthz proxy"},
                                                      {"/healthz/ping", "healthz proxy"},
                                                      {"/configz", "configz proxy"},
                                                      {"/stats/summary", "stats"},
                                                      {"/metrics", "metrics"},
                                                      {"/metrics/cadvisor", "metrics"},
                                                      {"/logs/", "log"},
                                                      {"/logs/x", "log"},
                                                      {"/checkpoint/a/b/c", "checkpoint"},
                                                      {"/statusz", "statusz"},
                                                      {"/flagz", "configz"},
                                                      {"/exec/a/b/c", "proxy"},
                                                      {"/run/a/b/c", "proxy"},
                                                      {"/containerLogs/a/b/c", "proxy"},
                                                      {"/debug/pprof/heap", "proxy"},
                                                      {"/debug/flags/v", "proxy"},
                                                      {"/", "proxy"},
                                                      {"", "proxy"}};
  for (const auto& [path, expected] : rows) {
    std::string joined;
    for (const auto name : subresources_of(path)) joined += (joined.empty() ? "" : " ") + std::string(name);
    EXPECT_EQ(joined, expected) << path;
  }
}

TEST(Endpoints, RequestsAreCountedByTheirFirstSegment) {
  const std::pair<const char*, const char*> rows[] = {{"/exec/a/b/c", "exec"},
                                                      {"/pods", "pods"},
                                                      {"/metrics", "metrics"},
                                                      {"/metrics/cadvisor", "metrics/cadvisor"},
                                                      {"/metrics/resource", "metrics/resource"},
                                                      {"/metrics/slis", "other"},
                                                      {"/metrics/", "other"},
                                                      {"/debug/pprof/heap", "debug"},
                                                      {"/healthz/ping", "healthz"},
                                                      {"/", "other"},
                                                      {"", "other"},
                                                      {"/spec", "other"},
                                                      {"/containerLogs/x", "containerLogs"},
                                                      {"/statusz", "statusz"}};
  for (const auto& [path, expected] : rows) EXPECT_EQ(metric_path(Port::read_write, {}, path), expected) << path;
  EXPECT_EQ(metric_path(Port::read_only, {}, "/debug/x"), "other");
  EXPECT_EQ(metric_path(Port::read_only, {}, "/exec/x"), "exec");
  EXPECT_EQ(metric_path(Port::read_only, {}, "/configz"), "other");
  EXPECT_EQ(metric_method("GET"), "GET");
  EXPECT_EQ(metric_method("PATCH"), "other");
  EXPECT_TRUE(is_long_running("exec"));
  EXPECT_TRUE(is_long_running("attach"));
  EXPECT_TRUE(is_long_running("debug"));
  EXPECT_FALSE(is_long_running("portForward"));
}

class Nothing final : public Handler {
 public:
  base::Task<void> handle(const Request&, Reply&) override { co_return; }
};

TEST(Router, WhatHasNoHandlerDoesNotExist) {
  Router router(Port::read_write, {});
  Nothing nothing;
  router.plug(endpoint::pods, nothing);
  Asked asked;
  asked.method = "GET";
  asked.path = "/pods";
  EXPECT_EQ(router.find(asked).handler, &nothing);
  EXPECT_TRUE(router.find(asked).guarded);
  asked.path = "/stats/summary";
  EXPECT_EQ(router.find(asked).handler, nullptr);
  EXPECT_EQ(router.find(asked).response.status, 404);
  EXPECT_FALSE(router.find(asked).guarded);
}

}  // namespace
}  // namespace keelson::server
