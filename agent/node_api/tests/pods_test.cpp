#include "agent/node_api/pods.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "agent/node_api/tests/fake_pods.hpp"
#include "agent/node_api/tests/fake_reply.hpp"
#include "agent/pod_config/annotations.hpp"
#include "api/json_codec.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::node_api {
namespace {

using testing::ask;
using testing::FakePods;
using testing::FakeReply;
using testing::get;

constexpr const char* kEmpty = R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":null})";

TEST(Pods, AreKeyByKeyTheKubeletsRecording) {
  const std::string recorded = testing::golden("http/pods.json");
  const auto listing = api::parse_json(recorded);
  ASSERT_TRUE(listing.ok());
  FakePods pods;
  for (const api::Node& item : listing->find("items")->items) {
    api::Pod pod;
    const Status read = api::decode(item, pod);
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    pods.add(pod);
  }
  PodsHandler handler(pods);
  const FakeReply reply = ask(handler, get("/pods"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "application/json");
  // Go's order of keys is not that of the schema; all else is the same, down to how a character is escaped.
  EXPECT_EQ(nlohmann::json::parse(reply.body), nlohmann::json::parse(recorded));
  EXPECT_EQ(reply.body.size(), recorded.size());
  EXPECT_TRUE(reply.body.ends_with("]}\n"));
}

TEST(Pods, OfANodeWithoutAnyAreNull) {
  FakePods pods;
  PodsHandler handler(pods);
  const FakeReply reply = ask(handler, get("/pods"));
  EXPECT_TRUE(reply.whole);
  EXPECT_EQ(reply.body, kEmpty + std::string("\n"));
}

TEST(Pods, InGreatNumberAreWrittenOneAfterAnother) {
  FakePods pods;
  for (int i = 0; i < 1000; ++i) {
    auto& pod = pods.add("default", "pod-" + std::to_string(i));
    (*pod.mutable_metadata()->mutable_annotations())["note"] = std::string(2000, 'x');
  }
  PodsHandler handler(pods);
  const FakeReply reply = ask(handler, get("/pods"));
  EXPECT_TRUE(reply.finished);
  EXPECT_GT(reply.body.size(), 2'000'000u);
  EXPECT_LT(reply.largest_piece, 64u * 1024);
  const auto listing = api::parse_json(reply.body);
  ASSERT_TRUE(listing.ok()) << listing.error().to_string();
  EXPECT_EQ(listing->find("items")->items.size(), 1000u);
}

TEST(Pods, ThatHaveGoneMeanwhileAreLeftOut) {
  FakePods pods;
  pods.add("default", "a");
  pods.gone = {"u-gone-1", "u-gone-2"};
  PodsHandler handler(pods);
  const auto listing = api::parse_json(ask(handler, get("/pods")).body);
  ASSERT_TRUE(listing.ok());
  EXPECT_EQ(listing->find("items")->items.size(), 1u);
}

TEST(Pods, AreNotMadeForAClientThatHasGone) {
  FakePods pods;
  for (int i = 0; i < 1000; ++i) {
    auto& pod = pods.add("default", "pod-" + std::to_string(i));
    (*pod.mutable_metadata()->mutable_annotations())["note"] = std::string(2000, 'x');
  }
  PodsHandler handler(pods);
  base::Loop loop;
  FakeReply reply;
  reply.most_pieces = 1;
  ask(loop, handler, get("/pods"), reply);
  EXPECT_FALSE(reply.finished);
  EXPECT_LT(pods.asked, 100u);
}

cri::PodSandbox sandbox(const std::string& uid, std::int64_t created_at, cri::SandboxState state) {
  cri::PodSandbox out;
  out.metadata.uid = uid;
  out.metadata.ns = "ns";
  out.metadata.name = "pod-" + uid;
  out.created_at = created_at;
  out.state = state;
  return out;
}

cri::Container container(const std::string& uid, const std::string& name, cri::ContainerState state) {
  cri::Container out;
  out.metadata.name = name;
  out.state = state;
  out.image.image = "sha256:" + name;
  out.labels = {{std::string(agent::label::pod_uid), uid},
                {std::string(agent::label::pod_namespace), "ns"},
                {std::string(agent::label::pod_name), "pod-" + uid}};
  return out;
}

// "pod-u1: main=sha256:main side=sha256:side"
std::vector<std::string> shown(const std::vector<api::Pod>& pods) {
  std::vector<std::string> out;
  for (const auto& pod : pods) {
    std::string line = pod.metadata().namespace_() + "/" + pod.metadata().name() + ":";
    for (const auto& one : pod.spec().containers()) line += " " + one.name() + "=" + one.image();
    out.push_back(line);
  }
  return out;
}

TEST(RunningPods, AreThoseOfReadySandboxesAndRunningContainersNewestFirst) {
  const auto ready = cri::SandboxState::ready;
  const auto running = cri::ContainerState::running;
  const std::vector<cri::PodSandbox> sandboxes = {sandbox("u1", 10, ready), sandbox("u2", 20, ready),
                                                  sandbox("u3", 30, cri::SandboxState::not_ready)};
  const std::vector<cri::Container> containers = {container("u1", "main", running), container("u1", "side", running),
                                                  container("u2", "init", cri::ContainerState::exited),
                                                  container("u4", "alone", running)};
  EXPECT_EQ(shown(running_pods(sandboxes, containers)),
            (std::vector<std::string>{"ns/pod-u2:", "ns/pod-u1: main=sha256:main side=sha256:side",
                                      "ns/pod-u4: alone=sha256:alone"}));
}

TEST(RunningPods, ShowTheImageIdOfARuntimeThatSaysNoImage) {
  auto one = container("u1", "main", cri::ContainerState::running);
  one.image.image.clear();
  one.image_id = "sha256:id";
  EXPECT_EQ(shown(running_pods({}, {one})), (std::vector<std::string>{"ns/pod-u1: main=sha256:id"}));
}

class RunningPodsTest : public ::testing::Test {
 protected:
  RunningPodsTest() {
    runtime_.latency = [](const std::string&) { return base::Duration(0); };
  }
  FakeReply answer() {
    FakeReply reply;
    base::Gate gate(loop_);
    const auto request = get("/runningpods/");
    base::spawn(gate, "a request", handler_.handle(request, reply));
    for (int i = 0; i < 1000 && gate.tasks() > 0; ++i) clock_.advance(std::chrono::milliseconds(1));
    EXPECT_EQ(gate.tasks(), 0u);
    return reply;
  }
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  fakes::FakeCri runtime_{loop_, clock_};
  RunningPodsHandler handler_{runtime_};
};

base::Task<void> start_one(fakes::FakeCri* runtime, bool with_container) {
  cri::PodSandboxConfig pod;
  pod.metadata.uid = "u1";
  pod.metadata.ns = "default";
  pod.metadata.name = "web";
  pod.labels = {{std::string(agent::label::pod_uid), "u1"}};
  const auto sandbox_id = co_await runtime->run_pod_sandbox(pod, "");
  if (!with_container) co_return;
  cri::ContainerConfig config;
  config.metadata.name = "main";
  config.image.image = "sha256:1234";
  config.labels = container("u1", "main", cri::ContainerState::created).labels;
  const auto id = co_await runtime->create_container(*sandbox_id, config, pod);
  (void)co_await runtime->start_container(*id);
}

TEST_F(RunningPodsTest, HaveNamesImagesAndEmptyResources) {
  base::Gate gate(loop_);
  base::spawn(gate, "start", start_one(&runtime_, true));
  clock_.advance(std::chrono::seconds(1));
  const FakeReply reply = answer();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body,
            R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"web","namespace":)"
            R"("default","uid":"u1"},"spec":{"containers":[{"name":"main","image":"sha256:1234","resources":{}}]},)"
            R"("status":{}}]})"
            "\n");
}

TEST_F(RunningPodsTest, WithoutRunningContainersHaveNull) {
  base::Gate gate(loop_);
  base::spawn(gate, "start", start_one(&runtime_, false));
  clock_.advance(std::chrono::seconds(1));
  EXPECT_THAT(answer().body, ::testing::HasSubstr(R"("uid":"u1"},"spec":{"containers":null},"status":{}})"));
}

TEST_F(RunningPodsTest, AreNullWhenNothingRuns) { EXPECT_EQ(answer().body, kEmpty + std::string("\n")); }

TEST_F(RunningPodsTest, FailWithTheRuntimesText) {
  for (const char* call : {"list_pod_sandboxes", "list_containers"}) {
    SCOPED_TRACE(call);
    fakes::FakeFault fault;
    fault.call = call;
    fault.error = Error(ErrorKind::internal, "rpc error: code = Unknown desc = no");
    runtime_.inject(fault);
    const FakeReply reply = answer();
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.body, "rpc error: code = Unknown desc = no");
    runtime_.clear_faults();
  }
}

}  // namespace
}  // namespace keelson::node_api
