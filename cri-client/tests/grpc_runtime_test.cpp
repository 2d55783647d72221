#include "cri-client/grpc_runtime.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "cri-client/proto/cri.pb.h"
#include "cri-client/tests/fixture.hpp"
#include "cri-client/tests/test_server.hpp"

namespace keelson::cri {
namespace {

namespace pb = ::runtime::v1;
using namespace std::chrono_literals;
using Message = google::protobuf::Message;

constexpr int kUnknown = 2, kNotFound = 5, kInternal = 13, kUnavailable = 14, kUnimplemented = 12;

TestServer::Handler always(int code, std::string text) {
  return [code, text](const std::string&, const Message&, Message&) { return TestAnswer{code, text}; };
}

TEST(GrpcRuntime, RefusesEndpointsThatAreNoUnixSocket) {
  RealLoop real;
  GrpcRuntimeOptions options;
  options.endpoint = "tcp://1.2.3.4:5";
  EXPECT_EQ(GrpcRuntime::create(real.loop, real.clock, options).error().kind(), ErrorKind::invalid);
  options.endpoint = "/run/x.sock";
  options.image_endpoint = "x";
  const auto made = GrpcRuntime::create(real.loop, real.clock, options);
  EXPECT_NE(made.error().to_string().find("image service endpoint"), std::string::npos);
}

TEST(GrpcRuntime, CarriesRequestAndAnswer) {
  TestServer server([](const std::string& method, const Message& request, Message& response) {
    EXPECT_EQ(method, "Version");
    EXPECT_EQ(static_cast<const pb::VersionRequest&>(request).version(), "0.1.0");
    auto& answer = static_cast<pb::VersionResponse&>(response);
    answer.set_version("0.1.0");
    answer.set_runtime_name("test");
    answer.set_runtime_version("1");
    answer.set_runtime_api_version("v1");
    return TestAnswer{};
  });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  const auto version = real.run(runtime->version("0.1.0"));
  ASSERT_TRUE(version.ok()) << version.error().to_string();
  EXPECT_EQ(version->runtime_name, "test");
  EXPECT_EQ(server.authority(), "localhost");
  EXPECT_EQ(runtime->metrics().by_operation().at("version").count, 1u);
  EXPECT_EQ(runtime->metrics().by_operation().at("version").errors, 0u);
  EXPECT_EQ(runtime->running_calls(), 0u);
}

TEST(GrpcRuntime, ImageServiceMayListenElsewhere) {
  TestServer runtime_server(always(kInternal, "runtime"));
  TestServer image_server(always(kInternal, "images"));
  RealLoop real;
  GrpcRuntimeOptions options;
  options.image_endpoint = image_server.endpoint();
  auto runtime = connect_to(real, runtime_server.endpoint(), options);
  EXPECT_EQ(real.run(runtime->image_fs_info()).error().to_string(), "rpc error: code = Internal desc = images");
  EXPECT_EQ(real.run(runtime->status()).error().to_string(), "rpc error: code = Internal desc = runtime");
}

TEST(GrpcRuntime, MissingThingsAreGoneForStopAndNotFoundForStatus) {
  TestServer server(always(kNotFound, "no such thing"));
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  EXPECT_TRUE(real.run(runtime->stop_container("c", 1s)).ok());
  EXPECT_TRUE(real.run(runtime->stop_pod_sandbox("s")).ok());
  EXPECT_EQ(real.run(runtime->container_status("c")).error().kind(), ErrorKind::not_found);
  EXPECT_EQ(real.run(runtime->pod_sandbox_status("s")).error().kind(), ErrorKind::not_found);
  EXPECT_EQ(runtime->metrics().by_operation().at("stop_container").errors, 1u) << "the wire's error counts";
}

TEST(GrpcRuntime, PullImageOfUnknownCodeGivesTheBareMessage) {
  std::atomic<int> code{kUnknown};
  TestServer server([&](const std::string&, const Message&, Message&) {
    return TestAnswer{code, "RegistryUnavailable: desc = try later"};
  });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  EXPECT_EQ(real.run(runtime->pull_image({}, std::nullopt, {})).error().to_string(),
            "RegistryUnavailable: desc = try later");
  code = kNotFound;
  EXPECT_EQ(real.run(runtime->pull_image({}, std::nullopt, {})).error().to_string(),
            "rpc error: code = NotFound desc = RegistryUnavailable: desc = try later");
}

TEST(GrpcRuntime, RefusesAnswersThatBreakTheContract) {
  TestServer server(always(0, ""));  // every answer is an empty message
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  const auto expect = [&](const char* field, const auto& result) {
    SCOPED_TRACE(field);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().kind(), ErrorKind::internal);
    EXPECT_NE(result.error().message().find(field), std::string::npos) << result.error().message();
  };
  expect("Version is not valid: version is not set", real.run(runtime->version("")));
  expect("RunPodSandbox is not valid: pod_sandbox_id is not set", real.run(runtime->run_pod_sandbox({}, "")));
  expect("CreateContainer is not valid: container_id is not set", real.run(runtime->create_container("", {}, {})));
  expect("Exec is not valid: url is not set", real.run(runtime->exec("c", {"x"}, {})));
  expect("Attach is not valid: url is not set", real.run(runtime->attach("c", {})));
  expect("PortForward is not valid: url is not set", real.run(runtime->port_forward("s", {80})));
  expect("PodSandboxStatus is not valid: status.id is not set", real.run(runtime->pod_sandbox_status("s")));
  expect("ContainerStatus is not valid: status.id is not set", real.run(runtime->container_status("c")));
  expect("PullImage is not valid: image_ref is not set", real.run(runtime->pull_image({}, std::nullopt, {})));
  expect("Status is not valid: status.conditions has 0 entries", real.run(runtime->status()));
  EXPECT_EQ(runtime->metrics().by_operation().at("run_podsandbox").errors, 1u);
  const auto absent = real.run(runtime->image_status({}));
  ASSERT_TRUE(absent.ok());
  EXPECT_FALSE(absent->has_value());
  EXPECT_TRUE(real.run(runtime->start_container("c")).ok());
  const auto driver = real.run(runtime->runtime_config());
  ASSERT_TRUE(driver.ok());
  EXPECT_FALSE(driver->has_value());
}

TEST(GrpcRuntime, RuntimeConfigMayBeUnknown) {
  TestServer server(always(kUnimplemented, "what?"));
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  const auto driver = real.run(runtime->runtime_config());
  ASSERT_TRUE(driver.ok());
  EXPECT_FALSE(driver->has_value());
}

TEST(GrpcRuntime, RequestsOfEveryCallArrive) {
  std::vector<std::string> seen;
  TestServer server([&](const std::string& method, const Message& request, Message&) {
    seen.push_back(method + " " + request.ShortDebugString());
    return TestAnswer{kInternal, "x"};
  });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  real.run(runtime->update_runtime_config("10.0.0.0/24")).ok();
  real.run(runtime->remove_pod_sandbox("s")).ok();
  real.run(runtime->stop_container("c", 30s)).ok();
  real.run(runtime->exec_sync("c", {"a", "b"}, 7s)).ok();
  real.run(runtime->exec("c", {"sh"}, Streams{true, true, true, false})).ok();
  real.run(runtime->attach("c", Streams{false, false, true, true})).ok();
  real.run(runtime->port_forward("s", {80, 81})).ok();
  real.run(runtime->checkpoint_container("c", "/x.tar", 1s)).ok();
  real.run(runtime->reopen_container_log("c")).ok();
  real.run(runtime->remove_container("c")).ok();
  real.run(runtime->update_container_resources("c", {})).ok();
  LinuxContainerResources resources;
  resources.cpu_shares = 5;
  real.run(runtime->update_pod_sandbox_resources("s", std::nullopt, resources)).ok();
  real.run(runtime->remove_image(ImageSpec{"i"})).ok();
  real.run(runtime->container_stats("c")).ok();
  ContainerStatsFilter container_filter;
  container_filter.pod_sandbox_id = "s";
  real.run(runtime->list_container_stats(container_filter)).ok();
  real.run(runtime->pod_sandbox_stats("s")).ok();
  PodSandboxStatsFilter sandbox_filter;
  sandbox_filter.id = "s";
  real.run(runtime->list_pod_sandbox_stats(sandbox_filter)).ok();
  real.run(runtime->list_metric_descriptors()).ok();
  real.run(runtime->list_pod_sandbox_metrics()).ok();
  const std::vector<std::string> expected{
      "UpdateRuntimeConfig runtime_config { network_config { pod_cidr: \"10.0.0.0/24\" } }",
      "RemovePodSandbox pod_sandbox_id: \"s\"",
      "StopContainer container_id: \"c\" timeout: 30",
      "ExecSync container_id: \"c\" cmd: \"a\" cmd: \"b\" timeout: 7",
      "Exec container_id: \"c\" cmd: \"sh\" tty: true stdin: true stdout: true",
      "Attach container_id: \"c\" stdout: true stderr: true",
      "PortForward pod_sandbox_id: \"s\" port: 80 port: 81",
      "CheckpointContainer container_id: \"c\" location: \"/x.tar\" timeout: 120",
      "ReopenContainerLog container_id: \"c\"",
      "RemoveContainer container_id: \"c\"",
      "UpdateContainerResources container_id: \"c\" linux { }",
      "UpdatePodSandboxResources pod_sandbox_id: \"s\" resources { cpu_shares: 5 }",
      "RemoveImage image { image: \"i\" }",
      "ContainerStats container_id: \"c\"",
      "ListContainerStats filter { pod_sandbox_id: \"s\" }",
      "PodSandboxStats pod_sandbox_id: \"s\"",
      "ListPodSandboxStats filter { id: \"s\" }",
      "ListMetricDescriptors ",
      "ListPodSandboxMetrics ",
  };
  EXPECT_EQ(seen, expected);
}

TEST(GrpcRuntime, StreamsListsWhenAskedToAndJoinsTheirParts) {
  std::atomic<int> parts{0};
  TestServer server([&](const std::string& method, const Message&, Message& response) {
    EXPECT_EQ(method, "StreamContainers");
    if (parts == 3) return TestAnswer{TestServer::kEndStream, ""};
    static_cast<pb::StreamContainersResponse&>(response).add_containers()->set_id(std::to_string(parts++));
    return TestAnswer{};
  });
  RealLoop real;
  GrpcRuntimeOptions options;
  options.streamed_lists = true;
  auto runtime = connect_to(real, server.endpoint(), options);
  const auto containers = real.run(runtime->list_containers({}));
  ASSERT_TRUE(containers.ok()) << containers.error().to_string();
  ASSERT_EQ(containers->size(), 3u);
  EXPECT_EQ(containers->at(2).id, "2");
}

TEST(GrpcRuntime, FallsBackToWholeListsForGoodPerService) {
  std::vector<std::string> seen;
  TestServer server([&](const std::string& method, const Message&, Message&) {
    seen.push_back(method);
    if (method.rfind("Stream", 0) == 0) return TestAnswer{kUnimplemented, "unknown method"};
    return TestAnswer{};
  });
  RealLoop real;
  GrpcRuntimeOptions options;
  options.streamed_lists = true;
  auto runtime = connect_to(real, server.endpoint(), options);
  EXPECT_TRUE(real.run(runtime->list_containers({})).ok());
  EXPECT_TRUE(real.run(runtime->list_pod_sandboxes({})).ok());
  EXPECT_TRUE(real.run(runtime->list_images()).ok());
  EXPECT_TRUE(real.run(runtime->list_images()).ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"StreamContainers", "ListContainers", "ListPodSandbox", "StreamImages",
                                            "ListImages", "ListImages"}));
}

