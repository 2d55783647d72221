// Everything of this folder together, against the behaviour of a real API server: protobuf on the wire, an informer,
// the limits of a node's user.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/csi_node.hpp"
#include "agent/node/lease.hpp"
#include "agent/node/node_reporter.hpp"
#include "agent/node/resource_slices.hpp"
#include "agent/node/tests/recorded.hpp"
#include "agent/node/tests/small_api.hpp"
#include "agent/sync/runtime_health.hpp"
#include "base/tests/tasks.hpp"
#include "kube-client/informer.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;
using NodeInformer = kube::Informer<api::core::Node>;

kube::ClientOptions heartbeat_options() {
  kube::ClientOptions options;
  options.qps = 0;
  options.timeout = 10s;
  options.timeout_in_query = true;
  return options;
}

kube::Selection own_node() {
  kube::Selection selection;
  selection.field_selector = "metadata.name=tb-node";
  return selection;
}

base::Task<Result<AddressFacts>> recorded_addresses() { co_return *recorded_inputs().addresses; }

// The machine, the runtime and the API server, which outlive agents.
struct Site {
  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{42};
  fakes::FakeApi api{loop, clock};
  fakes::FakeCri cri{loop, clock};
  FakeNodeEvents events;

  void pump() {
    while (loop.poll() > 0) {
    }
  }
  void advance(base::Duration duration) {
    pump();
    clock.advance(duration);
    pump();
  }
  bool until(const std::function<bool()>& condition, base::Duration limit) {
    for (base::Duration waited{}; waited < limit && !condition(); waited += 10ms) advance(10ms);
    return condition();
  }
  std::optional<api::core::Node> node() const { return api.get<api::core::Node>("", "tb-node"); }
  bool ready() const {
    const auto found = node();
    return found && is_ready(*found);
  }
  std::vector<std::string> refused() const {
    std::vector<std::string> out;
    for (const auto& entry : api.log()) {
      if (entry.status >= 400 && entry.status != 404) out.push_back(entry.verb + " " + entry.target);
    }
    return out;
  }
  std::size_t count(const std::string& verb, const std::string& part) const {
    std::size_t n = 0;
    for (const auto& entry : api.log()) n += entry.verb == verb && entry.target.find(part) != std::string::npos;
    return n;
  }
};

// The part of an agent that speaks for its node, put together as the wiring does.
struct NodeAgent {
  explicit NodeAgent(Site& given) : site(given) {
    csi = std::make_unique<CsiNode>(site.loop, site.clock, site.random, main, "tb-node", csi_hooks(), log);
    reporter = std::make_unique<NodeReporter>(site.loop, site.clock, site.random, recorded_settings(), main, heartbeat,
                                              site.events, hooks(), log);
    informer.on_event([this](const NodeInformer::Event& event) {
      reporter->node_changed(event.change == kube::Change::removed ? nullptr : event.object);
    });
  }
  ~NodeAgent() { stop(); }

  CsiNode::Hooks csi_hooks() {
    CsiNode::Hooks hooks;
    hooks.changed = [this] { reporter->update_soon(); };
    hooks.failed = [this](const std::string&) { failed = true; };
    return hooks;
  }
  NodeHooks hooks() {
    NodeHooks hooks;
    hooks.cached_node = [this] { return informer.find("tb-node"); };
    hooks.causes = [this] {
      ReadyCauses causes;
      causes.runtime_status = health.status_problem();
      causes.runtime = health.ready_problem();
      causes.network = health.network_problem();
      causes.storage = csi->problem();
      return causes;
    };
    hooks.runtime = [this] {
      RuntimeFacts facts;
      facts.version = images.runtime_version();
      facts.handlers = health.handlers();
      facts.supplemental_groups_policy = health.supplemental_groups_policy();
      return facts;
    };
    hooks.images = [this] { return images.images(); };
    hooks.addresses = [] { return recorded_addresses(); };
    hooks.check_runtime = [this] { return health.check(); };
    hooks.close_connections = [this] { transport.close_idle(); };
    hooks.registered = [this] { csi->node_exists(); };
    return hooks;
  }
  void start() {
    informer.start(gate);
    health.start(gate, [this] { reporter->update_soon(); });
    images.start(gate);
    base::spawn(gate, "resource slices", wipe_resource_slices(main, site.random, "tb-node", log));
    lease.start(gate);
    csi->start(gate);
    reporter->start(gate);
  }
  void stop() { KEELSON_CHECK(base::testing::stop_now(site.loop, gate)); }

  Site& site;
  base::Logger log;
  base::Gate gate{site.loop};
  fakes::FakeApiTransport transport{
      site.api, site.clock, {"system:node:tb-node", {"system:nodes", "system:authenticated"}}};
  kube::Client main{site.loop, site.clock, transport, {}, log};
  kube::Client heartbeat{site.loop, site.clock, transport, heartbeat_options(), log};
  NodeInformer informer{main, site.random, own_node(), log};
  RuntimeHealth health{site.clock, site.cri, log};
  ImageList images{site.loop, site.clock, site.cri, site.cri, 50, "v1.36.2", log};
  NodeLease lease{site.clock, site.random, heartbeat, "tb-node", 40, [this] { transport.close_idle(); }, log};
  std::unique_ptr<CsiNode> csi;
  std::unique_ptr<NodeReporter> reporter;
  bool failed = false;
};

