// TokenAuthenticator, Authenticator and Authorizer by themselves, on virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/server/endpoints.hpp"
#include "agent/server/tests/server_fixture.hpp"
#include "api/base64.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::server::testing {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;
using Found = Result<std::optional<User>>;

class AccessTest : public ::testing::Test {
 protected:
  AccessTest() {
    tokens_.users["good"].name = "alice";
    tokens_.users["good"].uid = "u";
    tokens_.users["good"].groups = {"dev"};
    tokens_.users["good"].extra["scope"] = {"a", "b"};
  }
  ~AccessTest() override {
    std::vector<std::shared_ptr<std::optional<Found>>> none;
    base::Gate gate(loop_);
    base::spawn(gate, "stop", token_authenticator_.stop());
    pump(loop_, [&] { return gate.tasks() == 0; });
    stop_tasks();
  }
  void stop_tasks() {
    base::Gate gate(loop_);
    base::spawn(gate, "stop", tasks_.stop());
    pump(loop_, [&] { return gate.tasks() == 0; });
  }

  // Runs until nothing is left to do but to let time pass.
  template <class T>
  std::shared_ptr<std::optional<T>> start(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::spawn(tasks_, "question", base::internal::keep_result<T>(std::move(task), place));
    base::testing::drain(loop_);
    return place;
  }
  template <class T>
  T now(base::Task<T> task) {
    auto place = start(std::move(task));
    KEELSON_CHECK(place->has_value());
    return std::move(**place);
  }
  Found ask(const std::string& token) { return now(token_authenticator_.authenticate(token)); }

  Request request(Fields headers) {
    Request request;
    request.headers = std::move(headers);
    return request;
  }
  Result<User> authenticate(Request& request, const PeerCertificates& peer = {}) {
    Authentication methods;
    methods.client_ca = client_ca_.get();
    methods.tokens = with_tokens_ ? &token_authenticator_ : nullptr;
    methods.anonymous = anonymous_;
    Authenticator authenticator(clock_, methods, metrics_);
    return now(authenticator.authenticate(request, peer));
  }
  PeerCertificates peer_of(const kube::Identity& identity) {
    return std::move(*PeerCertificates::of_pem(identity.certificate_pem));
  }
  void use_client_ca() {
    const std::string file = ::testing::TempDir() + "keelson-access-ca.crt";
    ASSERT_TRUE(base::write_file(file, authority_.pem(), 0644).ok());
    client_ca_ = std::move(*ClientCa::open(file, true, base::Logger()));
  }

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::Random random_{3};
  ServerMetrics metrics_;
  FakeTokenReviewer tokens_;
  FakeAccessReviewer access_;
  TokenAuthenticator token_authenticator_{loop_, clock_, random_, tokens_, TokenAuthenticator::kUsualTtl, metrics_};
  Authority authority_{"clients"};
  std::unique_ptr<ClientCa> client_ca_;
  bool with_tokens_ = true;
  bool anonymous_ = false;
  base::Gate tasks_{loop_};
};

// --- Tokens

