#include <gtest/gtest.h>

#include "base/tests/tasks.hpp"
#include "kube-client/signing_api.hpp"
#include "kube-client/tests/cert_csr_server.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using base::testing::drain;
using base::testing::stop_now;
using Answer = std::optional<Result<std::string>>;
using Policy = CsrServer::Policy;

class SigningTest : public ::testing::Test {
 protected:
  ~SigningTest() override { EXPECT_TRUE(stop_now(loop, gate)); }

  // Makes a request named csr-x.
  void ask() {
    const std::string pem = *make_certificate_request(*make_ec_key(), node_names("n1"));
    std::optional<Result<SigningRequest>> created;
    base::spawn(gate, "create", keep_answer(api.create(make_signing_request("csr-x", kClientSigner, pem)), &created));
    clock.advance(1ms);
    ASSERT_TRUE(created.has_value() && created->ok());
    uid = (*created)->metadata().uid();
  }
  void wait() {
    base::spawn(gate, "wait", keep_answer(api.await_certificate("csr-x", uid), &answer));
    clock.advance(1ms);
  }
  std::string error() const { return !answer ? "(open)" : answer->ok() ? "(issued)" : answer->error().to_string(); }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{1};
  base::Gate gate{loop};
  TestCa ca;
  CsrServer server{loop, clock, ca};
  Client client{loop, clock, server.transport("me"), {}, {}};
  KubeSigningApi api{client, random, {}};
  std::string uid;
  Answer answer;
};

TEST_F(SigningTest, TheRequestIsWhatTheSignersWant) {
  const SigningRequest client_request = make_signing_request({}, kClientSigner, "PEM");
  EXPECT_EQ(client_request.metadata().generatename(), "csr-");
  EXPECT_FALSE(client_request.metadata().has_name());
  EXPECT_EQ(client_request.spec().request(), "PEM");
  EXPECT_EQ(client_request.spec().signername(), "kubernetes.io/kube-apiserver-client-kubelet");
  EXPECT_FALSE(client_request.spec().has_expirationseconds());
  ASSERT_EQ(client_request.spec().usages_size(), 2);
  EXPECT_EQ(client_request.spec().usages(0), "digital signature");
  EXPECT_EQ(client_request.spec().usages(1), "client auth");
  const SigningRequest serving = make_signing_request("x", kServingSigner, "PEM");
  EXPECT_EQ(serving.metadata().name(), "x");
  EXPECT_EQ(serving.spec().signername(), "kubernetes.io/kubelet-serving");
  EXPECT_EQ(serving.spec().usages(1), "server auth");
}

TEST_F(SigningTest, ADecisionThatIsThereAlreadyNeedsNoWatch) {
  ask();
  wait();
  ASSERT_EQ(error(), "(issued)");
  EXPECT_EQ(**answer, server.last().status().certificate());
  EXPECT_EQ(server.log, (std::vector<std::string>{"me POST", "me LIST metadata.name=csr-x"}));
}

TEST_F(SigningTest, ALaterDecisionComesByTheWatch) {
  for (const bool binary : {true, false}) {
    for (const bool initial_events : {true, false}) {
      server.binary = binary;
      server.initial_events = initial_events;
      server.policy = Policy::hold;
      server.requests.clear();
      server.log.clear();
      answer.reset();
      ask();
      wait();
      EXPECT_EQ(error(), "(open)");
      clock.advance(2min);
      server.settle("csr-x", "Approved", "AutoApproved", "");
      clock.advance(1ms);
      EXPECT_EQ(error(), "(open)") << "approved is not issued";
      server.sign("csr-x");
      clock.advance(1ms);
      EXPECT_EQ(error(), "(issued)") << binary << initial_events;
      std::vector<std::string> expected = {"me POST", "me LIST metadata.name=csr-x",
                                           "me WATCH metadata.name=csr-x initial"};
      if (!initial_events) expected.push_back("me WATCH metadata.name=csr-x");
      EXPECT_EQ(server.log, expected);
      EXPECT_EQ(server.watches(), 0u) << "the watch is given up";
    }
  }
}

TEST_F(SigningTest, DecisionsAgainstUsAreErrors) {
  server.policy = Policy::hold;
  struct Row {
    std::function<void()> act;
    std::string message;
    ErrorKind kind;
  };
  const std::vector<Row> rows = {
      {[&] { server.settle("csr-x", "Denied", "No", "not you"); },
       "certificate signing request csr-x was denied, reason: No, message: not you", ErrorKind::permission_denied},
      {[&] { server.settle("csr-x", "Failed", "Bad", "names"); },
       "certificate signing request csr-x failed, reason: Bad, message: names", ErrorKind::invalid},
      {[&] { server.remove("csr-x"); }, "certificate signing request csr-x was deleted", ErrorKind::not_found},
      {[&] {
         server.requests.at("csr-x").mutable_metadata()->set_uid("other");
         server.sign("csr-x");
       },
       "certificate signing request csr-x is another one now", ErrorKind::conflict},
  };
  for (const bool watching : {true, false}) {
    for (const auto& row : rows) {
      server.requests.clear();
      answer.reset();
      ask();
      if (watching) wait();
      row.act();
      if (!watching) wait();
      clock.advance(1ms);
      EXPECT_EQ(error(), row.message) << (watching ? "watching" : "before");
      EXPECT_EQ(answer->error().kind(), row.kind) << row.message;
      EXPECT_EQ(answer->error().code(), 0);
    }
  }
}

TEST_F(SigningTest, TroubleOnTheWayIsTriedAgain) {
  server.policy = Policy::hold;
  ask();
  server.away = true;
  wait();
  clock.advance(1min);
  server.away = false;
  server.refuse_status = 401;
  clock.advance(1min);
  EXPECT_EQ(error(), "(open)");
  server.refuse_status = 0;
  clock.advance(1min);
  EXPECT_EQ(server.watches(), 1u);
  server.end_watches();
  clock.advance(10s);
  EXPECT_EQ(server.watches(), 1u) << "watched anew";
  server.say_to_watches("nonsense that is no frame\n");
  clock.advance(1ms);
  server.sign("csr-x");
  clock.advance(30s);
  EXPECT_EQ(error(), "(issued)");
}

TEST_F(SigningTest, AWatchThatNeverEndsIsGivenUpAfterItsTime) {
  server.policy = Policy::hold;
  ask();
  wait();
  const std::size_t lists = server.count("me LIST");
  clock.advance(11min);
  EXPECT_GT(server.count("me LIST"), lists);
  EXPECT_EQ(server.watches(), 1u);
}

TEST_F(SigningTest, HealthzSaysWhetherTheServerIsWell) {
  for (const bool sick : {false, true}) {
    server.sick = sick;
    std::optional<Status> status;
    base::spawn(gate, "healthz", keep_answer(api.healthz(), &status));
    clock.advance(2s);
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(status->ok(), !sick);
  }
}

}  // namespace
}  // namespace keelson::kube