TEST(WholeNode, IsReadyWithinASecondOfAHealthyStart) {
  Site site;
  NodeAgent agent(site);
  agent.start();
  ASSERT_TRUE(site.until([&] { return site.ready(); }, 1s));
  EXPECT_THAT(site.refused(), IsEmpty());
  EXPECT_TRUE(site.api.get<CsiNodeObject>("", "tb-node").has_value());
  EXPECT_EQ(site.node()->status().addresses(0).address(), "192.0.2.10");
  ASSERT_TRUE(site.until([&] { return agent.lease.renewed_at().has_value(); }, 11s));
  const auto lease = site.api.get<Lease>("kube-node-lease", "tb-node");
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->metadata().ownerreferences(0).uid(), site.node()->metadata().uid());
  EXPECT_THAT(site.events.reasons(), Contains("NodeReady"));
  EXPECT_FALSE(agent.failed);
}

TEST(WholeNode, SendsLittleWhileNothingHappens) {
  Site site;
  NodeAgent agent(site);
  agent.start();
  ASSERT_TRUE(site.until([&] { return site.ready(); }, 1s));
  site.advance(30s);
  site.api.clear_log();
  site.advance(3600s);
  EXPECT_TRUE(site.ready());
  EXPECT_THAT(site.refused(), IsEmpty());
  const std::size_t patches = site.count("patch", "/status");
  EXPECT_GE(patches, 10u);
  EXPECT_LE(patches, 13u);
  const std::size_t renewals = site.count("update", "/leases/tb-node");
  EXPECT_GE(renewals, 345u);
  EXPECT_LE(renewals, 360u);
  EXPECT_EQ(site.count("get", "/nodes/tb-node"), 0u);
}

TEST(WholeNode, ComesBackAsItWasAfterARestart) {
  Site site;
  {
    NodeAgent agent(site);
    agent.start();
    ASSERT_TRUE(site.until([&] { return site.ready(); }, 1s));
    site.advance(15s);
  }
  auto node = *site.node();
  (*node.mutable_metadata()->mutable_labels())["theirs"] = "1";
  node.mutable_spec()->set_unschedulable(true);
  ASSERT_TRUE(site.api.update(node).ok());
  const std::string uid = node.metadata().uid();
  site.advance(100s);
  site.events.all.clear();
  NodeAgent agent(site);
  agent.start();
  site.advance(20s);
  EXPECT_TRUE(site.ready());
  EXPECT_THAT(site.events.reasons(), Not(Contains("NodeNotReady")));
  EXPECT_EQ(site.node()->metadata().uid(), uid);
  EXPECT_EQ(site.node()->metadata().labels().at("theirs"), "1");
  EXPECT_TRUE(site.node()->spec().unschedulable());
  EXPECT_THAT(site.events.reasons(), Contains("NodeNotSchedulable"));
  EXPECT_THAT(site.events.reasons(), Not(Contains("Rebooted")));
}

TEST(WholeNode, IsNotReadyWhileTheRuntimeIsAway) {
  Site site;
  NodeAgent agent(site);
  agent.start();
  ASSERT_TRUE(site.until([&] { return site.ready(); }, 1s));
  site.advance(10s);
  site.cri.go_away();
  site.advance(29s);
  EXPECT_TRUE(site.ready());
  EXPECT_TRUE(site.until([&] { return !site.ready(); }, 15s));
  EXPECT_EQ(find_condition(*site.node(), "Ready")->message(), "container runtime is down");
  site.cri.come_back();
  EXPECT_TRUE(site.until([&] { return site.ready(); }, 6s));
}

TEST(WholeNode, RidesOutAServerThatIsDown) {
  Site site;
  NodeAgent agent(site);
  agent.transport.set_down(true);
  agent.start();
  site.advance(600s);
  EXPECT_FALSE(agent.failed);
  agent.transport.set_down(false);
  ASSERT_TRUE(site.until([&] { return site.ready(); }, 10s));
  site.advance(60s);
  agent.transport.set_down(true);
  site.advance(120s);
  agent.transport.set_down(false);
  const auto back = site.clock.steady_now();
  EXPECT_TRUE(site.until([&] { return agent.lease.renewed_at() > back; }, 10s));
  site.cri.runtime_status.conditions[1].status = false;
  EXPECT_TRUE(site.until([&] { return !site.ready(); }, 20s));
}

TEST(WholeNode, SurvivesLostAnswersAndCutWatches) {
  Site site;
  NodeAgent agent(site);
  fakes::ApiFault lost;
  lost.path_prefix = "/api";
  lost.times = 6;
  lost.reset = true;
  lost.after_effect = true;
  site.api.add_fault(lost);
  agent.start();
  ASSERT_TRUE(site.until([&] { return site.ready(); }, 30s));
  site.api.cut_watches();
  site.api.compact();
  site.advance(60s);
  auto node = *site.node();
  node.mutable_metadata()->mutable_labels()->erase("kubernetes.io/os");
  ASSERT_TRUE(site.api.update(node).ok());
  EXPECT_TRUE(site.until([&] { return site.node()->metadata().labels().count("kubernetes.io/os") == 1; }, 15s));
  EXPECT_FALSE(agent.failed);
}

}  // namespace
}  // namespace keelson::agent