TEST_F(AccessTest, AnAnswerAboutATokenIsKeptForTwoMinutes) {
  const auto user = ask("good");
  ASSERT_TRUE(user.ok() && user->has_value());
  EXPECT_EQ((*user)->name, "alice");
  EXPECT_EQ((*user)->extra.at("scope"), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(ask("bad")->has_value());
  EXPECT_EQ(tokens_.calls, 2);
  tokens_.users.erase("good");  // revoked
  tokens_.users["bad"].name = "bob";
  clock_.advance(119s);
  EXPECT_TRUE(ask("good")->has_value());
  EXPECT_FALSE(ask("bad")->has_value());
  EXPECT_EQ(tokens_.calls, 2);
  clock_.advance(1s);
  EXPECT_FALSE(ask("good")->has_value());
  EXPECT_TRUE(ask("bad")->has_value());
  EXPECT_EQ(tokens_.calls, 4);
}

TEST_F(AccessTest, WithoutATtlEveryRequestAsks) {
  TokenAuthenticator direct(loop_, clock_, random_, tokens_, 0s, metrics_);
  (void)now(direct.authenticate("good"));
  (void)now(direct.authenticate("good"));
  EXPECT_EQ(tokens_.calls, 2);
}

TEST_F(AccessTest, FailuresToAskAreNotKept) {
  tokens_.failures = {Error(ErrorKind::permission_denied, "no", 403), Error(ErrorKind::unavailable, "cannot connect")};
  EXPECT_FALSE(ask("good").ok());
  EXPECT_FALSE(ask("good").ok()) << "a server that cannot be reached is not asked again at once";
  EXPECT_TRUE(ask("good")->has_value());
  EXPECT_EQ(tokens_.calls, 3);
  tokens_.error_text = "token expired";
  EXPECT_EQ(ask("old").error().message(), "token expired");
  EXPECT_EQ(ask("old").error().message(), "token expired");
  EXPECT_EQ(tokens_.calls, 5);
  EXPECT_EQ(metrics_.token_reviews.at("201").count, 3u);
  EXPECT_EQ(metrics_.token_reviews.at("403").count, 1u);
  EXPECT_EQ(metrics_.token_reviews.at("<error>").count, 1u);
}

TEST_F(AccessTest, ReviewsAreTriedFiveTimes) {
  const std::vector<Error> rows = {
      Error(ErrorKind::maybe_applied, "connection reset"), Error(ErrorKind::unavailable, "slow down", 429),
      Error(ErrorKind::unavailable, "oops", 500), Error(ErrorKind::deadline_exceeded, "timeout")};
  tokens_.failures = rows;
  auto answer = start(token_authenticator_.authenticate("good"));
  EXPECT_FALSE(answer->has_value());
  clock_.advance(499ms);
  EXPECT_EQ(tokens_.calls, 1);
  clock_.advance(101ms);  // 0.5 s and up to a fifth
  EXPECT_EQ(tokens_.calls, 2);
  clock_.advance(5s);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((**answer)->has_value());
  EXPECT_EQ(tokens_.calls, 5);

  tokens_.calls = 0;
  tokens_.failures.assign(9, Error(ErrorKind::unavailable, "oops", 503));
  answer = start(token_authenticator_.authenticate("other"));
  clock_.advance(20s);
  ASSERT_TRUE(answer->has_value());
  EXPECT_FALSE((*answer)->ok());
  EXPECT_EQ(tokens_.calls, 5);
}

TEST_F(AccessTest, RequestsWithOneTokenShareOneReview) {
  base::Notification gate(loop_);
  tokens_.gate = &gate;
  auto first = start(token_authenticator_.authenticate("good"));
  auto second = start(token_authenticator_.authenticate("good"));
  auto other = start(token_authenticator_.authenticate("bad"));
  EXPECT_EQ(tokens_.calls, 2);
  gate.notify();
  base::testing::drain(loop_);
  ASSERT_TRUE(first->has_value() && second->has_value() && other->has_value());
  EXPECT_EQ((**second)->value().name, "alice");
}

TEST_F(AccessTest, AReviewGoesOnWhenTheOneWhoAskedFirstGivesUp) {
  base::Notification gate(loop_);
  tokens_.gate = &gate;
  {
    base::Gate own(loop_);
    auto place = std::make_shared<std::optional<Found>>();
    base::spawn(own, "first", base::internal::keep_result<Found>(token_authenticator_.authenticate("good"), place));
    base::testing::drain(loop_);
    EXPECT_TRUE(base::testing::stop_now(loop_, own));
    EXPECT_FALSE(place->has_value());
  }
  auto second = start(token_authenticator_.authenticate("good"));
  gate.notify();
  base::testing::drain(loop_);
  EXPECT_TRUE(second->has_value());
  EXPECT_EQ(tokens_.calls, 1);
}

TEST_F(AccessTest, AReviewHasThirtySeconds) {
  base::Notification never(loop_);
  tokens_.gate = &never;
  auto answer = start(token_authenticator_.authenticate("good"));
  clock_.advance(29s);
  EXPECT_FALSE(answer->has_value());
  clock_.advance(1s);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->error().kind(), ErrorKind::deadline_exceeded);
}

// --- Who it is

