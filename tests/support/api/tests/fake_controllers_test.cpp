#include "tests/support/api/fake_controllers.hpp"

#include <gtest/gtest.h>

#include "api/proto/coordination_v1.pb.h"
#include "api/time.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using namespace std::chrono_literals;

core::Node node_named(const std::string& name, const std::string& ready) {
  core::Node node;
  node.mutable_metadata()->set_name(name);
  if (!ready.empty()) {
    auto& condition = *node.mutable_status()->add_conditions();
    condition.set_type("Ready");
    condition.set_status(ready);
  }
  return node;
}

api::Pod pod_named(const std::string& name) {
  api::Pod pod;
  pod.mutable_metadata()->set_namespace_("default");
  pod.mutable_metadata()->set_name(name);
  auto& container = *pod.mutable_spec()->add_containers();
  container.set_name("c");
  container.set_image("busybox");
  return pod;
}

std::string taints_of(const core::Node& node) {
  std::string out;
  for (const auto& taint : node.spec().taints()) {
    out += (out.empty() ? "" : " ") + taint.key().substr(taint.key().find('/') + 1) + ":" + taint.effect();
  }
  return out;
}

// --- Decisions

TEST(Taints, FollowTheReadyCondition) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "not-ready:NoSchedule"},
      {"True", ""},
      {"False", "not-ready:NoSchedule not-ready:NoExecute"},
      {"Unknown", "unreachable:NoSchedule unreachable:NoExecute"},
  };
  for (const auto& [ready, expected] : rows) {
    auto node = node_named("n", ready);
    const bool changed = set_condition_taints(node, {});
    EXPECT_EQ(taints_of(node), expected) << ready;
    EXPECT_EQ(changed, !expected.empty()) << ready;
    EXPECT_FALSE(set_condition_taints(node, {})) << ready;
  }
}

TEST(Taints, OfOthersStay) {
  auto node = node_named("n", "True");
  auto& own = *node.mutable_spec()->add_taints();
  own.set_key("example.com/mine");
  own.set_effect("NoSchedule");
  auto& not_ready = *node.mutable_spec()->add_taints();
  not_ready.set_key("node.kubernetes.io/not-ready");
  not_ready.set_effect("NoSchedule");
  EXPECT_TRUE(set_condition_taints(node, {}));
  EXPECT_EQ(taints_of(node), "mine:NoSchedule");
}

TEST(Scheduler, PutsAPodOnlyWhereItMayGo) {
  auto node = node_named("n", "True");
  auto pod = pod_named("p");
  EXPECT_TRUE(fits(pod, node));
  EXPECT_FALSE(fits(pod, node_named("n", "False")));
  EXPECT_FALSE(fits(pod, node_named("n", "")));
  (*pod.mutable_spec()->mutable_nodeselector())["disk"] = "fast";
  EXPECT_FALSE(fits(pod, node));
  (*node.mutable_metadata()->mutable_labels())["disk"] = "fast";
  EXPECT_TRUE(fits(pod, node));
  auto& taint = *node.mutable_spec()->add_taints();
  taint.set_key("special");
  taint.set_value("yes");
  taint.set_effect("NoSchedule");
  EXPECT_FALSE(fits(pod, node));
  auto& toleration = *pod.mutable_spec()->add_tolerations();
  toleration.set_key("special");
  toleration.set_value("no");
  EXPECT_FALSE(fits(pod, node));
  toleration.set_value("yes");
  EXPECT_TRUE(fits(pod, node));
  node.mutable_spec()->set_unschedulable(true);
  EXPECT_FALSE(fits(pod, node));
}

// --- The controllers at work

class Controllers : public ::testing::Test {
 protected:
  ~Controllers() override {
    if (controllers_) {
      base::Gate gate(loop_);
      base::spawn(gate, "stop", controllers_->stop());
      settle();
    }
  }
  void start(ControllerOptions options) {
    controllers_ = std::make_unique<FakeControllers>(loop_, api_, clock_, options);
    controllers_->start();
    settle();
  }
  void settle() { base::testing::drain(loop_); }
  static ControllerOptions all() {
    ControllerOptions options;
    options.schedule = true;
    options.accounts = true;
    return options;
  }
  void set_ready(const std::string& name, const std::string& ready) {
    auto node = *api_.get<core::Node>("", name);
    node.mutable_status()->clear_conditions();
    auto& condition = *node.mutable_status()->add_conditions();
    condition.set_type("Ready");
    condition.set_status(ready);
    ASSERT_TRUE(api_.update_status(node).ok());
    settle();
  }
  std::string node_of(const std::string& pod) { return api_.get<api::Pod>("default", pod)->spec().nodename(); }
  std::string ready_of(const std::string& name) {
    const auto node = *api_.get<core::Node>("", name);
    for (const auto& condition : node.status().conditions()) {
      if (condition.type() == "Ready") return condition.status();
    }
    return "";
  }

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  FakeApi api_{loop_, clock_};
  std::unique_ptr<FakeControllers> controllers_;
};

