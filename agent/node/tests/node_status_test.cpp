#include "agent/node/node_status.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/declared_features.hpp"
#include "agent/node/tests/recorded.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const base::SystemTime kStart = time_of("2026-11-20T10:28:18Z");

StatusInputs unready_inputs() {
  StatusInputs inputs = recorded_inputs();
  inputs.causes.storage = "CSINode is not yet initialized";
  return inputs;
}

// --- The recordings

TEST(RecordedNode, IsCreatedAlike) {
  const json recorded = recorded_requests("create", "/api/v1/nodes").at(0)["request"];
  const NextStatus first = first_node(recorded_settings(), unready_inputs(), kStart);
  EXPECT_EQ(to_json_of(first.node), recorded);
  EXPECT_TRUE(first.addresses.ok());
  EXPECT_FALSE(first.rebooted);
}

TEST(RecordedNode, IsPatchedAlike) {
  const auto patches = recorded_requests("patch", "/api/v1/nodes/tb-node/status");
  ASSERT_EQ(patches.size(), 2u);
  const auto created = node_from(recorded_requests("create", "/api/v1/nodes").at(0)["response"]);
  const NextStatus same = next_status(recorded_settings(), unready_inputs(), created, kStart);
  EXPECT_FALSE(status_differs(created, same.node));
  EXPECT_EQ(json::parse(status_patch(created, same.node)), patches[0]["request"]);

  const NextStatus ready = next_status(recorded_settings(), recorded_inputs(), created, kStart);
  EXPECT_TRUE(status_differs(created, ready.node));
  EXPECT_EQ(json::parse(status_patch(created, ready.node)), patches[1]["request"]);
  EXPECT_THAT(ready.events, ElementsAre(NodeEvent{false, "NodeReady", "Node tb-node status is now: NodeReady"}));
}

TEST(RecordedNode, StaysAsItIs) {
  const auto node = node_from(recorded_json("objects/node.json"));
  const NextStatus next = next_status(recorded_settings(), recorded_inputs(), node, time_of("2026-11-20T10:44:08Z"));
  EXPECT_EQ(to_json_of(next.node), to_json_of(node));
  EXPECT_EQ(status_patch(node, next.node), "{}");
  EXPECT_THAT(next.events, IsEmpty());
}

// --- Parts

class NodeStatusParts : public ::testing::Test {
 protected:
  NextStatus next() { return next_status(settings, inputs, node, kStart); }
  json status() { return to_json_of(next().node)["status"]; }
  NodeSettings settings = recorded_settings();
  StatusInputs inputs = recorded_inputs();
  api::core::Node node = node_from(recorded_json("objects/node.json"));
};

TEST_F(NodeStatusParts, HeartbeatsAloneAreNoDifference) {
  const NextStatus later = next_status(settings, inputs, node, kStart + 24h);
  EXPECT_FALSE(status_differs(node, later.node));
  const json patch = json::parse(status_patch(node, later.node));
  EXPECT_EQ(patch["status"]["conditions"].size(), 4u);
  EXPECT_EQ(patch["status"]["conditions"][0],
            (json{{"lastHeartbeatTime", "2026-11-21T10:28:18Z"}, {"type", "MemoryPressure"}}));
  EXPECT_EQ(patch["status"]["$setElementOrder/conditions"].size(), 4u);
  EXPECT_EQ(patch["status"].size(), 2u);
}

TEST_F(NodeStatusParts, ChangedAddressesReplaceTheList) {
  inputs.addresses->local = {{"eth0", "192.0.2.11"}};
  settings.addresses.configured = {"192.0.2.11"};
  const json patch = json::parse(status_patch(node, next().node));
  EXPECT_EQ(patch["status"]["addresses"], (json{{{"type", "InternalIP"}, {"address", "192.0.2.11"}},
                                                {{"type", "Hostname"}, {"address", "tb-node"}},
                                                {{"$patch", "replace"}}}));
  EXPECT_FALSE(patch["status"].contains("$setElementOrder/addresses"));
}

TEST_F(NodeStatusParts, FirstAddressesAreMerged) {
  node.mutable_status()->clear_addresses();
  const json patch = json::parse(status_patch(node, next().node));
  EXPECT_EQ(patch["status"]["addresses"].size(), 2u);
}

