// Keys and certificates of pods' own: asked for, waited for, renewed, refused.
#include "agent/objects/pod_certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/objects/tests/fake_server.hpp"
#include "agent/objects/trust_anchors.hpp"
#include "api/tests/pod_fixture.hpp"
#include "api/time.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;
using namespace std::chrono_literals;

constexpr char kPath[] = "/apis/certificates.k8s.io/v1beta1/podcertificaterequests";

class FakeEvents final : public EventRecorder {
 public:
  std::vector<std::string> texts;
  void record(const api::Pod&, PodEvent event) override { texts.push_back(event.reason + ": " + event.message); }
};

class PodCertificatesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto node = std::make_shared<api::core::Node>();
    node->mutable_metadata()->set_uid("node-uid");
    node_ = node;
    cluster_.server.answer = [this](const testing::FakeServer::Request& request) { return answer(request); };
    certificates_.on_change([this](const std::string& uid) { changed_.push_back(uid); });
    pod_ = std::make_shared<const api::Pod>(api::testing::pod_from_yaml(
        "metadata: {name: web, namespace: ns, uid: u}\n"
        "spec: {serviceAccountName: builder, containers: [{name: c}], volumes: [{name: v, projected: {sources: ["
        "{downwardAPI: {items: []}}, {podCertificate: {signerName: example.com/s, keyType: ECDSAP256, "
        "maxExpirationSeconds: 3600, credentialBundlePath: b, userAnnotations: {example.com/a: x}}}]}}]}"));
  }
  void TearDown() override { cluster_.run(certificates_.stop()); }

  kube::HttpResponse answer(const testing::FakeServer::Request& request) {
    if (request.method == "GET") {
      const json account = {{"kind", "ServiceAccount"},
                            {"apiVersion", "v1"},
                            {"metadata", {{"name", "builder"}, {"namespace", "ns"}, {"uid", "sa-uid"}}}};
      return {200, {{"content-type", "application/json"}}, account.dump()};
    }
    if (refusals_ > 0) {
      --refusals_;
      return {403,
              {{"content-type", "application/json"}},
              "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"message\":\"no\"}"};
    }
    asked_.push_back(json::parse(request.body));
    json made = asked_.back();
    made["metadata"]["name"] = "req-" + std::to_string(asked_.size());
    return {201, {{"content-type", "application/json"}}, made.dump()};
  }
  // The key is made on a thread of its own: until so many requests were made.
  void await_requests(std::size_t count) {
    ASSERT_TRUE(base::testing::pump_until(cluster_.loop, [&] { return asked_.size() >= count; }));
    cluster_.drain();
  }
  void decide(const std::string& name, const std::string& type, const std::string& chain = "") {
    PodCertificates::Request request;
    request.mutable_metadata()->set_name(name);
    request.mutable_metadata()->set_namespace_("ns");
    if (!type.empty()) {
      auto& condition = *request.mutable_status()->add_conditions();
      condition.set_type(type);
      condition.set_status("True");
      condition.set_reason("Because");
      condition.set_message("why not");
    }
    request.mutable_status()->set_certificatechain(chain);
    *request.mutable_status()->mutable_beginrefreshat() = api::make_time(cluster_.clock.now() + 30min);
    *request.mutable_status()->mutable_notafter() = api::make_time(cluster_.clock.now() + 60min);
    cluster_.server.put(kPath, request);
    cluster_.drain();
  }
  std::vector<std::string> states() const {
    std::vector<std::string> out;
    for (const auto& [labels, count] : certificates_.states()) {
      out.push_back(labels[0] + " " + labels[1] + " " + std::to_string(count));
    }
    return out;
  }

  testing::Cluster cluster_;
  FakeEvents events_;
  std::shared_ptr<const api::core::Node> node_;
  PodCertificates certificates_{PodCertificates::Base{cluster_.client, cluster_.random, events_, "node-1",
                                                      [this] { return node_; }, base::Logger()}};
  api::PodPtr pod_;
  std::vector<json> asked_;
  int refusals_ = 0;
  std::vector<std::string> changed_;
};