TEST_F(Controllers, BindPodsOnceANodeIsReady) {
  start(all());
  ASSERT_TRUE(api_.create(pod_named("early")).ok());
  ASSERT_TRUE(api_.create(node_named("n1", "")).ok());
  settle();
  EXPECT_EQ(node_of("early"), "");
  set_ready("n1", "True");
  EXPECT_EQ(taints_of(*api_.get<core::Node>("", "n1")), "");
  EXPECT_EQ(node_of("early"), "n1");
  ASSERT_TRUE(api_.create(pod_named("late")).ok());
  settle();
  EXPECT_EQ(node_of("late"), "n1");
  std::vector<std::string> texts;
  for (const auto& event : api_.list<core::Event>("default")) texts.push_back(event.message());
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(texts, (std::vector<std::string>{"Successfully assigned default/early to n1",
                                             "Successfully assigned default/late to n1"}));
}

TEST_F(Controllers, SpreadPodsOverNodes) {
  start(all());
  for (const std::string name : {"n1", "n2"}) {
    ASSERT_TRUE(api_.create(node_named(name, "")).ok());
    set_ready(name, "True");
  }
  for (const std::string name : {"a", "b", "c", "d"}) ASSERT_TRUE(api_.create(pod_named(name)).ok());
  settle();
  std::map<std::string, int> pods;
  for (const auto& pod : api_.list<api::Pod>()) ++pods[pod.spec().nodename()];
  EXPECT_EQ(pods, (std::map<std::string, int>{{"n1", 2}, {"n2", 2}}));
}

TEST_F(Controllers, LeavePodsOfOtherSchedulersAlone) {
  start(all());
  ASSERT_TRUE(api_.create(node_named("n1", "")).ok());
  set_ready("n1", "True");
  auto pod = pod_named("other");
  pod.mutable_spec()->set_schedulername("another");
  ASSERT_TRUE(api_.create(pod).ok());
  settle();
  EXPECT_EQ(node_of("other"), "");
}

TEST_F(Controllers, GiveUpANodeThatIsSilentForFiftySeconds) {
  start(all());
  ASSERT_TRUE(api_.create(node_named("n1", "")).ok());
  set_ready("n1", "True");
  k8s::coordination::v1::Lease lease;
  lease.mutable_metadata()->set_namespace_("kube-node-lease");
  lease.mutable_metadata()->set_name("n1");
  *lease.mutable_spec()->mutable_renewtime() = api::make_micro_time(clock_.now());
  ASSERT_TRUE(api_.create(lease).ok());
  clock_.advance(45s);
  auto renewed = *api_.get<k8s::coordination::v1::Lease>("kube-node-lease", "n1");
  *renewed.mutable_spec()->mutable_renewtime() = api::make_micro_time(clock_.now());
  ASSERT_TRUE(api_.update(renewed).ok());
  clock_.advance(50s);
  EXPECT_EQ(ready_of("n1"), "True");
  clock_.advance(15s);
  EXPECT_EQ(ready_of("n1"), "Unknown");
  EXPECT_EQ(taints_of(*api_.get<core::Node>("", "n1")), "unreachable:NoSchedule unreachable:NoExecute");
  set_ready("n1", "True");
  EXPECT_EQ(taints_of(*api_.get<core::Node>("", "n1")), "");
}

TEST_F(Controllers, RemoveThePodsOfANodeThatIsGone) {
  start(all());
  ASSERT_TRUE(api_.create(node_named("n1", "")).ok());
  set_ready("n1", "True");
  ASSERT_TRUE(api_.create(pod_named("a")).ok());
  settle();
  ASSERT_TRUE(api_.remove<core::Node>("", "n1").ok());
  settle();
  EXPECT_EQ(api_.list<api::Pod>().size(), 0u);
}

TEST_F(Controllers, GiveEveryNamespaceItsAccountAndTheRootCertificate) {
  start(all());
  core::Namespace ns;
  ns.mutable_metadata()->set_name("later");
  ASSERT_TRUE(api_.create(ns).ok());
  settle();
  for (const std::string name : {"default", "kube-system", "later"}) {
    EXPECT_TRUE(api_.get<core::ServiceAccount>(name, "default").has_value()) << name;
    const auto root = api_.get<core::ConfigMap>(name, "kube-root-ca.crt");
    ASSERT_TRUE(root.has_value()) << name;
    EXPECT_EQ(root->data().at("ca.crt"), api_.ca_certificate());
  }
}

TEST_F(Controllers, DoOnlyWhatTheyAreToldTo) {
  ControllerOptions none;
  none.nodes = false;
  start(none);
  ASSERT_TRUE(api_.create(node_named("n1", "")).ok());
  set_ready("n1", "True");
  ASSERT_TRUE(api_.create(pod_named("a")).ok());
  settle();
  EXPECT_EQ(node_of("a"), "");
  EXPECT_NE(taints_of(*api_.get<core::Node>("", "n1")), "");
}

}  // namespace
}  // namespace keelson::fakes
