#include "agent/node/node_reporter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/csi_node.hpp"
#include "agent/node/lease.hpp"
#include "agent/node/tests/recorded.hpp"
#include "agent/node/tests/small_api.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kNode = "/api/v1/nodes/tb-node";

base::Task<Result<AddressFacts>> known_addresses(StatusInputs* inputs) { co_return *inputs->addresses; }

class Reporter : public ::testing::Test {
 protected:
  Reporter() : settings_(recorded_settings()), inputs_(recorded_inputs()) {
    bench_.api.changed = [this](const std::string& path) {
      if (path == kNode && reporter_ && !cache_stale_) see_node();
    };
  }
  ~Reporter() override { bench_.stop(); }

  NodeHooks hooks() {
    NodeHooks hooks;
    hooks.cached_node = [this] { return cached_; };
    hooks.causes = [this] { return inputs_.causes; };
    hooks.runtime = [this] { return inputs_.runtime; };
    hooks.pressures = [this] { return inputs_.pressures; };
    hooks.images = [this] { return inputs_.images; };
    hooks.addresses = [this] { return known_addresses(&inputs_); };
    hooks.check_runtime = [this] { return check_runtime(); };
    hooks.take_pod_cidrs = [this](std::string cidrs) { return take_cidrs(std::move(cidrs)); };
    hooks.close_connections = [this] { bench_.api.close_idle(); };
    hooks.registered = [this] { ++registered_; };
    return hooks;
  }
  base::Task<void> check_runtime() {
    ++checks_;
    if (becomes_well_ && bench_.elapsed() >= *becomes_well_) inputs_.causes = {};
    co_return;
  }
  base::Task<Status> take_cidrs(std::string cidrs) {
    cidrs_.push_back(std::move(cidrs));
    co_return Status();
  }

  void start() {
    reporter_ = std::make_unique<NodeReporter>(bench_.loop, bench_.clock, bench_.random, settings_, bench_.main,
                                               bench_.heartbeat, bench_.events, hooks(), bench_.log);
    reporter_->start(bench_.gate);
  }
  // The informer catches up.
  void see_node() {
    const auto found = bench_.api.objects.find(kNode);
    cached_ =
        found == bench_.api.objects.end() ? nullptr : std::make_shared<const api::core::Node>(node_from(found->second));
    reporter_->node_changed(cached_);
  }
  bool ready() { return bench_.api.objects.count(kNode) > 0 && is_ready(node_from(bench_.api.objects[kNode])); }
  std::string ready_message() {
    const auto node = node_from(bench_.api.objects[kNode]);
    const auto* condition = find_condition(node, "Ready");
    return condition == nullptr ? "" : condition->status() + ": " + condition->message();
  }
  std::vector<SmallApi::Seen> patches() { return bench_.api.all("PATCH", kNode + "/status"); }

  NodeBench bench_;
  NodeSettings settings_;
  StatusInputs inputs_;
  NodePtr cached_;
  bool cache_stale_ = false;
  int registered_ = 0;
  int checks_ = 0;
  std::optional<base::Duration> becomes_well_;
  std::vector<std::string> cidrs_;
  std::unique_ptr<NodeReporter> reporter_;
};

TEST_F(Reporter, RegistersAFreshNodeAsRecorded) {
  inputs_.causes.storage = "CSINode is not yet initialized";
  start();
  ASSERT_TRUE(bench_.until([&] { return patches().size() == 1; }, 1s));
  EXPECT_EQ(bench_.elapsed(), 100ms);
  EXPECT_EQ(bench_.api.requests(),
            (std::vector<std::string>{"POST /api/v1/nodes", "PATCH " + kNode + "/status?timeout=10s"}));
  EXPECT_EQ(patches()[0].body, json::object());
  EXPECT_EQ(patches()[0].content_type, "application/strategic-merge-patch+json");
  EXPECT_EQ(registered_, 1);
  inputs_.causes = {};
  reporter_->update_soon();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 100ms));
  EXPECT_EQ(patches().back().body, recorded_requests("patch", kNode + "/status").at(1)["request"]);
  EXPECT_THAT(bench_.events.reasons(), ElementsAre("Starting", "NodeHasSufficientMemory", "NodeHasNoDiskPressure",
                                                   "NodeHasSufficientPID", "NodeReady"));
  EXPECT_EQ(bench_.events.all[0].message, "Starting kubelet.");
}

