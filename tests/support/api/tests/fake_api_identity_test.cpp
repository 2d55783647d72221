// Certificates and tokens. Source: contract 01 §6.1, §6.2, §9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "api/json_codec.hpp"
#include "api/proto/certificates_v1.pb.h"
#include "tests/support/api/tests/fake_api_world.hpp"

namespace keelson::fakes::testing {
namespace {

using Csr = k8s::certificates::v1::CertificateSigningRequest;
using ::testing::HasSubstr;

const std::string kRequests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const ApiUser kBootstrap{"system:bootstrap:abcdef", {"system:bootstrappers", "system:authenticated"}};
constexpr const char* kClient = "kubernetes.io/kube-apiserver-client-kubelet";
constexpr const char* kServing = "kubernetes.io/kubelet-serving";

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return out;
}

std::string make_request(const std::string& common_name, const std::string& organization, const std::string& names) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509_REQ* request = X509_REQ_new();
  X509_NAME* subject = X509_REQ_get_subject_name(request);
  const auto add = [&](const char* field, const std::string& value) {
    X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()), -1,
                               -1, 0);
  };
  add("O", organization);
  add("CN", common_name);
  X509_REQ_set_pubkey(request, key);
  if (!names.empty()) {
    STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
    X509_REQ_add_extensions(request, extensions);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  }
  X509_REQ_sign(request, key, EVP_sha256());
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509_REQ(bio, request);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return text_of(bio);
}

X509* read_certificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* out = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return out;
}

Csr csr(const std::string& request, const std::string& signer, const std::vector<std::string>& usages) {
  Csr out;
  out.mutable_metadata()->set_generatename("csr-");
  out.mutable_spec()->set_request(request);
  out.mutable_spec()->set_signername(signer);
  for (const std::string& usage : usages) out.mutable_spec()->add_usages(usage);
  return out;
}

Csr ask_for(ApiWorld& world, const Csr& wish, const ApiUser& user = kBootstrap) {
  const Reply made = world.ask(user, "POST", kRequests, api::encode_json(wish));
  EXPECT_EQ(made.status, 201) << made.text;
  return world.api->get<Csr>("", made.body["metadata"].value("name", "")).value_or(Csr());
}

TEST(FakeApiSigner, SignsTheClientCertificateOfANode) {
  ApiWorld world;
  const Csr wish =
      csr(make_request("system:node:n", "system:nodes", ""), kClient, {"digital signature", "client auth"});
  const Csr done = ask_for(world, wish);
  EXPECT_EQ(done.spec().username(), kBootstrap.name);
  ASSERT_EQ(done.status().conditions_size(), 1);
  EXPECT_EQ(done.status().conditions(0).type(), "Approved");
  EXPECT_EQ(done.status().conditions(0).reason(), "AutoApproved");
  X509* certificate = read_certificate(done.status().certificate());
  X509* ca = read_certificate(world.api->ca_certificate());
  ASSERT_NE(certificate, nullptr);
  ASSERT_NE(ca, nullptr);
  EXPECT_EQ(X509_verify(certificate, X509_get0_pubkey(ca)), 1);
  char subject[128];
  X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
  EXPECT_STREQ(subject, "/O=system:nodes/CN=system:node:n");
  EXPECT_NE(X509_get_extended_key_usage(certificate) & XKU_SSL_CLIENT, 0u);
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate));
  EXPECT_EQ(days, 365);
  X509_free(certificate);
  X509_free(ca);
}

TEST(FakeApiSigner, SignsWhatTheContractAllowsAndFailsTheRest) {
  struct Row {
    const char* what;
    std::string request;
    const char* signer;
    std::vector<std::string> usages;
    bool signed_one;
  };
  const std::vector<Row> rows = {
      {"client with RSA usages",
       make_request("system:node:n", "system:nodes", ""),
       kClient,
       {"key encipherment", "digital signature", "client auth"},
       true},
      {"client of another group",
       make_request("system:node:n", "system:masters", ""),
       kClient,
       {"digital signature", "client auth"},
       false},
      {"client of another name",
       make_request("n", "system:nodes", ""),
       kClient,
       {"digital signature", "client auth"},
       false},
      {"client with names",
       make_request("system:node:n", "system:nodes", "DNS:n"),
       kClient,
       {"digital signature", "client auth"},
       false},
      {"client as server",
       make_request("system:node:n", "system:nodes", ""),
       kClient,
       {"digital signature", "server auth"},
       false},
      {"serving",
       make_request("system:node:n", "system:nodes", "DNS:n,IP:192.0.2.10"),
       kServing,
       {"digital signature", "server auth"},
       true},
      {"serving without names",
       make_request("system:node:n", "system:nodes", ""),
       kServing,
       {"digital signature", "server auth"},
       false},
      {"serving with an e-mail",
       make_request("system:node:n", "system:nodes", "DNS:n,email:a@b.c"),
       kServing,
       {"digital signature", "server auth"},
       false},
  };
  ApiWorld world;
  for (const Row& row : rows) {
    const Csr done = ask_for(world, csr(row.request, row.signer, row.usages));
    EXPECT_EQ(!done.status().certificate().empty(), row.signed_one) << row.what;
    EXPECT_EQ(done.status().conditions_size(), row.signed_one ? 1 : 2) << row.what;
  }
}