TEST_F(PodCertificatesTest, ARequestSaysWhoseItIsAndTheAnswerIsThePods) {
  certificates_.register_pod(pod_);
  certificates_.register_pod(pod_);
  EXPECT_EQ(certificates_.credential("u", "v", 1).error().to_string(), "credential bundle is not issued yet");
  EXPECT_FALSE(certificates_.credential("u", "v", 0).ok());
  EXPECT_FALSE(certificates_.credential("other", "v", 1).ok());
  await_requests(1);
  ASSERT_EQ(asked_.size(), 1u);
  const json& request = asked_[0];
  EXPECT_EQ(request["metadata"]["generateName"], "req-");
  EXPECT_EQ(request["metadata"]["ownerReferences"][0]["uid"], "u");
  const json& spec = request["spec"];
  EXPECT_EQ(spec["signerName"], "example.com/s");
  EXPECT_EQ(spec["podName"], "web");
  EXPECT_EQ(spec["podUID"], "u");
  EXPECT_EQ(spec["serviceAccountName"], "builder");
  EXPECT_EQ(spec["serviceAccountUID"], "sa-uid");
  EXPECT_EQ(spec["nodeName"], "node-1");
  EXPECT_EQ(spec["nodeUID"], "node-uid");
  EXPECT_EQ(spec["maxExpirationSeconds"], 3600);
  EXPECT_EQ(spec["unverifiedUserAnnotations"]["example.com/a"], "x");
  EXPECT_FALSE(spec["stubPKCS10Request"].get<std::string>().empty());
  EXPECT_THAT(states(), ElementsAre("example.com/s not_yet_issued 1"));

  decide("req-1", "");
  EXPECT_FALSE(certificates_.credential("u", "v", 1).ok()) << "it is not decided yet";
  decide("req-1", "Issued", "remark\n" + to_pem("CERTIFICATE", "leaf") + to_pem("CERTIFICATE", "ca"));
  const auto had = certificates_.credential("u", "v", 1);
  ASSERT_TRUE(had.ok()) << had.error().to_string();
  EXPECT_THAT(had->key_pem, StartsWith("-----BEGIN PRIVATE KEY-----"));
  EXPECT_EQ(had->chain_pem, to_pem("CERTIFICATE", "leaf") + to_pem("CERTIFICATE", "ca"));
  EXPECT_THAT(changed_, ElementsAre("u"));
  EXPECT_THAT(states(), ElementsAre("example.com/s fresh 1"));
}

TEST_F(PodCertificatesTest, ItIsRenewedWithAnotherKeyWhileTheOldOneServes) {
  certificates_.register_pod(pod_);
  await_requests(1);
  decide("req-1", "Issued", to_pem("CERTIFICATE", "one"));
  const std::string first = certificates_.credential("u", "v", 1)->key_pem;
  cluster_.clock.advance(29min);
  EXPECT_EQ(asked_.size(), 1u);
  cluster_.clock.advance(7min);
  await_requests(2);
  EXPECT_EQ(certificates_.credential("u", "v", 1)->key_pem, first);
  decide("req-2", "Issued", to_pem("CERTIFICATE", "two"));
  EXPECT_NE(certificates_.credential("u", "v", 1)->key_pem, first);
  EXPECT_EQ(certificates_.credential("u", "v", 1)->chain_pem, to_pem("CERTIFICATE", "two"));
  EXPECT_THAT(changed_, ElementsAre("u", "u"));
  EXPECT_THAT(events_.texts, IsEmpty());
}

TEST_F(PodCertificatesTest, OneThatIsNotRenewedInTimeIsToldOfAndOneThatHasExpiredToo) {
  certificates_.register_pod(pod_);
  await_requests(1);
  decide("req-1", "Issued", to_pem("CERTIFICATE", "one"));
  cluster_.clock.advance(36min);
  await_requests(2);
  cluster_.clock.advance(10min);
  EXPECT_THAT(events_.texts, ElementsAre(HasSubstr("CertificateOverdueForRefresh: The certificate of volume \"v\"")));
  EXPECT_THAT(states(), ElementsAre("example.com/s overdue_for_refresh 1"));
  cluster_.clock.advance(15min);
  EXPECT_EQ(events_.texts.size(), 2u);
  EXPECT_THAT(events_.texts.back(), HasSubstr("CertificateExpired"));
  EXPECT_THAT(states(), ElementsAre("example.com/s expired 1"));
}

TEST_F(PodCertificatesTest, ARefusalIsFinal) {
  certificates_.register_pod(pod_);
  await_requests(1);
  decide("req-1", "Denied");
  EXPECT_EQ(certificates_.credential("u", "v", 1).error().to_string(),
            "PodCertificateRequest was permanently denied: reason=\"Because\" message=\"why not\"");
  EXPECT_THAT(changed_, ElementsAre("u"));
  cluster_.clock.advance(2h);
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_THAT(states(), ElementsAre("example.com/s denied 1"));
}

TEST_F(PodCertificatesTest, ARequestThatVanishesIsMadeAnewAfterAWhile) {
  certificates_.register_pod(pod_);
  await_requests(1);
  decide("req-1", "");
  cluster_.clock.advance(20min);
  EXPECT_EQ(asked_.size(), 1u) << "it is there, however long it takes";
  cluster_.server.remove<PodCertificates::Request>(kPath, "req-1");
  cluster_.drain();
  await_requests(2);
}

TEST_F(PodCertificatesTest, WhatCannotBeAskedForIsTriedAgain) {
  refusals_ = 2;
  certificates_.register_pod(pod_);
  for (const int left : {1, 0}) {
    ASSERT_TRUE(base::testing::pump_until(cluster_.loop, [&] { return refusals_ == left; }));
    cluster_.drain();
    cluster_.clock.advance(4s);
  }
  await_requests(1);
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(PodCertificatesTest, APodThatIsGoneNeedsNone) {
  certificates_.register_pod(pod_);
  await_requests(1);
  certificates_.unregister_pod("u");
  cluster_.drain();
  decide("req-1", "Issued", to_pem("CERTIFICATE", "one"));
  EXPECT_FALSE(certificates_.credential("u", "v", 1).ok());
  EXPECT_THAT(changed_, IsEmpty());
  EXPECT_THAT(states(), IsEmpty());
  cluster_.clock.advance(2h);
  EXPECT_EQ(asked_.size(), 1u);
}

}  // namespace
}  // namespace keelson::agent
