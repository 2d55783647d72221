#include "agent/images/pull_record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::agent {
namespace {

using ::testing::ElementsAre;

constexpr char kRepository[] = "r.io/app";
const base::SystemTime kThen{std::chrono::seconds(1'729'513'600)};  // 2024-10-21T12:26:40Z
const base::SystemTime kNow = kThen + std::chrono::hours(1);

Credential of_secret(const std::string& name, const std::string& hash, const std::string& uid = "uid") {
  Credential credential;
  credential.hash = hash;
  credential.origin.secret = ObjectIdentity{"ns", name, uid};
  return credential;
}
Credential of_account(const std::string& name) {
  Credential credential;
  credential.hash = "h";
  credential.origin.account = ObjectIdentity{"ns", name, "uid"};
  return credential;
}
Credential of_node() {
  Credential credential;
  credential.hash = "h";
  return credential;
}

TEST(PullRecord, IsTheKubeletsFile) {
  EXPECT_EQ(record_file_name("docker.io/testing/test:latest"),
            "sha256-aef2af226629a35d5f3ef0fdbb29fdbebf038d0acd8850590e8c48e1e283aa56");
  EXPECT_EQ(
      pull_intent_json("r.io/app:1"),
      "{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"image\":\"r.io/app:1\"}\n");
  PulledRecord record;
  record.updated = kThen;
  record.ref = "sha256:1";
  EXPECT_EQ(pulled_record_json(record),
            "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"lastUpdatedTime\":"
            "\"2024-10-21T12:26:40Z\",\"imageRef\":\"sha256:1\"}\n");
  record.access["docker.io/testing/test"].secrets = {{{"default", "pull-secret", "testsecretuid"}, "testsecrethash"}};
  record.access["r.io/a"].everybody = true;
  record.access["r.io/b"].accounts = {{"ns", "sa", "u"}};
  const std::string json =
      R"({"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1beta1","lastUpdatedTime":"2024-10-21T12:26:40Z",)"
      R"("imageRef":"sha256:1","credentialMapping":{"docker.io/testing/test":{"kubernetesSecrets":[{"uid":"testsecretuid",)"
      R"("namespace":"default","name":"pull-secret","credentialHash":"testsecrethash"}]},"r.io/a":{"nodePodsAccessible":true},)"
      R"("r.io/b":{"kubernetesServiceAccounts":[{"uid":"u","namespace":"ns","name":"sa"}]}}})"
      "\n";
  EXPECT_EQ(pulled_record_json(record), json);
  EXPECT_EQ(parse_pulled_record(json).value(), record);
}

TEST(PullRecord, ReadsOlderVersionsToo) {
  EXPECT_EQ(parse_pull_intent(R"({"kind":"ImagePullIntent","apiVersion":"kubelet.config.k8s.io/v1alpha1","image":"i"})")
                .value(),
            "i");
  const auto record = parse_pulled_record(
      R"({"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1alpha1","lastUpdatedTime":null,"imageRef":"r",)"
      R"("credentialMapping":{"a":{}},"later":1})");
  ASSERT_TRUE(record.ok()) << record.error().to_string();
  EXPECT_EQ(record.value().access.at("a"), ImageAccess());
}

TEST(PullRecord, RefusesWhatItIsNot) {
  for (const char* text :
       {"", "{", "[]", "{}", "null", R"({"kind":"Pod","apiVersion":"v1","image":"i","imageRef":"r"})",
        R"({"kind":"ImagePullIntent","apiVersion":"kubelet.config.k8s.io/v1beta1"})",
        R"({"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1beta1","imageRef":5})",
        R"({"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1beta1","imageRef":"r",)"
        R"("credentialMapping":[]})"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(parse_pull_intent(text).ok());
    EXPECT_FALSE(parse_pulled_record(text).ok());
  }
}

TEST(Verification, IsAskedForByPolicy) {
  using enum VerificationPolicy;
  struct Row {
    VerificationPolicy policy;
    std::string repository;
    bool of_known, of_unknown;  // images that we know to have pulled, and others
  };
  const Row rows[] = {
      {off, "r.io/x", false, false},
      {never, "r.io/x", false, false},
      {never_preloaded, "r.io/x", true, false},
      {always, "r.io/x", true, true},
      {never_allowlisted, "r.io/x", true, true},
      {never_allowlisted, "r.io/free", false, false},
      {never_allowlisted, "r.io/free/more", true, true},
      {never_allowlisted, "s.io/team/x", false, false},
      {never_allowlisted, "s.io/team", true, true},
      {never_allowlisted, "s.io/teams/x", true, true},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.repository + " " + std::to_string(static_cast<int>(row.policy)));
    const PullVerification verification{row.policy, {"r.io/free", "s.io/team/*"}};
    EXPECT_EQ(must_verify(verification, row.repository, true), row.of_known);
    EXPECT_EQ(must_verify(verification, row.repository, false), row.of_unknown);
  }
  EXPECT_EQ(verification_policy("NeverVerifyPreloadedImages"), never_preloaded);
  EXPECT_EQ(verification_policy(""), off);
  EXPECT_EQ(verification_policy("Sometimes"), std::nullopt);
}

TEST(Verification, LetsInWhomTheRecordNames) {
  PulledRecord record;
  record.access[kRepository].secrets = {{{"ns", "s", "uid"}, "hash"}, {{"ns", "blank", "uid"}, ""}};
  record.access[kRepository].accounts = {{"ns", "sa", "uid"}};
  struct Row {
    Credential credential;
    bool in;
  };
  const Row rows[] = {
      {of_secret("s", "hash"), true},
      {of_secret("s", "changed"), true},         // the same secret, new contents
      {of_secret("other", "hash"), true},        // another secret, the same login
      {of_secret("s", "changed", "u2"), false},  // a new secret under the old name
      {of_secret("other", "changed"), false},
      {of_secret("third", ""), false},  // no hash is no proof
      {of_account("sa"), true},
      {of_account("other"), false},
      {of_node(), false},  // the node's own: tried by pulling
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.credential.hash + (row.credential.origin.secret ? " " + row.credential.origin.secret->name : ""));
    const std::vector<Credential> one = {row.credential};
    EXPECT_EQ(admitting(record, kRepository, one) != nullptr, row.in);
    EXPECT_EQ(admitting(record, "r.io/elsewhere", one), nullptr);
    const std::vector<Credential> behind_others = {of_secret("x", "y"), of_account("z"), row.credential};
    EXPECT_EQ(admitting(record, kRepository, behind_others), row.in ? &behind_others[2] : nullptr);
  }
  EXPECT_EQ(admitting(record, kRepository, {}), nullptr);
}

TEST(Verification, KnowsWhatItNeedNotAsk) {
  PulledRecord record;
  record.access["a"].everybody = true;
  record.access["b"].secrets = {{{"ns", "s", "uid"}, "hash"}};
  record.access["c"];
  EXPECT_EQ(verdict_of(&record, "a"), Verdict::open);
  EXPECT_EQ(verdict_of(&record, "b"), Verdict::by_name);
  EXPECT_EQ(verdict_of(&record, "c"), Verdict::closed);
  EXPECT_EQ(verdict_of(&record, "d"), Verdict::closed);
  EXPECT_EQ(verdict_of(nullptr, "a"), Verdict::closed);
}

TEST(Access, IsMergedIntoARecord) {
  PulledRecord record;
  record.updated = kThen;
  const auto merge = [&](const Credential& credential) {
    return merge_access(record, kRepository, access_by(&credential), kNow);
  };
  EXPECT_TRUE(merge(of_secret("b", "1")));
  EXPECT_EQ(record.updated, kNow);
  EXPECT_TRUE(merge(of_secret("a", "2")));
  EXPECT_TRUE(merge(of_account("sa")));
  record.updated = kThen;
  EXPECT_FALSE(merge(of_secret("b", "1"))) << "nothing new";
  EXPECT_FALSE(merge(of_account("sa")));
  EXPECT_EQ(record.updated, kThen);
  EXPECT_TRUE(merge(of_secret("b", "3")));
  const ImageAccess& access = record.access.at(kRepository);
  EXPECT_THAT(access.secrets,
              ElementsAre(SecretAccess{{"ns", "a", "uid"}, "2"}, SecretAccess{{"ns", "b", "uid"}, "3"}));
  EXPECT_THAT(access.accounts, ElementsAre(ObjectIdentity{"ns", "sa", "uid"}));

  EXPECT_TRUE(merge(of_node()));
  EXPECT_EQ(record.access.at(kRepository), (ImageAccess{true, {}, {}})) << "everybody: no names any more";
  EXPECT_FALSE(merge(of_secret("c", "4")));
  EXPECT_TRUE(merge_access(record, "r.io/other", access_by(nullptr), kNow)) << "anonymous is everybody";
  EXPECT_TRUE(record.access.at("r.io/other").everybody);
}

TEST(Access, RemembersAHundredSecrets) {
  PulledRecord record;
  merge_access(record, kRepository, ImageAccess{false, {{{"ns", "first", "uid"}, "hash"}}, {}}, kThen);
  EXPECT_FALSE(remember_admitted(record, kRepository, of_account("sa"), kNow));
  EXPECT_FALSE(remember_admitted(record, kRepository, of_secret("first", "hash"), kNow));
  for (int i = 1; i < 100; ++i) {
    EXPECT_TRUE(remember_admitted(record, kRepository, of_secret("s" + std::to_string(i), "hash"), kNow));
  }
  EXPECT_FALSE(remember_admitted(record, kRepository, of_secret("one-too-many", "hash"), kNow));
  EXPECT_FALSE(remember_admitted(record, kRepository, of_secret("first", "changed"), kNow));
  EXPECT_EQ(record.access.at(kRepository).secrets.size(), 100u);
}

}  // namespace
}  // namespace keelson::agent