TEST_F(NodeStatusParts, AddressesThatAreNotKnownStay) {
  inputs.addresses.reset();
  node.mutable_status()->mutable_addresses(0)->set_address("198.51.100.1");
  EXPECT_EQ(status()["addresses"][0]["address"], "198.51.100.1");
  inputs.addresses = AddressFacts();
  const NextStatus wrong = next();
  EXPECT_FALSE(wrong.addresses.ok());
  EXPECT_EQ(wrong.node.status().addresses(0).address(), "198.51.100.1");
}

TEST_F(NodeStatusParts, TheSpecIsNeverSent) {
  NextStatus after = next();
  after.node.mutable_spec()->set_providerid("x");
  EXPECT_EQ(json::parse(status_patch(node, after.node)).contains("spec"), false);
}

TEST_F(NodeStatusParts, PlatformLabelsComeBack) {
  node.mutable_metadata()->mutable_labels()->erase("kubernetes.io/os");
  (*node.mutable_metadata()->mutable_labels())["kubernetes.io/arch"] = "z80";
  const NextStatus after = next();
  EXPECT_TRUE(status_differs(node, after.node));
  const json patch = json::parse(status_patch(node, after.node));
  EXPECT_EQ(patch["metadata"]["labels"], (json{{"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", "amd64"}}));
}

TEST_F(NodeStatusParts, ResourcesOfOthersLiveOnAsAllocatable) {
  (*node.mutable_status()->mutable_capacity())["example.com/dongle"].set_string("4");
  (*node.mutable_status()->mutable_allocatable())["example.com/gone"].set_string("1");
  const json after = status();
  EXPECT_EQ(after["capacity"]["example.com/dongle"], "4");
  EXPECT_EQ(after["allocatable"]["example.com/dongle"], "4");
  EXPECT_FALSE(after["allocatable"].contains("example.com/gone"));
}

TEST_F(NodeStatusParts, DevicesCountTheirHealthyOnes) {
  inputs.devices.capacity["example.com/gpu"] = api::Quantity::from_int(4);
  inputs.devices.allocatable["example.com/gpu"] = api::Quantity::from_int(3);
  inputs.devices.removed = {"example.com/old"};
  const json after = status();
  EXPECT_EQ(after["capacity"]["example.com/gpu"], "4");
  EXPECT_EQ(after["allocatable"]["example.com/gpu"], "3");
  EXPECT_EQ(after["capacity"]["example.com/old"], "0");
  EXPECT_EQ(after["allocatable"]["example.com/old"], "0");
}

TEST_F(NodeStatusParts, AMachineThatCannotBeReadIsNotReady) {
  settings.capacity.capacity.erase("memory");
  settings.capacity.capacity.erase("ephemeral-storage");
  node = new_node(settings);
  EXPECT_EQ(status()["conditions"][3]["message"], "missing node capacity for resources: memory, ephemeral-storage");
  settings.local_storage = false;
  EXPECT_EQ(status()["conditions"][3]["message"], "missing node capacity for resources: memory");
}

TEST_F(NodeStatusParts, SwapIsToldWhereThereIsAny) {
  EXPECT_FALSE(status()["nodeInfo"].contains("swap"));
  settings.machine.swap_bytes = 4096;
  EXPECT_EQ(status()["nodeInfo"]["swap"]["capacity"], 4096);
}

TEST_F(NodeStatusParts, RuntimeHandlersAreSortedAndFeaturesTold) {
  inputs.runtime.handlers = {{"runsc", false, true}, {"", true, true}};
  inputs.runtime.supplemental_groups_policy = false;
  const json after = status();
  EXPECT_EQ(after["runtimeHandlers"],
            (json{{{"name", ""}, {"features", {{"recursiveReadOnlyMounts", true}, {"userNamespaces", true}}}},
                  {{"name", "runsc"}, {"features", {{"recursiveReadOnlyMounts", false}, {"userNamespaces", true}}}}}));
  EXPECT_EQ(after["features"], (json{{"supplementalGroupsPolicy", false}}));
  inputs.runtime = {};
  EXPECT_FALSE(status().contains("features"));
}

TEST_F(NodeStatusParts, VolumesInUseStayUntilTheyAreKnown) {
  node.mutable_status()->add_volumesinuse("old");
  EXPECT_EQ(status()["volumesInUse"], json{"old"});
  inputs.volumes_in_use = {{"b", "a", "b"}};
  EXPECT_EQ(status()["volumesInUse"], (json{"a", "b"}));
  inputs.volumes_in_use = std::vector<std::string>();
  EXPECT_FALSE(status().contains("volumesInUse"));
}

