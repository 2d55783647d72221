#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "api/proto/authentication_v1.pb.h"
#include "api/proto/coordination_v1.pb.h"
#include "api/proto/resource_v1.pb.h"
#include "kube-client/tests/fake_transport.hpp"
#include "kube-client/wire.hpp"

namespace keelson::kube {
namespace {

using api::core::Node;
using api::core::Pod;
using k8s::coordination::v1::Lease;
using testing::Bench;
using testing::kJsonAnswer;
using testing::kProtobufAnswer;
using namespace std::chrono_literals;

constexpr const char* kBoth = "application/vnd.kubernetes.protobuf,application/json";
constexpr const char* kProtobuf = "application/vnd.kubernetes.protobuf";

template <class T>
T named(const std::string& name, const std::string& ns = {}) {
  T object;
  object.mutable_metadata()->set_name(name);
  if (!ns.empty()) object.mutable_metadata()->set_namespace_(ns);
  return object;
}

std::string header(const HttpRequest& request, const char* name) {
  const std::string* value = find_header(request.headers, name);
  return value == nullptr ? "(none)" : *value;
}

TEST(ClientRequest, IsProtobufAndTakesEitherFormat) {
  Bench bench;
  bench.transport.answer(named<Pod>("p", "ns"));
  auto made = bench.run(bench.client.create<Pod>("ns", named<Pod>("p", "ns")));
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_EQ(made->metadata().name(), "p");
  const HttpRequest& request = bench.transport.seen[0].request;
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/api/v1/namespaces/ns/pods");
  EXPECT_EQ(header(request, "accept"), kBoth);
  EXPECT_EQ(header(request, "content-type"), kProtobuf);
  EXPECT_EQ(api::decode_binary(request.body)->as<Pod>()->metadata().name(), "p");
  EXPECT_EQ(bench.transport.seen[0].limit, 60s);
}

TEST(ClientRequest, OfAReaderHasNoBody) {
  Bench bench;
  bench.transport.answer(200, api::encode_json(named<Pod>("p", "ns")), kJsonAnswer);
  auto read = bench.run(bench.client.get<Pod>("ns", "p", {{"resourceVersion", "0"}}));
  ASSERT_TRUE(read.ok());
  const HttpRequest& request = bench.transport.seen[0].request;
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/api/v1/namespaces/ns/pods/p?resourceVersion=0");
  EXPECT_EQ(header(request, "content-type"), "(none)");
  EXPECT_EQ(request.body, "");
}

TEST(ClientRequest, IsJsonWhenProtobufIsOff) {
  Bench bench(ClientOptions{.protobuf = false});
  bench.transport.answer(200, api::encode_json(named<Pod>("p", "ns")), kJsonAnswer);
  auto made = bench.run(bench.client.create<Pod>("ns", named<Pod>("p", "ns")));
  ASSERT_TRUE(made.ok());
  const HttpRequest& request = bench.transport.seen[0].request;
  EXPECT_EQ(header(request, "accept"), "application/json");
  EXPECT_EQ(header(request, "content-type"), "application/json");
  EXPECT_THAT(request.body, ::testing::HasSubstr(R"("kind":"Pod")"));
  EXPECT_FALSE(bench.client.speaks_protobuf());
}

TEST(ClientRequest, PatchIsAlwaysJson) {
  Bench bench;
  bench.transport.answer(named<Node>("n"));
  bench.transport.answer(named<Node>("n"));
  bench.transport.answer(named<Node>("n"));
  const char* expected[] = {"application/strategic-merge-patch+json", "application/merge-patch+json",
                            "application/json-patch+json"};
  int index = 0;
  for (const PatchType type : {PatchType::strategic_merge, PatchType::merge, PatchType::json}) {
    auto patched = bench.run(bench.client.patch<Node>("", "n", type, R"({"status":{}})", "status"));
    ASSERT_TRUE(patched.ok());
    const HttpRequest& request = bench.transport.seen[index].request;
    EXPECT_EQ(request.method, "PATCH");
    EXPECT_EQ(request.target, "/api/v1/nodes/n/status");
    EXPECT_EQ(header(request, "content-type"), expected[index++]);
    EXPECT_EQ(header(request, "accept"), kBoth);
    EXPECT_EQ(request.body, R"({"status":{}})");
  }
}

TEST(ClientRequest, UpdateGoesWhereTheObjectIs) {
  Bench bench;
  bench.transport.answer(named<Lease>("n", "kube-node-lease"));
  auto updated = bench.run(bench.client.update<Lease>(named<Lease>("n", "kube-node-lease")));
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(bench.transport.seen[0].request.method, "PUT");
  EXPECT_EQ(bench.transport.target(0), "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n");
}

TEST(ClientRequest, TokenGoesToItsSubresourceWithItsOwnType) {
  Bench bench;
  k8s::authentication::v1::TokenRequest token;
  token.mutable_status()->set_token("secret");
  bench.transport.answer(token);
  auto made = bench.run(bench.client.create_sub<api::core::ServiceAccount>("ns", "default", "token",
                                                                           k8s::authentication::v1::TokenRequest()));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->status().token(), "secret");
  EXPECT_EQ(bench.transport.target(0), "/api/v1/namespaces/ns/serviceaccounts/default/token");
  EXPECT_EQ(api::unwrap(bench.transport.seen[0].request.body)->type,
            (api::TypeMeta{"authentication.k8s.io/v1", "TokenRequest"}));
}

TEST(ClientRequest, DeleteSendsItsOptionsInTheVersionOfTheResource) {
  Bench bench;
  bench.transport.answer(200, R"({"kind":"Status","apiVersion":"v1","status":"Success"})", kJsonAnswer);
  bench.transport.answer(200, "", {});
  api::meta::DeleteOptions options;
  options.set_graceperiodseconds(0);
  options.mutable_preconditions()->set_uid("u1");
  EXPECT_TRUE(bench.run(bench.client.remove<Pod>("ns", "p", options)).ok());
  EXPECT_TRUE(
      bench.run(bench.client.remove_all<k8s::resource::v1::ResourceSlice>("", {{"fieldSelector", "spec.nodeName=n1"}}))
          .ok());
  const HttpRequest& one = bench.transport.seen[0].request;
  EXPECT_EQ(one.method, "DELETE");
  EXPECT_EQ(one.target, "/api/v1/namespaces/ns/pods/p");
  EXPECT_EQ(header(one, "content-type"), kProtobuf);
  const auto sent = api::unwrap(one.body);
  EXPECT_EQ(sent->type, (api::TypeMeta{"v1", "DeleteOptions"}));
  api::meta::DeleteOptions read;
  ASSERT_TRUE(read.ParseFromString(std::string(sent->raw)));
  EXPECT_TRUE(read.has_graceperiodseconds());
  EXPECT_EQ(read.preconditions().uid(), "u1");
  const HttpRequest& all = bench.transport.seen[1].request;
  EXPECT_EQ(all.target, "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dn1");
  EXPECT_EQ(api::unwrap(all.body)->type, (api::TypeMeta{"resource.k8s.io/v1", "DeleteOptions"}));
}

TEST(ClientRequest, DeleteOptionsInJsonNameTheirTypeToo) {
  Bench bench(ClientOptions{.protobuf = false});
  bench.transport.answer(200);
  EXPECT_TRUE(bench.run(bench.client.remove<Lease>("ns", "l")).ok());
  EXPECT_EQ(bench.transport.seen[0].request.body, R"({"kind":"DeleteOptions","apiVersion":"coordination.k8s.io/v1"})");
}

TEST(ClientRequest, OfTheHeartbeatCarriesItsLimitInTheQuery) {
  Bench bench(ClientOptions{.qps = 0, .timeout = 10s, .timeout_in_query = true});
  bench.transport.answer(named<Lease>("n", "l"));
  ASSERT_TRUE(bench.run(bench.client.get<Lease>("l", "n", {{"resourceVersion", "0"}})).ok());
  EXPECT_EQ(bench.transport.target(0),
            "/apis/coordination.k8s.io/v1/namespaces/l/leases/n?resourceVersion=0&timeout=10s");
  EXPECT_EQ(bench.transport.seen[0].limit, 10s);
}

TEST(ClientRequest, QueryIsSortedAndEncoded) {
  EXPECT_EQ(target_of("/p", {}), "/p");
  EXPECT_EQ(target_of("/p", {{"b", "spec.clusterIP!=None"}, {"a", "x y&z"}}),
            "/p?a=x%20y%26z&b=spec.clusterIP%21%3DNone");
}

TEST(ClientAnswer, IsDecodedByItsContentTypeIntoTheNormalForm) {
  Pod pod = named<Pod>("p", "ns");
  pod.mutable_metadata()->set_generatename("");  // as a Go server writes zero values
  pod.mutable_status();
  const std::string binary = api::encode_binary(pod);
  const std::string json = api::encode_json(named<Pod>("p", "ns"));
  struct Row {
    const char* name;
    Headers headers;
    std::string body;
  };
  const Row rows[] = {
      {"protobuf", kProtobufAnswer, binary},
      {"protobuf with parameters", {{"content-type", "application/vnd.kubernetes.protobuf; charset=x"}}, binary},
      {"json", {{"content-type", "application/json; charset=utf-8"}}, json},
      {"json without type", {}, json},
      {"protobuf without type", {}, binary},
  };
  for (const Row& row : rows) {
    Bench bench;
    bench.transport.answer(200, row.body, row.headers);
    auto read = bench.run(bench.client.get<Pod>("ns", "p"));
    ASSERT_TRUE(read.ok()) << row.name << ": " << read.error().to_string();
    EXPECT_EQ(read->SerializeAsString(), named<Pod>("p", "ns").SerializeAsString()) << row.name;
  }
}

TEST(ClientAnswer, ThatIsNotWhatWasAskedForIsInvalid) {
  const std::string whole = api::encode_binary(named<Pod>("a-rather-long-name", "ns"));
  struct Row {
    const char* name;
    Headers headers;
    std::string body;
    const char* text;
  };
  const Row rows[] = {
      {"another kind", kProtobufAnswer, api::encode_binary(named<Node>("n")), "expected v1 Pod, got v1 Node"},
      {"another kind in JSON", kJsonAnswer, api::encode_json(named<Node>("n")), "expected v1 Pod, got v1 Node"},
      {"truncated protobuf", kProtobufAnswer, whole.substr(0, whole.size() - 9), ""},
      {"truncated JSON", kJsonAnswer, R"({"kind":"Pod","apiVersion":"v1","metadata":{"na)", ""},
      {"empty", kProtobufAnswer, "", ""},
      {"a proxy's page", {{"content-type", "text/html"}}, "<html>", "content type \"text/html\""},
      {"JSON that claims to be protobuf", kProtobufAnswer, "{}", ""},
  };
  for (const Row& row : rows) {
    Bench bench;
    bench.transport.answer(200, row.body, row.headers);
    auto read = bench.run(bench.client.get<Pod>("ns", "p"));
    ASSERT_FALSE(read.ok()) << row.name;
    EXPECT_EQ(read.error().kind(), ErrorKind::invalid) << row.name;
    EXPECT_THAT(read.error().to_string(), ::testing::HasSubstr(row.text)) << row.name;
    EXPECT_EQ(bench.transport.seen.size(), 1U) << row.name;
  }
}

TEST(ClientAnswer, OfAHealthCheckIsItsText) {
  Bench bench;
  bench.transport.answer(200, "ok", {{"content-type", "text/plain"}});
  bench.transport.answer(500, "[-]etcd failed\nhealthz check failed", {{"content-type", "text/plain"}});
  bench.transport.hang();
  auto good = bench.run(bench.client.get_text("/healthz", 5s));
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, "ok");
  EXPECT_EQ(bench.transport.seen[0].limit, 5s);
  auto bad = bench.run(bench.client.get_text("/healthz", 5s));
  EXPECT_EQ(bad.error().code(), 500);
  EXPECT_THAT(bad.error().message(), ::testing::HasSubstr("[-]etcd failed"));
  auto silent = bench.run(bench.client.get_text("/healthz", 5s));
  EXPECT_EQ(silent.error().kind(), ErrorKind::deadline_exceeded);
}

}  // namespace
}  // namespace keelson::kube
