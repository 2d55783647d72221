// Every path of the API with every kind of credentials that must not open it, and those that must.
#include <gtest/gtest.h>

#include "agent/server/tests/server_fixture.hpp"

namespace keelson::server::testing {
namespace {

using namespace std::chrono_literals;

struct Place {
  const char* method;
  const char* path;
};
const Place kPlaces[] = {{"GET", "/healthz"},
                         {"GET", "/healthz/ping"},
                         {"GET", "/healthz/log"},
                         {"GET", "/healthz/syncloop"},
                         {"GET", "/healthz/device-plugin"},
                         {"GET", "/pods"},
                         {"GET", "/pods/"},
                         {"GET", "/pods/x"},
                         {"GET", "/runningpods/"},
                         {"GET", "/stats/summary"},
                         {"POST", "/stats/summary"},
                         {"GET", "/stats/"},
                         {"GET", "/metrics"},
                         {"GET", "/metrics/cadvisor"},
                         {"GET", "/metrics/resource"},
                         {"GET", "/metrics/probes"},
                         {"GET", "/metrics/slis"},
                         {"DELETE", "/metrics/slis"},
                         {"GET", "/containerLogs/ns/pod/c"},
                         {"POST", "/run/ns/pod/c"},
                         {"POST", "/run/ns/pod/uid/c"},
                         {"GET", "/exec/ns/pod/c"},
                         {"POST", "/exec/ns/pod/c"},
                         {"POST", "/exec/ns/pod/uid/c"},
                         {"GET", "/attach/ns/pod/c"},
                         {"POST", "/attach/ns/pod/uid/c"},
                         {"GET", "/portForward/ns/pod"},
                         {"POST", "/portForward/ns/pod/uid"},
                         {"GET", "/logs/"},
                         {"GET", "/logs/pods/x"},
                         {"GET", "/debug/pprof/heap"},
                         {"GET", "/debug/pprof/"},
                         {"PUT", "/debug/flags/v"},
                         {"GET", "/debug/flags/v"},
                         {"GET", "/configz"},
                         {"POST", "/checkpoint/ns/pod/c"},
                         {"GET", "/statusz"},
                         {"GET", "/flagz"},
                         {"HEAD", "/pods"},
                         {"TRACE", "/exec/ns/pod/c"},
                         {"GET", "/exec/"},
                         {"GET", "/stats/..%2Fexec/a/b/c"}};

class MatrixTest : public ServerTest {
 protected:
  MatrixTest() {
    tokens_.users["valid"].name = "admin";
    tokens_.users["weak"].name = "guest";
    tokens_.users["weak"].groups = {"guests"};
  }
  // The status of every place that differs from `status`.
  void expect_everywhere(int status, const ClientTls& tls, const std::string& headers = {}) {
    TestClient client = connect(tls);
    for (const Place& place : kPlaces) {
      client.send(request(place.method, place.path, headers));
      const Answer answer = client.answer(std::string(place.method) == "HEAD");
      EXPECT_EQ(answer.status, status) << place.method << " " << place.path << ": " << answer.body;
    }
    EXPECT_EQ(echo_.calls, 0) << "no handler has seen any of it";
  }
};

TEST_F(MatrixTest, NobodyGetsInWithoutCredentials) {
  start();
  expect_everywhere(401, {});
  TestClient client = connect(ClientTls());
  const Answer answer = client.ask(get("/pods"));
  EXPECT_EQ(answer.body, "Unauthorized");
  EXPECT_EQ(answer.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(answer.header("WWW-Authenticate"), "");
}

TEST_F(MatrixTest, NobodyGetsInWithACertificateOfAnotherAuthority) {
  start();
  ClientTls tls;
  tls.identity = Authority("clients").issue(client("admin", {"system:masters"}));
  expect_everywhere(401, tls);
}

TEST_F(MatrixTest, NobodyGetsInWithAnExpiredCertificate) {
  start();
  Wish expired = client("admin");
  expired.to = kBeginning - 1s;
  expect_everywhere(401, as(expired));
}

TEST_F(MatrixTest, NobodyGetsInWhoseCertificateExpiresMeanwhile) {
  start();
  TestClient client = connect();
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
  clock_.advance(89s);
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
  clock_.jump_system(25h);
  EXPECT_EQ(client.ask(get("/pods")).status, 401);
}

TEST_F(MatrixTest, NobodyGetsInWithAServersCertificate) {
  start();
  expect_everywhere(401, as(server("admin")));
}

TEST_F(MatrixTest, NobodyGetsInWithAnUnknownOrMalformedToken) {
  start();
  expect_everywhere(401, {}, "Authorization: Bearer nope\r\n");
  expect_everywhere(401, {}, "Authorization: Bearer\r\n");
  expect_everywhere(401, {}, "Authorization: Basic YWRtaW46YWRtaW4=\r\n");
  expect_everywhere(401, {},
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: "
                    "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.bm9wZQ\r\n");
}

TEST_F(MatrixTest, NobodyGetsInWithARevokedToken) {
  start();
  TestClient client = connect(ClientTls());
  const std::string asked = get("/pods", "Authorization: Bearer valid\r\n");
  EXPECT_EQ(client.ask(asked).status, 200);
  tokens_.users.erase("valid");
  echo_.calls = 0;
  clock_.advance(89s);
  EXPECT_EQ(client.ask(asked).status, 200) << "the answer is kept for two minutes";
  clock_.advance(31s);
  EXPECT_EQ(client.ask(asked).status, 401);
  echo_.calls = 0;
  expect_everywhere(401, {}, "Authorization: Bearer valid\r\n");
}

TEST_F(MatrixTest, NobodyGetsInOfTheWrongGroup) {
  start();
  expect_everywhere(403, as(client("guest", {"guests"})));
  expect_everywhere(403, {}, "Authorization: Bearer weak\r\n");
}

TEST_F(MatrixTest, NobodyGetsInWhileTheApiServerCannotBeAsked) {
  start();
  tokens_.failures.assign(1000, Error(ErrorKind::unavailable, "cannot connect"));
  expect_everywhere(401, {}, "Authorization: Bearer valid\r\n");
  access_.failures.assign(1000, Error(ErrorKind::unavailable, "cannot connect"));
  expect_everywhere(500, as(client("admin")));
}

TEST_F(MatrixTest, TheAnonymousUserMayWhatTheyAreAllowed) {
  anonymous_ = true;
  access_.allowed = {"system:anonymous get healthz"};
  start();
  TestClient client = connect(ClientTls());
  EXPECT_EQ(client.ask(get("/healthz")).status, 200);
  const Answer refused = client.ask(get("/pods"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body, "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[pods proxy])\n");
  EXPECT_EQ(client.ask(get("/healthz", "Authorization: Bearer nope\r\n")).status, 401)
      << "who shows something bad is not anonymous";
}

TEST_F(MatrixTest, AFineGrainedRightOpensItsPathsAlone) {
  start();
  access_.allowed = {"scraper get metrics"};
  TestClient client = connect(as(testing::client("scraper")));
  EXPECT_EQ(client.ask(get("/metrics/cadvisor")).status, 200);
  EXPECT_EQ(client.ask(get("/pods")).status, 403);
  EXPECT_EQ(client.ask(request("POST", "/metrics")).status, 403) << "another verb";
  access_.allowed = {"old get proxy"};
  TestClient old = connect(as(testing::client("old")));
  EXPECT_EQ(old.ask(get("/pods")).status, 200) << "proxy opens what it always did";
  EXPECT_EQ(old.ask(get("/containerLogs/a/b/c")).status, 200);
  EXPECT_EQ(old.ask(get("/metrics")).status, 403);
}

TEST_F(MatrixTest, TheRightCredentialsOpenEverything) {
  start();
  for (const auto& [tls, headers] : {std::pair(as(client("admin")), std::string()),
                                     std::pair(ClientTls(), std::string("Authorization: Bearer valid\r\n"))}) {
    TestClient client = connect(tls);
    for (const Place& place : kPlaces) {
      client.send(request(place.method, place.path, headers));
      const int status = client.answer(std::string(place.method) == "HEAD").status;
      EXPECT_TRUE(status == 200 || status == 404 || status == 405 || status == 406) << place.path << " " << status;
    }
  }
  EXPECT_GT(echo_.calls, 60);
}

TEST_F(MatrixTest, AlwaysAllowStillWantsToKnowWhoAsks) {
  always_allow_ = true;
  start();
  expect_everywhere(401, {});
  TestClient client = connect(as(testing::client("anybody")));
  EXPECT_EQ(client.ask(get("/configz")).status, 200);
}

TEST_F(MatrixTest, WhatIsNotThereIsToldToEverybody) {
  start();
  TestClient client = connect(ClientTls());
  EXPECT_EQ(client.ask(get("/nothing")).status, 404);
  EXPECT_EQ(client.ask(get("//pods")).status, 307);
  EXPECT_EQ(client.ask(get("/stats")).status, 307);
  EXPECT_EQ(client.ask(get("/metrics/")).status, 404);
}

TEST_F(MatrixTest, TheReadOnlyPortAsksNobodyAndServesASubset) {
  start();
  TestClient client = connect_plain();
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
  EXPECT_EQ(echo_.last->user, User());
  EXPECT_EQ(client.ask(get("/metrics/cadvisor")).status, 200);
  const Answer disabled = client.ask(get("/exec/ns/pod/c"));
  EXPECT_EQ(disabled.status, 405);
  EXPECT_EQ(disabled.body, "Debug endpoints are disabled.\n");
  EXPECT_EQ(client.ask(get("/configz")).status, 404);
  EXPECT_EQ(tokens_.calls, 0);
  EXPECT_TRUE(access_.asked.empty());
}

TEST_F(MatrixTest, ComplaintsAboutStrangersAreRare) {
  start();
  TestClient client = connect(ClientTls());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.ask(get("/pods")).status, 401);
  const auto warnings = std::count_if(log_lines_.begin(), log_lines_.end(), [](const std::string& line) {
    return line.starts_with("W") && line.find("Unable to authenticate") != std::string::npos;
  });
  EXPECT_EQ(warnings, 1);
}

}  // namespace
}  // namespace keelson::server::testing