TEST_F(Reporter, IsReadyWithinASecondOfAHealthyStart) {
  CsiNode csi(bench_.loop, bench_.clock, bench_.random, bench_.main, "tb-node", {}, bench_.log);
  start();
  inputs_.causes.network = "network state unknown";
  becomes_well_ = 300ms;
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  EXPECT_LE(bench_.elapsed(), 450ms);
  EXPECT_THAT(bench_.events.reasons(), Contains("NodeReady"));
}

TEST_F(Reporter, LooksEveryHundredMillisecondsForTwoMinutesOnly) {
  inputs_.causes.runtime_status = "container runtime status check may not have completed yet";
  start();
  bench_.advance(119s);
  EXPECT_GT(checks_, 900);
  bench_.advance(10s);
  const int checks = checks_;
  bench_.advance(60s);
  EXPECT_EQ(checks_, checks);
  inputs_.causes = {};
  EXPECT_TRUE(bench_.until([&] { return ready(); }, 11s));
}

TEST_F(Reporter, PollsNothingWhileOnlyTheCsiNodeIsMissing) {
  inputs_.causes.storage = "CSINode is not yet initialized";
  start();
  bench_.advance(60s);
  EXPECT_EQ(checks_, 0);
}

TEST_F(Reporter, AdoptsANodeThatIsThere) {
  json old = recorded_json("objects/node.json");
  old["metadata"]["labels"]["theirs"] = "1";
  old["metadata"]["labels"]["kubernetes.io/hostname"] = "wrong";
  old["metadata"]["annotations"]["theirs"] = "2";
  old["spec"] = {{"podCIDR", "10.0.0.0/24"},
                 {"podCIDRs", {"10.0.0.0/24"}},
                 {"unschedulable", true},
                 {"taints", {{{"key", "theirs"}, {"effect", "NoSchedule"}}}}};
  old["status"]["conditions"].push_back({{"type", "NetworkUnavailable"}, {"status", "False"}, {"reason", "Up"}});
  old["status"]["nodeInfo"]["bootID"] = "another";
  old["status"]["volumesAttached"] = {{{"name", "v"}, {"devicePath", ""}}};
  bench_.api.put(kNode, old);
  start();
  see_node();
  ASSERT_TRUE(bench_.until([&] { return patches().size() == 2; }, 1s));
  EXPECT_THAT(bench_.api.requests(), ElementsAre("POST /api/v1/nodes", "GET " + kNode, "PATCH " + kNode + "/status",
                                                 "PATCH " + kNode + "/status?timeout=10s"));
  EXPECT_EQ(patches()[0].body, (json{{"metadata", {{"labels", {{"kubernetes.io/hostname", "tb-node"}}}}}}));
  const json now = bench_.api.objects[kNode];
  EXPECT_EQ(now["metadata"]["labels"]["theirs"], "1");
  EXPECT_EQ(now["metadata"]["annotations"]["theirs"], "2");
  EXPECT_EQ(now["spec"], old["spec"]);
  EXPECT_EQ(now["status"]["volumesAttached"], old["status"]["volumesAttached"]);
  EXPECT_EQ(now["status"]["conditions"][4]["type"], "NetworkUnavailable");
  EXPECT_EQ(now["status"]["nodeInfo"]["bootID"], settings_.machine.boot_id);
  EXPECT_THAT(bench_.events.reasons(), Contains("Rebooted"));
  EXPECT_THAT(bench_.events.reasons(), Contains("NodeNotSchedulable"));
  EXPECT_THAT(cidrs_, ElementsAre("10.0.0.0/24"));
  bench_.advance(60s);
  EXPECT_EQ(std::count(cidrs_.begin(), cidrs_.end(), "10.0.0.0/24"), 1);
  const auto reasons = bench_.events.reasons();
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), "Rebooted"), 1);
}

TEST_F(Reporter, LooksForTheNodeAfterAForbiddenCreation) {
  bench_.api.faults.push_back({"POST", "/api/v1/nodes", 403, -1, false, {}});
  start();
  ASSERT_TRUE(bench_.until([&] { return bench_.api.all("POST", "nodes").size() == 3; }, 2s));
  EXPECT_EQ(bench_.api.all("GET", kNode).size(), 3u);
  EXPECT_EQ(registered_, 0);
  EXPECT_THAT(bench_.lines, Contains(HasSubstr("cannot be registered yet")));
  bench_.api.put(kNode, recorded_json("objects/node.json"));
  ASSERT_TRUE(bench_.until([&] { return registered_ == 1; }, 7s));
}

