#include "agent/node/node_conditions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/tests/recorded.hpp"
#include "api/time.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const base::SystemTime kFirst = time_of("2026-11-20T10:28:18Z");
const base::SystemTime kLater = time_of("2026-11-20T10:28:28Z");

std::vector<std::string> reasons(const std::vector<NodeEvent>& events) {
  std::vector<std::string> out;
  for (const auto& event : events) out.push_back(event.reason);
  return out;
}

std::string times(const api::core::Node& node, const std::string& type) {
  const auto* condition = find_condition(node, type);
  return condition == nullptr ? "none"
                              : api::format_time(condition->lastheartbeattime()) + " since " +
                                    api::format_time(condition->lasttransitiontime());
}

TEST(NodeConditions, AreThoseOfTheRecordedNode) {
  const json recorded = recorded_requests("create", "/api/v1/nodes").at(0)["request"]["status"]["conditions"];
  api::core::Node node;
  node.mutable_metadata()->set_name("tb-node");
  ReadyCauses causes;
  causes.storage = "CSINode is not yet initialized";
  const auto events = update_conditions({}, causes, kFirst, node);
  EXPECT_EQ(to_json_of(node)["status"]["conditions"], recorded);
  EXPECT_THAT(reasons(events), ElementsAre("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"));
  EXPECT_EQ(events[0].message, "Node tb-node status is now: NodeHasSufficientMemory");
  EXPECT_FALSE(events[0].warning);
}

TEST(NodeConditions, KeepTheirTransitionTimeWhileNothingChanges) {
  api::core::Node node;
  update_conditions({}, {}, kFirst, node);
  EXPECT_THAT(update_conditions({}, {}, kLater, node), IsEmpty());
  for (const char* type : {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"}) {
    EXPECT_EQ(times(node, type), "2026-11-20T10:28:28Z since 2026-11-20T10:28:18Z") << type;
  }
}

TEST(NodeConditions, TellWhatChanges) {
  api::core::Node node;
  update_conditions({}, {}, kFirst, node);
  ReadyCauses causes;
  causes.runtime_status = "container runtime is down";
  EXPECT_THAT(
      reasons(update_conditions({true, true, true}, causes, kLater, node)),
      ElementsAre("NodeHasInsufficientMemory", "NodeHasDiskPressure", "NodeHasInsufficientPID", "NodeNotReady"));
  EXPECT_EQ(find_condition(node, "MemoryPressure")->message(), "kubelet has insufficient memory available");
  EXPECT_EQ(find_condition(node, "DiskPressure")->reason(), "KubeletHasDiskPressure");
  EXPECT_EQ(find_condition(node, "PIDPressure")->reason(), "KubeletHasInsufficientPID");
  EXPECT_EQ(find_condition(node, "Ready")->message(), "container runtime is down");
  EXPECT_EQ(times(node, "Ready"), "2026-11-20T10:28:28Z since 2026-11-20T10:28:28Z");
  EXPECT_THAT(reasons(update_conditions({}, {}, kLater, node)),
              ElementsAre("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady"));
}

TEST(NodeConditions, ComeBackFromUnknown) {
  api::core::Node node;
  update_conditions({}, {}, kFirst, node);
  for (auto& condition : *node.mutable_status()->mutable_conditions()) condition.set_status("Unknown");
  EXPECT_THAT(reasons(update_conditions({}, {}, kLater, node)),
              ElementsAre("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady"));
  EXPECT_TRUE(is_ready(node));
}

TEST(NodeConditions, OfOthersStayAsTheyAre) {
  api::core::Node node;
  auto* network = node.mutable_status()->add_conditions();
  network->set_type("NetworkUnavailable");
  network->set_status("False");
  network->set_reason("CalicoIsUp");
  const std::string before = network->SerializeAsString();
  update_conditions({}, {}, kFirst, node);
  ASSERT_EQ(node.status().conditions_size(), 5);
  EXPECT_EQ(node.status().conditions(0).SerializeAsString(), before);
  EXPECT_EQ(node.status().conditions(4).type(), "Ready");
}

TEST(ReadyCauseTexts, ComeInTheKubeletsOrder) {
  ReadyCauses all;
  all.runtime_status = "container runtime is down";
  all.pleg = "pleg has yet to be successful";
  all.runtime = "container runtime not ready: RuntimeReady=false reason:r message:m";
  all.network = "network state unknown";
  all.storage = "CSINode is not yet initialized";
  all.shutting_down = true;
  all.missing_capacity = {"cpu", "memory"};
  EXPECT_THAT(texts(all), ElementsAre("container runtime is down", "PLEG is not healthy: pleg has yet to be successful",
                                      "container runtime not ready: RuntimeReady=false reason:r message:m",
                                      "network state unknown", "CSINode is not yet initialized",
                                      "node is shutting down", "missing node capacity for resources: cpu, memory"));
}

TEST(ReadyCauseTexts, AreJoinedAsTheKubeletJoinsThem) {
  EXPECT_EQ(joined_causes({}), "");
  EXPECT_EQ(joined_causes({"a"}), "a");
  EXPECT_EQ(joined_causes({"a", "b"}), "[a, b]");
  ReadyCauses twice;
  twice.runtime = "same";
  twice.network = "same";
  EXPECT_EQ(joined_causes(texts(twice)), "same");
}

TEST(ReadyCauseTexts, LetASoftProblemKeepReady) {
  api::core::Node node;
  ReadyCauses causes;
  causes.soft = "CPU hardcapping unsupported";
  update_conditions({}, causes, kFirst, node);
  EXPECT_TRUE(is_ready(node));
  EXPECT_EQ(find_condition(node, "Ready")->message(),
            "kubelet is posting ready status. WARNING: CPU hardcapping unsupported");
}

}  // namespace
}  // namespace keelson::agent
