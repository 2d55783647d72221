#include "agent/node/node_object.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/tests/recorded.hpp"

namespace keelson::agent {
namespace {

using namespace testing;

TEST(NewNode, HasTheLabelsOfTheRecordedOne) {
  const json recorded = recorded_requests("create", "/api/v1/nodes").at(0)["request"];
  const json ours = to_json_of(new_node(recorded_settings()));
  EXPECT_EQ(ours["metadata"]["labels"], recorded["metadata"]["labels"]);
  EXPECT_EQ(ours["metadata"]["annotations"], recorded["metadata"]["annotations"]);
  EXPECT_EQ(ours["spec"], recorded["spec"]);
}

TEST(NewNode, TakesWhatTheConfigurationSays) {
  NodeSettings settings = recorded_settings();
  settings.labels = {{"kubernetes.io/hostname", "other"}, {"zone", "a"}};
  settings.taints = {{"dedicated", "gpu", "NoSchedule", std::nullopt}, {"dedicated", "x", "NoSchedule", std::nullopt}};
  settings.provider_id = "cloud://1";
  settings.addresses.external_cloud = true;
  settings.attach_detach = false;
  const json node = to_json_of(new_node(settings));
  EXPECT_EQ(node["metadata"]["labels"]["kubernetes.io/hostname"], "other");
  EXPECT_EQ(node["metadata"]["labels"]["zone"], "a");
  EXPECT_FALSE(node["metadata"].contains("annotations"));
  EXPECT_EQ(node["spec"]["providerID"], "cloud://1");
  const json taints = {
      {{"key", "dedicated"}, {"value", "gpu"}, {"effect", "NoSchedule"}},
      {{"key", "node.cloudprovider.kubernetes.io/uninitialized"}, {"value", "true"}, {"effect", "NoSchedule"}}};
  EXPECT_EQ(node["spec"]["taints"], taints);
}

class Reconcile : public ::testing::Test {
 protected:
  Reconcile() : existing_(recorded_json("objects/node.json")), wanted_(existing_) {}
  json result(bool reset_devices = false) {
    return to_json_of(reconciled(node_from(existing_), node_from(wanted_), reset_devices));
  }
  json existing_;
  json wanted_;
};

TEST_F(Reconcile, ChangesNothingWhereAllIsRight) { EXPECT_EQ(result(), to_json_of(node_from(existing_))); }

TEST_F(Reconcile, LeavesWhatIsNotOurs) {
  existing_["metadata"]["labels"]["theirs"] = "1";
  existing_["metadata"]["annotations"]["theirs"] = "2";
  existing_["spec"]["taints"] = {{{"key", "theirs"}, {"effect", "NoExecute"}}};
  existing_["spec"]["providerID"] = "theirs://1";
  existing_["status"]["conditions"].push_back({{"type", "NetworkUnavailable"}, {"status", "False"}});
  wanted_["metadata"]["labels"]["ours"] = "3";
  wanted_["spec"]["providerID"] = "ours://1";
  EXPECT_EQ(result(), to_json_of(node_from(existing_)));
}

TEST_F(Reconcile, PutsDefaultLabelsRight) {
  auto& labels = existing_["metadata"]["labels"];
  labels["kubernetes.io/hostname"] = "old";
  labels.erase("kubernetes.io/arch");
  labels["topology.kubernetes.io/zone"] = "";
  labels["topology.kubernetes.io/region"] = "kept";
  wanted_["metadata"]["labels"]["node.kubernetes.io/instance-type"] = "big";
  const json got = result()["metadata"]["labels"];
  EXPECT_EQ(got["kubernetes.io/hostname"], "tb-node");
  EXPECT_EQ(got["kubernetes.io/arch"], "amd64");
  EXPECT_EQ(got["node.kubernetes.io/instance-type"], "big");
  EXPECT_EQ(got["topology.kubernetes.io/region"], "kept");
  EXPECT_FALSE(got.contains("topology.kubernetes.io/zone"));
}

TEST_F(Reconcile, SetsOrRemovesTheAttachDetachAnnotation) {
  const std::string key = "volumes.kubernetes.io/controller-managed-attach-detach";
  existing_["metadata"]["annotations"].erase(key);
  EXPECT_EQ(result()["metadata"]["annotations"][key], "true");
  existing_["metadata"]["annotations"][key] = "true";
  wanted_["metadata"].erase("annotations");
  const json annotations = result()["metadata"]["annotations"];
  EXPECT_FALSE(annotations.contains(key));
  EXPECT_TRUE(annotations.contains("node.alpha.kubernetes.io/ttl"));
}

TEST_F(Reconcile, FillsResourcesAndFollowsHugePages) {
  existing_["status"].erase("capacity");
  auto& allocatable = existing_["status"]["allocatable"];
  allocatable["hugepages-1Gi"] = "4Gi";
  allocatable["hugepages-64Ki"] = "64Ki";
  allocatable["cpu"] = "7";
  allocatable.erase("hugepages-2Mi");
  const json status = result()["status"];
  EXPECT_EQ(status["capacity"], wanted_["status"]["capacity"]);
  EXPECT_EQ(status["allocatable"]["cpu"], "7");
  EXPECT_EQ(status["allocatable"]["hugepages-1Gi"], "0");
  EXPECT_EQ(status["allocatable"]["hugepages-2Mi"], "0");
  EXPECT_FALSE(status["allocatable"].contains("hugepages-64Ki"));
}

TEST_F(Reconcile, ZeroesDevicesThatNobodyRemembers) {
  existing_["status"]["capacity"]["example.com/gpu"] = "4";
  existing_["status"]["allocatable"]["example.com/gpu"] = "4";
  EXPECT_EQ(result(false)["status"]["capacity"]["example.com/gpu"], "4");
  const json status = result(true)["status"];
  EXPECT_EQ(status["capacity"]["example.com/gpu"], "0");
  EXPECT_EQ(status["allocatable"]["example.com/gpu"], "0");
  EXPECT_EQ(status["capacity"]["cpu"], "2");
}

TEST(PodCidrs, AreJoined) {
  api::core::Node node;
  EXPECT_EQ(pod_cidrs(node), "");
  node.mutable_spec()->add_podcidrs("10.0.0.0/24");
  node.mutable_spec()->add_podcidrs("fd00::/64");
  EXPECT_EQ(pod_cidrs(node), "10.0.0.0/24,fd00::/64");
}

}  // namespace
}  // namespace keelson::agent