TEST_F(AccessTest, ReadsTheBearerTokenAsGoDoes) {
  const std::pair<const char*, const char*> rows[] = {
      {"Bearer abc", "abc"},     {"bearer abc", "abc"}, {"  Bearer abc  ", "abc"},
      {"Bearer abc def", "abc"}, {"Bearer", ""},        {"Bearer ", ""},
      {"Bearer  abc", ""},       {"Basic abc", ""},     {"", ""}};
  for (const auto& [header, token] : rows) {
    EXPECT_EQ(bearer_token({{"authorization", header}}), token) << "\"" << header << "\"";
  }
  EXPECT_EQ(bearer_token({}), "");
}

TEST_F(AccessTest, ABearerTokenIsTakenOutOfTheRequest) {
  Request asked = request({{"Authorization", "Bearer good"}, {"X", "1"}});
  const auto user = authenticate(asked);
  ASSERT_TRUE(user.ok()) << user.error().to_string();
  EXPECT_EQ(user->name, "alice");
  EXPECT_THAT(user->groups, ElementsAre("dev", "system:authenticated"));
  EXPECT_EQ(asked.headers, (Fields{{"X", "1"}}));
}

TEST_F(AccessTest, ATokenMayComeAsASubprotocol) {
  Request asked =
      request({{"Connection", "Upgrade"},
               {"Upgrade", "websocket"},
               {"Sec-WebSocket-Protocol", "v5.channel.k8s.io,base64url.bearer.authorization.k8s.io.Z29vZA"}});
  const auto user = authenticate(asked);
  ASSERT_TRUE(user.ok()) << user.error().to_string();
  EXPECT_EQ(user->name, "alice");
  EXPECT_EQ(asked.header("Sec-WebSocket-Protocol"), "v5.channel.k8s.io");
}

TEST_F(AccessTest, ACertificateGoesFirstAndIsMeasured) {
  use_client_ca();
  Request asked = request({{"Authorization", "Bearer good"}});
  const auto user = authenticate(asked, peer_of(authority_.issue(client("bob", {"ops"}))));
  ASSERT_TRUE(user.ok()) << user.error().to_string();
  EXPECT_EQ(user->name, "bob");
  EXPECT_THAT(user->groups, ElementsAre("ops", "system:authenticated"));
  EXPECT_EQ(tokens_.calls, 0);
  EXPECT_EQ(metrics_.certificate_left.count, 1u);
  EXPECT_EQ(metrics_.certificate_left.sum, 86400);
  EXPECT_EQ(metrics_.certificate_left.buckets[6], 1u) << "le=86400";
}