TEST(FakeApiSigner, LeavesRequestsPendingWhenItIsToldTo) {
  ApiWorld world;
  world.api->sign_requests(false);
  const Csr wish =
      csr(make_request("system:node:n", "system:nodes", ""), kClient, {"digital signature", "client auth"});
  Csr pending = ask_for(world, wish);
  EXPECT_EQ(pending.status().conditions_size(), 0);

  auto& condition = *pending.mutable_status()->add_conditions();
  condition.set_type("Approved");
  condition.set_status("True");
  const Reply approved =
      world.ask(kAdmin, "PUT", kRequests + "/" + pending.metadata().name() + "/approval", api::encode_json(pending));
  EXPECT_EQ(approved.status, 200) << approved.text;
  EXPECT_FALSE(world.api->get<Csr>("", pending.metadata().name())->status().certificate().empty());
}

TEST(FakeApiSigner, RefusesWhatIsNoRequestAndTheNamesOfOtherNodes) {
  ApiWorld world;
  const std::vector<std::string> usages = {"digital signature", "client auth"};
  EXPECT_EQ(world.ask(kBootstrap, "POST", kRequests, api::encode_json(csr("nonsense", kClient, usages))).status, 422);
  const Csr other = csr(make_request("system:node:m", "system:nodes", ""), kClient, usages);
  const Reply refused = world.ask(kNode, "POST", kRequests, api::encode_json(other));
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.message(), HasSubstr("CN=system:node:n"));
}

// A pod on n whose volume wants tokens for `audience`.
std::string pod_with_token(ApiWorld& world, const std::string& audience) {
  auto pod = ApiWorld::pod("x", "n");
  auto& volume = *pod.mutable_spec()->add_volumes();
  volume.set_name("t");
  auto& token = *volume.mutable_volumesource()->mutable_projected()->add_sources()->mutable_serviceaccounttoken();
  token.set_path("token");
  token.set_audience(audience);
  const auto made = world.api->create(pod);
  EXPECT_TRUE(made.ok());
  return made.ok() ? made->metadata().uid() : "";
}

json token_request(const json& spec) {
  return {{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", spec}};
}

const std::string kToken = "/api/v1/namespaces/default/serviceaccounts/default/token";

TEST(FakeApiTokens, AreIssuedForPodsAndKnownToReviews) {
  ApiWorld world;
  const std::string uid = pod_with_token(world, "vault");
  const json bound = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", "x"}, {"uid", uid}};
  const Reply made =
      world.ask(kNode, "POST", kToken,
                token_request({{"audiences", {"vault"}}, {"expirationSeconds", 600}, {"boundObjectRef", bound}}));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.body["status"]["expirationTimestamp"], "2026-01-01T00:10:00Z");
  const std::string token = made.body["status"]["token"];
  EXPECT_EQ(std::count(token.begin(), token.end(), '.'), 2);

  const auto review = [&](const std::string& text) {
    const json body = {
        {"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenReview"}, {"spec", {{"token", text}}}};
    return world.ask(kNode, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", body).body["status"];
  };
  EXPECT_EQ(review(token)["authenticated"], true);
  EXPECT_EQ(review(token)["user"]["username"], "system:serviceaccount:default:default");
  EXPECT_FALSE(review("other").value("authenticated", false));
  world.clock.advance(std::chrono::minutes(11));
  EXPECT_FALSE(review(token).value("authenticated", false));
}

TEST(FakeApiTokens, AreRefusedWhenTheyAreNotForAPodHere) {
  ApiWorld world;
  const std::string uid = pod_with_token(world, "");
  struct Row {
    const char* what;
    json spec;
    int status;
    const char* message;
  };
  const json bound = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", "x"}, {"uid", uid}};
  json no_uid = bound;
  no_uid.erase("uid");
  json other_uid = bound;
  other_uid["uid"] = "other";
  json gone = bound;
  gone["name"] = "gone";
  const std::vector<Row> rows = {
      {"unbound", json::object(), 403, "node requested token not bound to a pod"},
      {"no uid", {{"boundObjectRef", no_uid}}, 403, "without a uid"},
      {"other uid", {{"boundObjectRef", other_uid}}, 403, "does not match the UID in record"},
      {"gone", {{"boundObjectRef", gone}}, 404, "pods \"gone\" not found"},
      {"audience", {{"boundObjectRef", bound}, {"audiences", {"vault"}}}, 403, "audience \"vault\" not found"},
      {"two audiences", {{"boundObjectRef", bound}, {"audiences", {"a", "b"}}}, 403, "0 or 1 audiences"},
      {"too short", {{"boundObjectRef", bound}, {"expirationSeconds", 60}}, 422, "less than 10 minutes"},
      {"right", {{"boundObjectRef", bound}}, 201, ""},
  };
  for (const Row& row : rows) {
    const Reply reply = world.ask(kNode, "POST", kToken, token_request(row.spec));
    EXPECT_EQ(reply.status, row.status) << row.what << reply.text;
    EXPECT_THAT(reply.message(), HasSubstr(row.message)) << row.what;
  }
}

}  // namespace
}  // namespace keelson::fakes::testing