TEST_F(Reporter, RegistersWhenTheServerComesBackAfterTenMinutes) {
  bench_.api.down = true;
  start();
  bench_.advance(600s);
  // 100 ms, 200 ms ... 7 s; each try is made twice, as a refused connection may be.
  const std::size_t tries = bench_.api.seen.size();
  EXPECT_GT(tries, 80u);
  EXPECT_LT(tries, 200u);
  EXPECT_EQ(std::count_if(bench_.lines.begin(), bench_.lines.end(),
                          [](const auto& line) { return line.find("cannot be registered yet") != std::string::npos; }),
            1);
  bench_.api.down = false;
  EXPECT_TRUE(bench_.until([&] { return ready(); }, 7100ms));
}

TEST_F(Reporter, DoesNotRegisterWhenTold) {
  settings_.register_node = false;
  start();
  bench_.advance(15s);
  EXPECT_THAT(bench_.api.all("POST", "nodes"), IsEmpty());
  bench_.api.put(kNode, {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", "tb-node"}}}});
  EXPECT_TRUE(bench_.until([&] { return ready(); }, 11s));
}

TEST_F(Reporter, SendsNothingWhileNothingChanges) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  const std::size_t first = patches().size();
  bench_.advance(149s);
  EXPECT_EQ(patches().size(), first);
  bench_.advance(320s);
  ASSERT_EQ(patches().size(), first + 1);
  EXPECT_EQ(patches().back().body["status"].size(), 2u);
  const auto before = patches().back().at;
  ASSERT_TRUE(bench_.until([&] { return patches().size() == first + 2; }, 320s));
  EXPECT_GE(patches().back().at - before, 300s);
  EXPECT_LE(patches().back().at - before, 311s);
}

TEST_F(Reporter, TellsCausesOfNotReadyAndRecovery) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  bench_.advance(5s);
  inputs_.causes.runtime_status = "container runtime is down";
  inputs_.causes.pleg = "pleg was last seen active 3m1s ago; threshold is 3m0s";
  EXPECT_TRUE(bench_.until([&] { return !ready(); }, 10500ms));
  EXPECT_EQ(ready_message(),
            "False: [container runtime is down, PLEG is not healthy: pleg was last seen active 3m1s ago; threshold is "
            "3m0s]");
  inputs_.causes = {};
  inputs_.causes.shutting_down = true;
  reporter_->update_soon();
  EXPECT_TRUE(bench_.until([&] { return ready_message() == "False: node is shutting down"; }, 1100ms));
  inputs_.causes = {};
  EXPECT_TRUE(bench_.until([&] { return ready(); }, 10500ms));
  const auto reasons = bench_.events.reasons();
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), "NodeNotReady"), 1);
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), "NodeReady"), 1);
}

TEST_F(Reporter, KeepsAskedRoundsASecondApart) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  const std::size_t first = patches().size();
  for (int i = 0; i < 50; ++i) {
    inputs_.causes.soft = "reading " + std::to_string(i);
    reporter_->update_soon();
    bench_.advance(100ms);
  }
  EXPECT_LE(patches().size(), first + 6);
  EXPECT_GE(patches().size(), first + 4);
}

TEST_F(Reporter, TriesFiveTimesAndConnectsAnewFromTheSecondFailureOn) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  bench_.api.seen.clear();
  bench_.api.faults.push_back({"PATCH", kNode, 500, 5, false, {}});
  inputs_.pressures.memory = true;
  reporter_->update_soon();
  bench_.advance(1500ms);
  EXPECT_EQ(patches().size(), 5u);
  EXPECT_EQ(bench_.api.all("GET", kNode).size(), 4u);
  EXPECT_EQ(bench_.api.idle_closed, 4);
  EXPECT_THAT(bench_.lines, Contains(HasSubstr("status cannot be sent")));
  EXPECT_THAT(bench_.events.reasons(), Not(Contains("NodeHasInsufficientMemory")));
  bench_.advance(11s);
  EXPECT_THAT(bench_.events.reasons(), Contains("NodeHasInsufficientMemory"));
  EXPECT_THAT(bench_.lines, Contains(HasSubstr("can be sent again")));
}