TEST_F(NodeStatusParts, AnotherBootIsNoticed) {
  EXPECT_FALSE(next().rebooted);
  settings.machine.boot_id = "another";
  EXPECT_TRUE(next().rebooted);
}

TEST(DeclaredFeatures, FollowTheGatesAndTheRuntime) {
  // Streams over web sockets are not there, so that nobody is invited to ask for them.
  config::FeatureGates gates(std::map<std::string, bool>{{"UserNamespacesHostNetworkSupport", true}});
  EXPECT_THAT(declared_features(gates, true),
              ElementsAre("InPlacePodLevelResourcesVerticalScaling", "InPlacePodVerticalScalingInitContainers",
                          "RestartAllContainersOnContainerExits", "UserNamespacesHostNetworkSupport"));
  EXPECT_EQ(declared_features(gates, false).size(), 3u);
  config::FeatureGates off(std::map<std::string, bool>{{"InPlacePodLevelResourcesVerticalScaling", false},
                                                       {"InPlacePodVerticalScalingInitContainers", false},
                                                       {"RestartAllContainersOnContainerExits", false}});
  EXPECT_TRUE(declared_features(off, false).empty());
}

// --- When it is sent

TEST(ReportTimes, AreAtOnceThenSpreadThenRegular) {
  base::Random random(7);
  const base::SteadyTime start{};
  ReportTimes times(5min, random);
  EXPECT_TRUE(times.due(false, start));
  base::Duration shortest = 1h;
  base::Duration longest{};
  for (int i = 0; i < 200; ++i) {
    times.decided(true, random);
    times.sent(start);
    EXPECT_TRUE(times.due(true, start));
    base::Duration wait{};
    while (!times.due(false, start + wait)) wait += 1s;
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  }
  EXPECT_GE(shortest, 150s);
  EXPECT_LT(shortest, 170s);
  EXPECT_LE(longest, 450s);
  EXPECT_GT(longest, 430s);
  times.decided(false, random);
  times.sent(start);
  EXPECT_FALSE(times.due(false, start + 299s));
  EXPECT_TRUE(times.due(false, start + 300s));
}

// --- Images and the runtime's version

cri::Image image(std::string id, std::uint64_t size, std::vector<std::string> tags, std::vector<std::string> digests) {
  cri::Image out;
  out.id = std::move(id);
  out.size = size;
  out.repo_tags = std::move(tags);
  out.repo_digests = std::move(digests);
  return out;
}

TEST(NodeImages, AreTheLargestWithFiveNamesAtMost) {
  const auto images = node_images({image("a", 5, {"small"}, {}), image("b", 9, {"t1", "t2", "t3"}, {"d1", "d2", "d3"}),
                                   image("c", 5, {"same"}, {}), image("d", 0, {}, {})},
                                  3);
  ASSERT_EQ(images.size(), 3u);
  EXPECT_THAT(images[0].names(), ElementsAre("d1", "d2", "d3", "t1", "t2"));
  EXPECT_EQ(images[0].sizebytes(), 9);
  EXPECT_THAT(images[1].names(), ElementsAre("same"));
  EXPECT_THAT(images[2].names(), ElementsAre("small"));
  EXPECT_EQ(node_images({image("a", 0, {}, {})}, -1).size(), 1u);
  EXPECT_TRUE(node_images({image("a", 0, {}, {})}, 0).empty());
}

TEST(RuntimeVersionText, IsCleaned) {
  struct Row {
    const char* given;
    const char* text;
  };
  for (const Row& row :
       {Row{"1.6.20~ds1", "rt://1.6.20"}, Row{"v1.7.2", "rt://1.7.2"}, Row{"v2.0.0-rc.1", "rt://2.0.0-rc.1"},
        Row{"1.30.0+git.5", "rt://1.30.0+git.5"}, Row{"1.30.0-", "rt://1.30.0"}, Row{"1.7", "rt://1.7"},
        Row{"1.7.2.4", "rt://1.7.2.4"}, Row{"1.07.2-rc1", "rt://1.07.2"}, Row{"1", "Unknown"}, Row{"", "Unknown"},
        Row{"main", "Unknown"}, Row{"1..2", "Unknown"}}) {
    SCOPED_TRACE(row.given);
    cri::Version version;
    version.runtime_name = "rt";
    version.runtime_version = row.given;
    EXPECT_EQ(runtime_version_text(version), row.text);
  }
}

}  // namespace
}  // namespace keelson::agent
