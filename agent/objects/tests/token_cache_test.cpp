#include "agent/objects/token_cache.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/objects/tests/fake_server.hpp"
#include "api/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;
using testing::Cluster;
using testing::FakeServer;
using namespace std::chrono_literals;

class TokenCacheTest : public ::testing::Test {
 protected:
  TokenCacheTest() {
    cluster.server.answer = [this](const FakeServer::Request& request) { return grant(request); };
  }

  Result<kube::HttpResponse> grant(const FakeServer::Request& request) {
    if (!up) return Error(ErrorKind::maybe_applied, "connection reset");
    json answer = json::parse(request.body);
    const int seconds = longest.count() > 0
                            ? std::min<int>(static_cast<int>(longest.count()), answer["spec"]["expirationSeconds"])
                            : answer["spec"]["expirationSeconds"].get<int>();
    answer["spec"]["expirationSeconds"] = seconds;
    answer["status"]["token"] = "token-" + std::to_string(cluster.server.requests.size());
    answer["status"]["expirationTimestamp"] =
        api::format_time(api::make_time(cluster.clock.now() + std::chrono::seconds(seconds)));
    return kube::HttpResponse{201, {{"content-type", "application/json"}}, answer.dump()};
  }
  std::string token(const TokenQuery& query) {
    const auto got = cluster.run(cache.token(query));
    return got.ok() ? got->token : got.error().to_string();
  }
  std::size_t asked() const { return cluster.server.requests.size(); }

  Cluster cluster;
  bool up = true;
  std::chrono::seconds longest{0};
  std::vector<std::string> log;
  std::shared_ptr<base::LogSink> sink = std::make_shared<base::LogSink>(
      base::LogFormat::text, 9, [this](std::string_view line) { log.emplace_back(line); });
  TokenCache cache{cluster.client, cluster.random, base::Logger(sink)};
  TokenQuery query{"ns", "default", {}, 3607, "p", "uid-p"};
};

TEST_F(TokenCacheTest, AsksAsAKubeletDoes) {
  EXPECT_EQ(token(query), "token-1");
  const auto& request = cluster.server.requests.at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/api/v1/namespaces/ns/serviceaccounts/default/token");
  json body = json::parse(request.body);
  EXPECT_EQ(body.at("kind"), "TokenRequest");
  EXPECT_EQ(body.at("apiVersion"), "authentication.k8s.io/v1");
  EXPECT_TRUE(body.at("spec").at("audiences").empty());
  body.at("spec").erase("audiences");
  EXPECT_EQ(body.at("spec"), json::parse(R"({"expirationSeconds": 3607, "boundObjectRef":
      {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "uid-p"}})"));
  query.audiences = {"vault"};
  token(query);
  EXPECT_EQ(json::parse(cluster.server.requests.at(1).body).at("spec").at("audiences"), json({"vault"}));
}

TEST_F(TokenCacheTest, KeepsATokenForEachQuestion) {
  EXPECT_EQ(token(query), "token-1");
  EXPECT_EQ(token(query), "token-1");
  auto other = query;
  other.audiences = {"a"};
  EXPECT_EQ(token(other), "token-2");
  other = query;
  other.expiration_seconds = 600;
  EXPECT_EQ(token(other), "token-3");
  other = query;
  other.pod_uid = "uid-q";
  EXPECT_EQ(token(other), "token-4");
  other = query;
  other.service_account = "sa";
  EXPECT_EQ(token(other), "token-5");
  EXPECT_EQ(asked(), 5u);
}

TEST_F(TokenCacheTest, RenewsAfterFourFifthsOfItsLife) {
  query.expiration_seconds = 1000;
  token(query);
  cluster.clock.advance(790s);
  EXPECT_EQ(token(query), "token-1");
  cluster.clock.advance(11s);
  EXPECT_EQ(token(query), "token-2");
}

TEST_F(TokenCacheTest, RenewsAfterADayAtTheLatest) {
  query.expiration_seconds = 30 * 24 * 3600;
  token(query);
  cluster.clock.advance(24h - 10s);
  EXPECT_EQ(token(query), "token-1");
  cluster.clock.advance(11s);
  EXPECT_EQ(token(query), "token-2");
}

TEST_F(TokenCacheTest, GoesByTheLifeTheServerGave) {
  longest = 600s;
  token(query);
  cluster.clock.advance(481s);
  EXPECT_EQ(token(query), "token-2");
}

TEST_F(TokenCacheTest, SaysWhenTheNextIsDue) {
  query.expiration_seconds = 1000;
  const auto got = cluster.run(cache.token(query));
  EXPECT_EQ(got->expires - cluster.clock.now(), 1000s);
  EXPECT_EQ(got->renew_at - cluster.clock.now(), 800s);
  struct Row {
    std::chrono::seconds lifetime, early, due;
  };
  for (const Row& row : std::vector<Row>{{3607s, 0s, 2886s}, {604s, 9s, 475s}, {48h, 0s, 24h}, {30h, 5s, 24h - 5s}}) {
    const base::SystemTime issued{};
    EXPECT_EQ(renewal_time(issued + row.lifetime, row.lifetime, row.early) - issued, row.due) << row.lifetime.count();
  }
}

TEST_F(TokenCacheTest, UsesTheOldOneWhileItIsValid) {
  query.expiration_seconds = 1000;
  token(query);
  up = false;
  cluster.clock.advance(900s);
  EXPECT_EQ(token(query), "token-1");
  EXPECT_EQ(asked(), 2u);
  cluster.clock.advance(101s);
  const std::string error = token(query);
  EXPECT_NE(error.find("expired and refresh failed"), std::string::npos) << error;
  up = true;
  EXPECT_EQ(token(query), "token-4");
}

TEST_F(TokenCacheTest, NeverPutsATokenIntoTheLogOrAnError) {
  query.expiration_seconds = 1000;
  token(query);
  up = false;
  cluster.clock.advance(900s);
  token(query);
  cluster.clock.advance(101s);
  log.push_back(token(query));
  ASSERT_GE(log.size(), 2u);
  for (const auto& line : log) EXPECT_EQ(line.find("token-1"), std::string::npos) << line;
}

TEST_F(TokenCacheTest, SaysWhatCouldNotBeHad) {
  up = false;
  EXPECT_EQ(token(query), "failed to fetch token: connection reset");
  cluster.server.answer = [](const auto& request) {
    return kube::HttpResponse{201, {{"content-type", "application/json"}}, request.body};
  };
  EXPECT_EQ(token(query), "failed to fetch token: the API server's answer holds no token");
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(TokenCacheTest, ForgetsTheTokensOfAPodAndThoseThatExpired) {
  auto other = query;
  other.pod_uid = "uid-q";
  other.expiration_seconds = 7200;
  token(query);
  token(other);
  cache.forget_pod("uid-p");
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(token(query), "token-3");
  cluster.clock.advance(3608s);
  other.audiences = {"a"};
  token(other);
  EXPECT_EQ(cache.size(), 2u) << "that of uid-p has expired";
}

}  // namespace
}  // namespace keelson::agent
