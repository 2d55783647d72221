#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

class RuntimeItself : public Conformance {};

TEST_F(RuntimeItself, NamesItselfAndTheApi) {
  cri::VersionRequest request;
  request.set_version("0.1.0");
  cri::VersionResponse response;
  ASSERT_TRUE(client().call(&Runtime::Version, request, response).ok());
  EXPECT_EQ(response.version(), "0.1.0");
  EXPECT_FALSE(response.runtime_name().empty());
  EXPECT_FALSE(response.runtime_version().empty());
  EXPECT_EQ(response.runtime_api_version(), "v1");
}

TEST_F(RuntimeItself, AnswersVersionToAnEmptyRequest) {
  cri::VersionResponse response;
  ASSERT_TRUE(client().call(&Runtime::Version, cri::VersionRequest{}, response).ok());
  EXPECT_EQ(response.version(), "0.1.0");
}

bool condition(const cri::StatusResponse& response, const std::string& type) {
  for (const auto& condition : response.status().conditions()) {
    if (condition.type() == type) return condition.status();
  }
  ADD_FAILURE() << "no condition " << type;
  return false;
}

TEST_F(RuntimeItself, SaysThatRuntimeAndNetworkAreReady) {
  cri::StatusResponse response;
  ASSERT_TRUE(client().call(&Runtime::Status, cri::StatusRequest{}, response).ok());
  EXPECT_TRUE(condition(response, "RuntimeReady"));
  EXPECT_TRUE(condition(response, "NetworkReady"));
  EXPECT_TRUE(response.info().empty()) << "info is for verbose requests";
}

TEST_F(RuntimeItself, WithoutNetworkConfigurationIsNotReadyAndRunsNoPodOnThePodNetwork) {
  const auto other = target().without_network();
  ASSERT_NE(other, nullptr);
  Client bare(other->endpoint());
  cri::StatusResponse response;
  ASSERT_TRUE(bare.call(&Runtime::Status, cri::StatusRequest{}, response).ok());
  EXPECT_TRUE(condition(response, "RuntimeReady"));
  EXPECT_FALSE(condition(response, "NetworkReady"));
  for (const auto& each : response.status().conditions()) {
    if (each.type() != "NetworkReady") continue;
    EXPECT_EQ(each.reason(), "NetworkPluginNotReady");
    EXPECT_NE(each.message().find("cni plugin not initialized"), std::string::npos) << each.message();
  }

  cri::RunPodSandboxRequest request;
  *request.mutable_config() = pod("bare");
  request.mutable_config()->mutable_linux()->clear_cgroup_parent();
  cri::RunPodSandboxResponse made;
  const auto status = bare.call(&Runtime::RunPodSandbox, request, made);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_NE(status.error_message().find("cni plugin not initialized"), std::string::npos) << status.error_message();

  // What could not be given back stays listed, so that somebody stops and removes it, and keeps its name.
  cri::ListPodSandboxResponse left;
  ASSERT_TRUE(bare.call(&Runtime::ListPodSandbox, cri::ListPodSandboxRequest{}, left).ok());
  ASSERT_EQ(left.items_size(), 1);
  EXPECT_EQ(left.items(0).state(), cri::SANDBOX_NOTREADY);
  EXPECT_EQ(left.items(0).metadata().name(), "bare");
  const auto again = bare.call(&Runtime::RunPodSandbox, request, made);
  EXPECT_NE(again.error_message().find("is reserved for"), std::string::npos) << again.error_message();

  cri::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(left.items(0).id());
  cri::StopPodSandboxResponse stopped;
  const auto stop_status = bare.call(&Runtime::StopPodSandbox, stop, stopped);
  EXPECT_EQ(stop_status.error_code(), grpc::StatusCode::UNKNOWN) << stop_status.error_message();
  cri::RemovePodSandboxRequest removal;
  removal.set_pod_sandbox_id(left.items(0).id());
  cri::RemovePodSandboxResponse removed;
  const auto removal_status = bare.call(&Runtime::RemovePodSandbox, removal, removed);
  EXPECT_EQ(removal_status.error_code(), grpc::StatusCode::UNKNOWN) << removal_status.error_message();
}

TEST_F(RuntimeItself, WithoutNetworkStillRunsPodsOnTheHostNetwork) {
  const auto other = target().without_network();
  ASSERT_NE(other, nullptr);
  Client bare(other->endpoint());
  cri::RunPodSandboxRequest request;
  *request.mutable_config() = pod("bare");
  request.mutable_config()->clear_hostname();
  auto* linux_config = request.mutable_config()->mutable_linux();
  linux_config->clear_cgroup_parent();
  linux_config->mutable_security_context()->mutable_namespace_options()->set_network(cri::NODE);
  cri::RunPodSandboxResponse made;
  const auto status = bare.call(&Runtime::RunPodSandbox, request, made);
  EXPECT_TRUE(status.ok()) << status.error_message();
  cri::RemovePodSandboxRequest removal;
  removal.set_pod_sandbox_id(made.pod_sandbox_id());
  cri::RemovePodSandboxResponse removed;
  EXPECT_TRUE(bare.call(&Runtime::RemovePodSandbox, removal, removed).ok());
}

TEST_F(RuntimeItself, TellsItsCgroupDriverOrThatItCannot) {
  cri::RuntimeConfigResponse response;
  const auto status = client().call(&Runtime::RuntimeConfig, cri::RuntimeConfigRequest{}, response);
  if (traits().runtime_config) {
    EXPECT_TRUE(status.ok());
    EXPECT_TRUE(response.has_linux());
  } else {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
}

TEST_F(RuntimeItself, TakesAPodRange) {
  cri::UpdateRuntimeConfigRequest request;
  request.mutable_runtime_config()->mutable_network_config()->set_pod_cidr("10.1.2.0/24");
  cri::UpdateRuntimeConfigResponse response;
  EXPECT_TRUE(client().call(&Runtime::UpdateRuntimeConfig, request, response).ok());
}

TEST_F(RuntimeItself, KeepsPodsAndContainersOverARestart) {
  const auto sandbox = run_sandbox(pod("survivor"));
  const auto running = run(sandbox, program("running", {"sleep", "300"}));
  const auto ended = run_to_end(sandbox, shell("ended", "exit 7"));
  const auto made = create(sandbox, program("made", {"sleep", "300"}));
  const auto before = status(running);
  const auto ip = sandbox_status(sandbox).network().ip();

  target().restart();
  // The socket is there before the answers are.
  ASSERT_TRUE(eventually([&] {
    cri::VersionResponse version;
    return client().call(&Runtime::Version, cri::VersionRequest{}, version).ok();
  }));

  ASSERT_TRUE(eventually([&] { return list_sandboxes({}).size() == 1; }));
  EXPECT_EQ(sandbox_status(sandbox).state(), cri::SANDBOX_READY);
  EXPECT_EQ(sandbox_status(sandbox).network().ip(), ip);
  const auto after = status(running);
  EXPECT_EQ(after.state(), cri::CONTAINER_RUNNING);
  EXPECT_EQ(after.started_at(), before.started_at());
  EXPECT_EQ(after.created_at(), before.created_at());
  EXPECT_EQ(status(ended.id()).state(), cri::CONTAINER_EXITED);
  EXPECT_EQ(status(ended.id()).exit_code(), 7);
  EXPECT_EQ(status(ended.id()).finished_at(), ended.finished_at());
  EXPECT_EQ(status(made).state(), cri::CONTAINER_CREATED);
}

}  // namespace
}  // namespace keelson::conformance
