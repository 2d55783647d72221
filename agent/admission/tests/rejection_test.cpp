#include "agent/admission/rejection.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/admission/tests/fixture.hpp"
#include "api/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;
using testing::pod_of;

api::core::Node recorded_node() {
  api::core::Node node;
  const auto text = api::testing::golden_text("objects/node.json");
  EXPECT_TRUE(api::decode(api::parse_json(text).value(), node, {.strictness = api::Strictness::ignore}).ok());
  return node;
}

TEST(Rejection, IsWhatAKubeletDecidedForEachRecordedPod) {
  const api::core::Node node = recorded_node();
  AdmissionFacts facts;
  facts.node_name = "tb-node";
  facts.sysctls = SysctlAllowlist::create({}, "6.1.0").value();
  facts.features = {node.status().declaredfeatures().begin(), node.status().declaredfeatures().end()};
  int refused = 0;
  const std::string folder = std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/pods";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    const json recording = json::parse(api::testing::golden_text("pods/" + name));
    api::Pod pod;
    ASSERT_TRUE(api::decode(api::parse_json(recording.at("live").dump()).value(), pod).ok()) << name;
    const api::core::PodStatus recorded = pod.status();
    pod.mutable_status()->Clear();
    pod.mutable_status()->set_phase("Pending");
    const AdmissionDecision answer = admit({pod, &node, {}, facts});
    if (!recorded.message().starts_with("Pod was rejected: ")) {
      EXPECT_TRUE(answer.admitted()) << name << ": " << answer.rejection->message;
      continue;
    }
    ++refused;
    ASSERT_FALSE(answer.admitted()) << name;
    const auto status = rejected_status(pod, *answer.rejection, api::to_system_time(recorded.starttime()));
    EXPECT_TRUE(api::same(status, recorded)) << name << "\n" << api::encode_json(status);
    const json& event = recording.at("events").at(0);
    EXPECT_EQ(event.at("reason"), answer.rejection->reason) << name;
    EXPECT_EQ(event.at("message"), answer.rejection->message) << name;
    EXPECT_EQ(event.at("type"), "Warning") << name;
  }
  EXPECT_EQ(refused, 2);
}

TEST(Rejection, KeepsTheStartTimeThatTheApiKnows) {
  api::Pod pod = pod_of("status: {startTime: '2026-01-01T00:00:00Z', phase: Pending}\nspec: {containers: [{name: c}]}");
  const auto status = rejected_status(pod, {"OutOfcpu", "m"}, base::SystemTime(std::chrono::hours(1)));
  EXPECT_EQ(api::format_time(status.starttime()), "2026-01-01T00:00:00Z");
  EXPECT_FALSE(status.has_observedgeneration());
  EXPECT_EQ(status.qosclass(), "BestEffort");
}

TEST(Rejection, IsCountedUnderTheLabelsThatTheMetricKnows) {
  RejectionCounters counters;
  for (const char* reason : {"OutOfcpu", "OutOfcpu", "OutOfexample.com/gpu", "OutOfhugepages-2Mi", "NodeAffinity",
                             "TaintToleration", "NodeShutdown"}) {
    counters.count({reason, ""});
  }
  const std::map<std::string, std::uint64_t> expected = {
      {"OutOfcpu", 2}, {"OutOfExtendedResources", 2}, {"Other", 2}, {"NodeShutdown", 1}};
  EXPECT_EQ(counters.counts(), expected);
}

TEST(SysctlAllowlist, KnowsWhichKernelIsSafeForWhat) {
  const auto pod = [](const std::string& name) {
    return pod_of("spec: {containers: [{name: c}], securityContext: {sysctls: [{name: " + name + ", value: '1'}]}}");
  };
  const auto old = SysctlAllowlist::create({}, "4.5.0").value();
  EXPECT_FALSE(old.complaint(pod("net.ipv4.tcp_keepalive_time")));
  EXPECT_TRUE(old.complaint(pod("net.ipv4.tcp_fin_timeout")));
  EXPECT_FALSE(SysctlAllowlist::create({}, "4.15.0-rc1")->complaint(pod("net.ipv4.tcp_rmem")));
  EXPECT_TRUE(SysctlAllowlist::create({}, "unknown")->complaint(pod("net.ipv4.ip_local_reserved_ports")));
  EXPECT_FALSE(SysctlAllowlist::create({}, "unknown")->complaint(pod("net.ipv4.tcp_syncookies")));
}

TEST(SysctlAllowlist, AddsWhatTheConfigurationAllows) {
  const auto list = SysctlAllowlist::create({"net.core.*", "kernel/msgmax"}, "6.1").value();
  const auto pod = [](const std::string& name, const std::string& more = "") {
    return pod_of("spec: {" + more + "containers: [{name: c}], securityContext: {sysctls: [{name: " + name +
                  ", value: '1'}]}}");
  };
  EXPECT_FALSE(list.complaint(pod("net.core.somaxconn")));
  EXPECT_FALSE(list.complaint(pod("kernel.msgmax")));
  EXPECT_TRUE(list.complaint(pod("kernel.msgmnb")));
  EXPECT_EQ(list.complaint(pod("net.core.somaxconn", "hostNetwork: true, ")),
            "forbidden sysctl: \"net.core.somaxconn\" not allowed with host net enabled");
  const auto wrong = SysctlAllowlist::create({"vm.*"}, "6.1");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().message(), "allowedUnsafeSysctls: the sysctl \"vm.*\" is not known to be namespaced");
}

}  // namespace
}  // namespace keelson::agent