TEST_F(AccessTest, ATokenThatWasNotLookedAtGoesToNobodyElse) {
  use_client_ca();
  Request asked = request({{"Authorization", "Bearer good"},
                           {"Connection", "Upgrade"},
                           {"Upgrade", "websocket"},
                           {"Sec-WebSocket-Protocol", "a,base64url.bearer.authorization.k8s.io.Z29vZA"}});
  EXPECT_EQ(authenticate(asked, peer_of(authority_.issue(client("bob"))))->name, "bob");
  EXPECT_EQ(tokens_.calls, 0);
  EXPECT_EQ(asked.header("Sec-WebSocket-Protocol"), "a");
  EXPECT_FALSE(asked.header("Authorization").has_value());
  // Nor does one that is none.
  const std::string bad = "base64url.bearer.authorization.k8s.io.!,base64url.bearer.authorization.k8s.io.Z29vZA";
  Request two = request({{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Protocol", bad}});
  EXPECT_EQ(authenticate(two, peer_of(authority_.issue(client("bob"))))->name, "bob");
  EXPECT_FALSE(two.header("Sec-WebSocket-Protocol").has_value());
}

TEST_F(AccessTest, AGoodMethodWinsOverABadOneBeforeIt) {
  use_client_ca();
  const auto stranger = Authority("stranger").issue(client("eve"));
  Request with_token = request({{"Authorization", "Bearer good"}});
  EXPECT_EQ(authenticate(with_token, peer_of(stranger))->name, "alice");
  Request bad_then_good = request({{"Authorization", "Bearer bad"},
                                   {"Connection", "Upgrade"},
                                   {"Upgrade", "websocket"},
                                   {"Sec-WebSocket-Protocol", "a,base64url.bearer.authorization.k8s.io.Z29vZA"}});
  EXPECT_EQ(authenticate(bad_then_good)->name, "alice");
  EXPECT_EQ(metrics_.certificate_left.count, 0u);
}

TEST_F(AccessTest, TheAnonymousUserIsWhoHasShownNothing) {
  use_client_ca();
  Request nothing = request({});
  EXPECT_FALSE(authenticate(nothing).ok()) << "off by default";
  anonymous_ = true;
  const auto user = authenticate(nothing);
  ASSERT_TRUE(user.ok());
  EXPECT_EQ(user->name, "system:anonymous");
  EXPECT_THAT(user->groups, ElementsAre("system:unauthenticated"));
  Request bad = request({{"Authorization", "Bearer bad"}});
  EXPECT_EQ(authenticate(bad).error().message(), "invalid bearer token");
  EXPECT_FALSE(authenticate(nothing, peer_of(Authority("stranger").issue(client("eve")))).ok());
  EXPECT_EQ(authenticate(nothing, peer_of(authority_.issue(client(""))))->name, "system:anonymous")
      << "a certificate without a name is as good as none";
  with_tokens_ = false;
  EXPECT_EQ(authenticate(bad)->name, "system:anonymous") << "nobody looks at tokens when the webhook is off";
}

TEST_F(AccessTest, AUserWhoIsOfAGroupOfOursGetsNoOther) {
  tokens_.users["t"].name = "x";
  tokens_.users["t"].groups = {"system:unauthenticated"};
  Request asked = request({{"Authorization", "Bearer t"}});
  EXPECT_THAT(authenticate(asked)->groups, ElementsAre("system:unauthenticated"));
}

// --- What they may

class AuthorizerTest : public AccessTest {
 protected:
  AuthorizerTest() {
    user_.name = "alice";
    user_.groups = {"dev"};
    rules_.node_name = "node-1";
    rules_.reviewer = &access_;
  }
  std::optional<Response> refusal(const std::string& method, const std::string& path) {
    if (authorizer_ == nullptr) {
      authorizer_ = std::make_unique<Authorizer>(clock_, random_, base::Logger(), rules_, metrics_);
    }
    return now(authorizer_->refusal(user_, method, path));
  }

  User user_;
  Authorization rules_;
  std::unique_ptr<Authorizer> authorizer_;
};

TEST_F(AuthorizerTest, VerbsFollowTheMethod) {
  const std::pair<const char*, const char*> rows[] = {{"GET", "get"},     {"POST", "create"},   {"PUT", "update"},
                                                      {"PATCH", "patch"}, {"DELETE", "delete"}, {"HEAD", ""},
                                                      {"OPTIONS", ""},    {"get", ""}};
  for (const auto& [method, verb] : rows) EXPECT_EQ(verb_of(method), verb) << method;
}

TEST_F(AuthorizerTest, AsksForEverySubresourceUntilOneIsAllowed) {
  access_.allowed = {"alice get proxy"};
  user_.uid = "u-1";
  user_.extra["k"] = {"v", "w"};
  EXPECT_FALSE(refusal("GET", "/pods").has_value());
  ASSERT_EQ(access_.asked.size(), 2u);
  const AccessReviewSpec& spec = access_.asked[0];
  EXPECT_EQ(spec.user(), "alice");
  EXPECT_EQ(spec.uid(), "u-1");
  EXPECT_THAT(spec.groups(), ElementsAre("dev"));
  EXPECT_THAT(spec.extra().at("k").items(), ElementsAre("v", "w"));
  const auto& attributes = spec.resourceattributes();
  EXPECT_EQ(attributes.verb(), "get");
  EXPECT_EQ(attributes.version(), "v1");
  EXPECT_EQ(attributes.group(), "");
  EXPECT_EQ(attributes.resource(), "nodes");
  EXPECT_EQ(attributes.subresource(), "pods");
  EXPECT_EQ(attributes.name(), "node-1");
  EXPECT_EQ(attributes.namespace_(), "");
  EXPECT_FALSE(spec.has_nonresourceattributes());
  EXPECT_EQ(access_.asked[1].resourceattributes().subresource(), "proxy");
}

TEST_F(AuthorizerTest, RefusesInTheKubeletsWords) {
  const auto refused = refusal("GET", "/pods");
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->body, "Forbidden (user=alice, verb=get, resource=nodes, subresource(s)=[pods proxy])\n");
  EXPECT_EQ(refusal("HEAD", "/exec/a/b/c")->body,
            "Forbidden (user=alice, verb=, resource=nodes, subresource(s)=[proxy])\n");
}

TEST_F(AuthorizerTest, NobodyIsLetInWhenTheApiServerCannotBeAsked) {
  access_.failures = {Error(ErrorKind::unavailable, "cannot connect")};
  const auto refused = refusal("GET", "/stats/summary");
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 500);
  EXPECT_EQ(refused->body, "Authorization error (user=alice, verb=get, resource=nodes, subresource=stats)");
  access_.allowed = {"alice get stats"};
  EXPECT_FALSE(refusal("GET", "/stats/summary").has_value()) << "the failure was not kept";
  EXPECT_EQ(metrics_.access_reviews.at("<error>").count, 1u);
  EXPECT_EQ(metrics_.access_reviews.at("201").count, 1u);
}

TEST_F(AuthorizerTest, AServerThatDoesNotAnswerIsAnErrorAfterThirtySeconds) {
  access_.failures.assign(100, Error(ErrorKind::unavailable, "later", 503));
  authorizer_ = std::make_unique<Authorizer>(clock_, random_, base::Logger(), rules_, metrics_);
  auto answer = start(authorizer_->refusal(user_, "GET", "/stats/summary"));
  clock_.advance(30s);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->value().status, 500);
  EXPECT_EQ(access_.asked.size(), 5u);
}