TEST(GrpcRuntime, DoesNotStreamListsUnlessAskedTo) {
  std::vector<std::string> seen;
  TestServer server([&](const std::string& method, const Message&, Message&) {
    seen.push_back(method);
    return TestAnswer{};
  });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  EXPECT_TRUE(real.run(runtime->list_containers({})).ok());
  EXPECT_EQ(seen, std::vector<std::string>{"ListContainers"});
}

TEST(GrpcRuntime, GivesContainerEventsOneByOneAndSaysThatTheStreamEnded) {
  std::atomic<int> sent{0};
  TestServer server([&](const std::string&, const Message&, Message& response) {
    if (sent == 100) return TestAnswer{TestServer::kEndStream, ""};
    static_cast<pb::ContainerEventResponse&>(response).set_container_id(std::to_string(sent++));
    return TestAnswer{};
  });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  std::vector<std::string> got;
  const Status ended =
      real.run(runtime->container_events([&](ContainerEvent event) { got.push_back(event.container_id); }));
  EXPECT_EQ(ended.error().kind(), ErrorKind::unavailable);
  ASSERT_EQ(got.size(), 100u);
  EXPECT_EQ(got.back(), "99");
}

TEST(GrpcRuntime, SaysWhenThereIsNoEventStream) {
  TestServer server(always(kUnimplemented, "unknown method GetContainerEvents"));
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  const Status ended = real.run(runtime->container_events([](ContainerEvent) { ADD_FAILURE(); }));
  EXPECT_EQ(ended.error().kind(), ErrorKind::unimplemented);
}

TEST(GrpcRuntime, AMessageAboveTheLimitIsAnErrorAndTheNextCallWorks) {
  std::atomic<bool> large{true};
  TestServer server([&](const std::string&, const Message&, Message& response) {
    auto& answer = static_cast<pb::ListContainersResponse&>(response);
    if (large) answer.add_containers()->set_image_ref(std::string(17 << 20, 'x'));
    return TestAnswer{};
  });
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  EXPECT_EQ(real.run(runtime->list_containers({})).error().kind(), ErrorKind::exhausted);
  large = false;
  EXPECT_TRUE(real.run(runtime->list_containers({})).ok());
}

TEST(GrpcRuntime, RuntimeThatRefusesForNowLeavesOnlyChangesOpen) {
  TestServer server(always(kUnavailable, "server is not initialized yet"));
  RealLoop real;
  auto runtime = connect_to(real, server.endpoint());
  EXPECT_EQ(real.run(runtime->status()).error().kind(), ErrorKind::unavailable);
  EXPECT_EQ(real.run(runtime->run_pod_sandbox({}, "")).error().kind(), ErrorKind::maybe_applied);
}

}  // namespace
}  // namespace keelson::cri
