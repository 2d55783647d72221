// ClusterTrustBundles: which of them a source takes, what their anchors become, and how long they are watched.
#include "agent/objects/trust_bundles.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/objects/tests/fake_server.hpp"
#include "agent/objects/trust_anchors.hpp"
#include "api/tests/pod_fixture.hpp"

namespace keelson::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

constexpr char kPath[] = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles";

api::Pod pod_of(const std::string& uid) {
  return api::testing::pod_from_yaml("metadata: {name: p, namespace: ns, uid: " + uid +
                                     "}\nspec: {containers: [{name: c}], volumes: [{name: v, projected: {sources: "
                                     "[{clusterTrustBundle: {name: b, path: ca}}]}}]}");
}

class TrustBundlesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bundles_.on_change([this](const std::string& uid) { changed_.push_back(uid); });
  }
  void TearDown() override { cluster_.run(bundles_.stop()); }

  void put(const std::string& name, const std::string& signer, const std::string& pem,
           const std::map<std::string, std::string>& labels = {}) {
    TrustBundles::Bundle bundle;
    bundle.mutable_metadata()->set_name(name);
    for (const auto& [key, value] : labels) (*bundle.mutable_metadata()->mutable_labels())[key] = value;
    bundle.mutable_spec()->set_signername(signer);
    bundle.mutable_spec()->set_trustbundle(pem);
    cluster_.server.put(kPath, bundle);
    cluster_.drain();
  }
  std::vector<std::string> anchors(const api::core::ClusterTrustBundleProjection& source) {
    const auto got = cluster_.run(bundles_.anchors(source));
    if (!got.ok()) return {"error: " + got.error().to_string()};
    return pem_blocks(*got);
  }
  static api::core::ClusterTrustBundleProjection named(const std::string& name, bool optional = false) {
    api::core::ClusterTrustBundleProjection source;
    source.set_name(name);
    if (optional) source.set_optional(true);
    return source;
  }
  static api::core::ClusterTrustBundleProjection of_signer(const std::string& signer) {
    api::core::ClusterTrustBundleProjection source;
    source.set_signername(signer);
    return source;
  }

  testing::Cluster cluster_;
  TrustBundles bundles_{cluster_.client, cluster_.random, base::Logger()};
  std::vector<std::string> changed_;
};

TEST(TrustAnchors, AreTheBlocksOfAPemTextWithoutItsRemarks) {
  const std::string pem = "a remark\n" + to_pem("CERTIFICATE", "one") +
                          "-----BEGIN CERTIFICATE-----\nKey: value\n\ndHdv\n-----END CERTIFICATE-----\n" +
                          "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nx";
  EXPECT_THAT(pem_blocks(pem), ElementsAre("one", "two"));
  EXPECT_THAT(pem_blocks(""), IsEmpty());
  const std::string bytes(100, 'x');
  const std::string text = to_pem("CERTIFICATE", bytes);
  EXPECT_THAT(pem_blocks(text), ElementsAre(bytes));
  EXPECT_EQ(text.find('\n', text.find('\n') + 1) - text.find('\n') - 1, 64u) << text;
}

TEST(TrustAnchors, ComeOnceEachInAnOrderThatOneRunOfTheAgentKeeps) {
  const std::string first = to_pem("CERTIFICATE", "a") + to_pem("CERTIFICATE", "b");
  const std::string second = to_pem("CERTIFICATE", "b") + to_pem("CERTIFICATE", "c");
  const std::string joined = join_trust_anchors({first, second}, 7);
  EXPECT_THAT(pem_blocks(joined), UnorderedElementsAre("a", "b", "c"));
  EXPECT_EQ(join_trust_anchors({second, first}, 7), joined);
  bool differs = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    differs = differs || join_trust_anchors({first, second}, seed) != joined;
  EXPECT_TRUE(differs) << "nobody is to rely on it";
  EXPECT_EQ(join_trust_anchors({}, 7), "");
}

TEST_F(TrustBundlesTest, ASourceTakesOneByNameOrThoseOfASigner) {
  bundles_.register_pod(pod_of("u"));
  put("a", "example/x", to_pem("CERTIFICATE", "1"), {{"live", "yes"}});
  put("b", "example/x", to_pem("CERTIFICATE", "2"));
  put("c", "example/y", to_pem("CERTIFICATE", "3"), {{"live", "yes"}});
  EXPECT_THAT(anchors(named("b")), ElementsAre("2"));
  EXPECT_THAT(
      anchors(named("none")),
      ElementsAre("error: while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io \"none\" not "
                  "found"));
  EXPECT_THAT(anchors(named("none", true)), IsEmpty());
  auto source = of_signer("example/x");
  EXPECT_THAT(anchors(source),
              ElementsAre("error: combination of signerName and labelSelector matched zero ClusterTrustBundles"))
      << "no selector selects nothing";
  source.mutable_labelselector();
  EXPECT_THAT(anchors(source), UnorderedElementsAre("1", "2")) << "an empty one selects all";
  (*source.mutable_labelselector()->mutable_matchlabels())["live"] = "yes";
  EXPECT_THAT(anchors(source), ElementsAre("1"));
  source.set_signername("example/none");
  source.set_optional(true);
  EXPECT_THAT(anchors(source), IsEmpty());
  EXPECT_THAT(anchors({}),
              ElementsAre("error: ClusterTrustBundle projection requires either name or signerName to be set"));
}

TEST_F(TrustBundlesTest, AreWatchedWhileAPodNamesThem) {
  EXPECT_EQ(cluster_.server.open_watches(), 0u);
  bundles_.register_pod(
      api::testing::pod_from_yaml("metadata: {name: p, uid: other}\nspec: {containers: [{name: c}]}"));
  EXPECT_FALSE(bundles_.watches());
  bundles_.register_pod(pod_of("u1"));
  bundles_.register_pod(pod_of("u2"));
  bundles_.register_pod(pod_of("u1"));
  cluster_.drain();
  EXPECT_EQ(cluster_.server.open_watches(), 1u);
  bundles_.unregister_pod("u1");
  cluster_.drain();
  EXPECT_EQ(cluster_.server.open_watches(), 1u);
  bundles_.unregister_pod("u2");
  cluster_.drain();
  EXPECT_EQ(cluster_.server.open_watches(), 0u);
  EXPECT_THAT(anchors(named("b")), ElementsAre("error: no pod has registered ClusterTrustBundles"));
}

TEST_F(TrustBundlesTest, AChangeIsToldToThePodsThatHaveThem) {
  put("b", "", to_pem("CERTIFICATE", "1"));
  bundles_.register_pod(pod_of("u1"));
  cluster_.drain();
  EXPECT_THAT(anchors(named("b")), ElementsAre("1"));
  EXPECT_THAT(changed_, IsEmpty()) << "the first set is no news";
  put("b", "", to_pem("CERTIFICATE", "2"));
  EXPECT_THAT(changed_, ElementsAre("u1"));
  EXPECT_THAT(anchors(named("b")), ElementsAre("2"));
}

TEST_F(TrustBundlesTest, AServerThatIsSilentIsWaitedForASecond) {
  cluster_.server.silent = true;
  bundles_.register_pod(pod_of("u1"));
  const auto waits = cluster_.begin(bundles_.anchors(named("b")));
  EXPECT_FALSE(waits->has_value());
  cluster_.clock.advance(1s);
  ASSERT_TRUE(waits->has_value());
  EXPECT_EQ((*waits)->error().to_string(), "ClusterTrustBundle informer has not yet synced");
}

}  // namespace
}  // namespace keelson::agent