TEST_F(AuthorizerTest, AnswersAreKeptForTheirTime) {
  access_.allowed = {"alice get stats"};
  EXPECT_FALSE(refusal("GET", "/stats/summary").has_value());
  EXPECT_TRUE(refusal("GET", "/metrics").has_value());
  access_.allowed = {"alice get metrics"};
  clock_.advance(29s);
  EXPECT_TRUE(refusal("GET", "/metrics").has_value());
  EXPECT_EQ(access_.asked.size(), 2u);
  clock_.advance(1s);
  EXPECT_FALSE(refusal("GET", "/metrics").has_value());
  EXPECT_EQ(access_.asked.size(), 3u);
  clock_.advance(4min + 29s);
  EXPECT_FALSE(refusal("GET", "/stats/summary").has_value());
  EXPECT_EQ(access_.asked.size(), 3u);
  clock_.advance(1s);
  EXPECT_TRUE(refusal("GET", "/stats/summary").has_value());
}

TEST_F(AuthorizerTest, AnswersAreKeptForThatUserAlone) {
  access_.allowed = {"alice get stats"};
  EXPECT_FALSE(refusal("GET", "/stats/summary").has_value());
  user_.groups.push_back("other");
  EXPECT_FALSE(refusal("GET", "/stats/summary").has_value());
  EXPECT_EQ(access_.asked.size(), 2u);
  user_.name = "bob";
  EXPECT_TRUE(refusal("GET", "/stats/summary").has_value());
}

TEST_F(AuthorizerTest, WhatIsVeryLongIsNotKept) {
  access_.allowed = {"alice get proxy"};
  const std::string path = "/exec/" + std::string(10'000, 'x');
  EXPECT_FALSE(refusal("GET", path).has_value());
  EXPECT_FALSE(refusal("GET", path).has_value());
  EXPECT_EQ(access_.asked.size(), 2u);
}

TEST_F(AuthorizerTest, ADenialGoesBeforeAnAllowance) {
  access_.deny_outright = true;
  EXPECT_EQ(refusal("GET", "/stats/summary")->status, 403);
  access_.contradict = true;
  EXPECT_EQ(refusal("GET", "/metrics")->status, 500);
}

TEST_F(AuthorizerTest, AlwaysAllowAsksNobody) {
  rules_.reviewer = nullptr;
  EXPECT_FALSE(refusal("DELETE", "/exec/a/b/c").has_value());
  EXPECT_TRUE(access_.asked.empty());
}

}  // namespace
}  // namespace keelson::server::testing