TEST_F(Reporter, WinsOverTheControlPlanesUnknown) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  json node = bench_.api.objects[kNode];
  for (auto& condition : node["status"]["conditions"]) {
    condition["status"] = "Unknown";
    condition["reason"] = "NodeStatusUnknown";
  }
  bench_.api.put(kNode, node);
  EXPECT_TRUE(bench_.until([&] { return ready(); }, 10500ms));
  EXPECT_EQ(find_condition(node_from(bench_.api.objects[kNode]), "DiskPressure")->reason(), "KubeletHasNoDiskPressure");
}

TEST_F(Reporter, LeavesADeletedNodeDeleted) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  bench_.api.seen.clear();
  bench_.api.erase(kNode);
  bench_.advance(60s);
  EXPECT_THAT(bench_.api.all("POST", "nodes"), IsEmpty());
  EXPECT_THAT(patches(), IsEmpty());
  EXPECT_LE(bench_.api.all("GET", kNode).size(), 7u);
  EXPECT_THAT(bench_.lines, Contains(HasSubstr("was deleted")));
  bench_.api.put(kNode, {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", "tb-node"}}}});
  EXPECT_TRUE(bench_.until([&] { return ready(); }, 10500ms));
}

TEST_F(Reporter, GoesByItsOwnLastWriteWhileTheCacheIsBehind) {
  cache_stale_ = true;
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  const std::size_t first = patches().size();
  bench_.advance(60s);
  EXPECT_EQ(patches().size(), first);
  inputs_.pressures.pid = true;
  bench_.advance(60s);
  EXPECT_EQ(patches().size(), first + 1);
  const auto reasons = bench_.events.reasons();
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), "NodeHasInsufficientPID"), 1);
}

TEST_F(Reporter, TellsWhenTheNodeIsCordoned) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  for (const bool cordoned : {true, false}) {
    json node = bench_.api.objects[kNode];
    node["spec"]["unschedulable"] = cordoned;
    bench_.api.put(kNode, node);
  }
  const auto reasons = bench_.events.reasons();
  EXPECT_EQ(std::vector<std::string>(reasons.end() - 2, reasons.end()),
            (std::vector<std::string>{"NodeNotSchedulable", "NodeSchedulable"}));
}

TEST_F(Reporter, KeepsAddressesWhenAGivenIpGoesAway) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  inputs_.addresses->local.clear();
  bench_.advance(30s);
  EXPECT_EQ(bench_.api.objects[kNode]["status"]["addresses"].size(), 2u);
  EXPECT_THAT(bench_.lines, Contains(HasSubstr("addresses stay as they are")));
}

TEST_F(Reporter, FollowsTheAddressesOfTheMachine) {
  settings_.addresses.configured.clear();
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  inputs_.addresses->local = {{"eth0", "192.0.2.99"}};
  EXPECT_TRUE(bench_.until(
      [&] { return bench_.api.objects[kNode]["status"]["addresses"][0]["address"] == "192.0.2.99"; }, 12s));
}

TEST_F(Reporter, LetsTheLeaseBeRenewedWhileItsOwnRequestsHang) {
  start();
  NodeLease lease(bench_.clock, bench_.random, bench_.heartbeat, "tb-node", 40, {}, bench_.log);
  lease.start(bench_.gate);
  ASSERT_TRUE(bench_.until([&] { return ready() && lease.renewed_at(); }, 12s));
  bench_.api.faults.push_back({"PATCH", "/status", 0, -1, true, {}});
  bench_.api.seen.clear();
  inputs_.pressures.disk = true;
  bench_.advance(100s);
  EXPECT_GT(patches().size(), 5u);
  const auto renewals = bench_.api.all("PUT", "/leases/tb-node");
  EXPECT_GE(renewals.size(), 9u);
  for (std::size_t i = 1; i < renewals.size(); ++i) EXPECT_LE(renewals[i].at - renewals[i - 1].at, 10500ms);
}

TEST_F(Reporter, DoesNotMindJumpsOfTheClock) {
  start();
  ASSERT_TRUE(bench_.until([&] { return ready(); }, 1s));
  const std::size_t first = patches().size();
  bench_.clock.jump_system(-48h);
  bench_.advance(60s);
  bench_.clock.jump_system(96h);
  bench_.advance(60s);
  EXPECT_EQ(patches().size(), first);
  inputs_.causes.network = "x";
  EXPECT_TRUE(bench_.until([&] { return !ready(); }, 11s));
}

}  // namespace
}  // namespace keelson::agent
