#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

class Containers : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (!IsSkipped()) sandbox_ = run_sandbox(pod("box"));
  }
  std::string sandbox_;
};

TEST_F(Containers, AreCreatedWithoutRunning) {
  const auto before = nanoseconds_now();
  const auto config = program("main", {"sleep", "300"}, 4);
  const auto id = create(sandbox_, config);
  EXPECT_EQ(id.size(), 64u);
  const auto made = status(id);
  EXPECT_EQ(made.state(), cri::CONTAINER_CREATED);
  EXPECT_EQ(made.metadata().name(), "main");
  EXPECT_EQ(made.metadata().attempt(), 4u);
  EXPECT_GE(made.created_at(), before);
  EXPECT_LE(made.created_at(), nanoseconds_now());
  EXPECT_EQ(made.started_at(), 0);
  EXPECT_EQ(made.finished_at(), 0);
  EXPECT_EQ(made.exit_code(), 0);
  EXPECT_EQ(made.reason(), "");
  EXPECT_FALSE(made.image().image().empty());
  EXPECT_FALSE(made.image_ref().empty());
  EXPECT_EQ(made.log_path(), directory_ + "/box/main/4.log");
  EXPECT_EQ(made.labels().at("io.kubernetes.container.name"), "main");
  EXPECT_EQ(made.annotations().at("io.kubernetes.container.restartCount"), "4");
  EXPECT_EQ(!made.image_id().empty(), traits().image_ids);
}

TEST_F(Containers, RunAfterStart) {
  const auto id = run(sandbox_, program("main", {"sleep", "300"}));
  const auto running = status(id);
  EXPECT_EQ(running.state(), cri::CONTAINER_RUNNING);
  EXPECT_GE(running.started_at(), running.created_at());
  EXPECT_EQ(running.finished_at(), 0);
  EXPECT_EQ(running.reason(), "");
}

TEST_F(Containers, EndWithTheCodeOfTheirProcess) {
  struct Row {
    std::string name;
    std::string script;
    int code;
    std::string reason;
  };
  const std::vector<Row> rows{{"zero", "exit 0", 0, "Completed"},
                              {"three", "sleep 0.1; exit 3", 3, "Error"},
                              {"large", "exit 255", 255, "Error"},
                              {"last", "true && false", 1, "Error"},
                              {"falls-off", "echo done", 0, "Completed"}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const auto ended = run_to_end(sandbox_, shell(row.name, row.script));
    EXPECT_EQ(ended.exit_code(), row.code);
    EXPECT_EQ(ended.reason(), row.reason);
    EXPECT_EQ(ended.message(), "");
    EXPECT_GE(ended.started_at(), ended.created_at());
    // Not: at or after started_at. containerd writes that down after the start, when a short process has ended already.
    EXPECT_GT(ended.finished_at(), ended.created_at());
  }
}

TEST_F(Containers, CannotBeStartedTwice) {
  const auto id = run(sandbox_, program("main", {"sleep", "300"}));
  EXPECT_EQ(start(id).error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(status(id).state(), cri::CONTAINER_RUNNING);
  const auto ended = run_to_end(sandbox_, shell("short", "exit 0"));
  EXPECT_EQ(start(ended.id()).error_code(), grpc::StatusCode::UNKNOWN);
}

TEST_F(Containers, WhoseProgramIsMissingEndWithStartError) {
  const auto id = create(sandbox_, program("main", {"/nonexistent/program"}));
  const auto started = start(id);
  EXPECT_EQ(started.error_code(), grpc::StatusCode::UNKNOWN) << started.error_message();
  EXPECT_NE(started.error_message().find("no such file or directory"), std::string::npos) << started.error_message();
  const auto ended = status(id);
  EXPECT_EQ(ended.state(), cri::CONTAINER_EXITED);
  EXPECT_EQ(ended.exit_code(), 128);
  EXPECT_EQ(ended.reason(), "StartError");
  EXPECT_NE(ended.message().find("no such file or directory"), std::string::npos) << ended.message();
  EXPECT_EQ(ended.started_at(), 0);
  EXPECT_GT(ended.finished_at(), 0);
}

TEST_F(Containers, KilledForMemorySaySo) {
  target().expect_oom("hungry");
  auto config = program("hungry", {"tail", "/dev/zero"});
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(16 << 20);
  config.mutable_linux()->mutable_resources()->set_memory_swap_limit_in_bytes(16 << 20);
  const auto ended = run_to_end(sandbox_, config);
  EXPECT_EQ(ended.reason(), "OOMKilled");
  EXPECT_EQ(ended.exit_code(), 137);
}

TEST_F(Containers, OfTheSameNameAndAttemptAreRefusedUntilTheFirstIsRemoved) {
  const auto id = create(sandbox_, program("twin", {"sleep", "1"}));
  const auto second = try_create(sandbox_, program("twin", {"sleep", "1"}));
  EXPECT_EQ(second.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_NE(second.error_message().find("is reserved for \"" + id + "\""), std::string::npos) << second.error_message();
  EXPECT_TRUE(try_create(sandbox_, program("twin", {"sleep", "1"}, 1)).ok());
  ASSERT_TRUE(remove(id).ok());
  EXPECT_TRUE(try_create(sandbox_, program("twin", {"sleep", "1"})).ok());
}

TEST_F(Containers, NeedASandboxAndAnImage) {
  EXPECT_EQ(try_create(kUnknownId, program("main", {"sleep", "1"})).error_code(), grpc::StatusCode::NOT_FOUND);
  auto config = program("main", {"sleep", "1"});
  config.mutable_image()->set_image("keelson.local/absent:1");
  EXPECT_EQ(try_create(sandbox_, config).error_code(), grpc::StatusCode::NOT_FOUND);
  // The failure gave the name back.
  EXPECT_TRUE(try_create(sandbox_, program("main", {"sleep", "1"})).ok());
}

TEST_F(Containers, CanBeMadeFromAnImageId) {
  cri::ImageStatusRequest request;
  request.mutable_image()->set_image(kImage);
  cri::ImageStatusResponse response;
  ASSERT_TRUE(client().call(&Images::ImageStatus, request, response).ok());
  auto config = shell("main", "exit 0");
  config.mutable_image()->set_image(response.image().id());
  config.mutable_image()->set_user_specified_image(kImage);
  const auto ended = run_to_end(sandbox_, config);
  EXPECT_EQ(ended.exit_code(), 0);
  EXPECT_FALSE(ended.image().image().empty());
  EXPECT_NE(ended.image().image(), response.image().id()) << "shown by name, not by id";
}

TEST_F(Containers, AreRemovedInAnyStateAndThenUnknown) {
  const auto made = create(sandbox_, program("made", {"sleep", "1"}));
  const auto running = run(sandbox_, program("running", {"sleep", "300"}));
  const auto ended = run_to_end(sandbox_, shell("ended", "exit 0")).id();
  for (const auto& id : {made, running, ended}) {
    EXPECT_TRUE(remove(id).ok());
    EXPECT_EQ(try_status(id).error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_TRUE(remove(id).ok()) << "removing twice is no error";
  }
  EXPECT_TRUE(list({}).empty());
}

TEST_F(Containers, UnknownAreNotFoundExceptForRemoval) {
  EXPECT_EQ(try_status(kUnknownId).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(start(kUnknownId).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(stop(kUnknownId, 1).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(remove(kUnknownId).ok());
  cri::ExecSyncResponse output;
  EXPECT_EQ(exec(kUnknownId, {"true"}, 1, output).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(Containers, AreListedByEachFilterAndByAllTogether) {
  const auto other_sandbox = run_sandbox(pod("other"));
  const auto running = run(sandbox_, program("running", {"sleep", "300"}));
  const auto ended = run_to_end(sandbox_, shell("ended", "exit 0")).id();
  const auto made = create(other_sandbox, program("made", {"sleep", "1"}));

  EXPECT_EQ(list({}).size(), 3u) << "sandboxes are no containers";
  const std::vector<std::pair<cri::ContainerState, std::string>> by_state{
      {cri::CONTAINER_CREATED, made}, {cri::CONTAINER_RUNNING, running}, {cri::CONTAINER_EXITED, ended}};
  for (const auto& [state, id] : by_state) {
    SCOPED_TRACE(cri::ContainerState_Name(state));
    cri::ContainerFilter filter;
    filter.mutable_state()->set_state(state);
    EXPECT_EQ(list(filter), std::vector<std::string>{id});
  }
  cri::ContainerFilter by_sandbox;
  by_sandbox.set_pod_sandbox_id(other_sandbox);
  EXPECT_EQ(list(by_sandbox), std::vector<std::string>{made});
  cri::ContainerFilter by_id;
  by_id.set_id(ended);
  EXPECT_EQ(list(by_id), std::vector<std::string>{ended});
  by_id.set_id(kUnknownId);
  EXPECT_TRUE(list(by_id).empty());
  cri::ContainerFilter by_label;
  (*by_label.mutable_label_selector())["io.kubernetes.container.name"] = "running";
  EXPECT_EQ(list(by_label), std::vector<std::string>{running});
  by_label.set_pod_sandbox_id(other_sandbox);
  EXPECT_TRUE(list(by_label).empty());
}

TEST_F(Containers, AreListedWithWhatTheirConfigurationSaid) {
  const auto id = run(sandbox_, program("main", {"sleep", "300"}, 2));
  cri::ListContainersResponse response;
  ASSERT_TRUE(client().call(&Runtime::ListContainers, cri::ListContainersRequest{}, response).ok());
  ASSERT_EQ(response.containers_size(), 1);
  const auto& item = response.containers(0);
  EXPECT_EQ(item.id(), id);
  EXPECT_EQ(item.pod_sandbox_id(), sandbox_);
  EXPECT_EQ(item.metadata().name(), "main");
  EXPECT_EQ(item.metadata().attempt(), 2u);
  EXPECT_EQ(item.image().image(), kImage);
  EXPECT_EQ(item.image_ref().rfind("sha256:", 0), 0u) << item.image_ref();
  EXPECT_EQ(item.state(), cri::CONTAINER_RUNNING);
  EXPECT_EQ(item.created_at(), status(id).created_at());
  EXPECT_EQ(item.labels().at("io.kubernetes.container.name"), "main");
  EXPECT_EQ(item.annotations().at("io.kubernetes.container.restartCount"), "2");
}

TEST_F(Containers, WriteToWhatIsMountedAndTheStatusShowsTheMount) {
  const std::string host = directory_ + "/message";
  std::FILE* file = std::fopen(host.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fclose(file);
  auto config = shell("main", "echo it is over > /dev/termination-log; exit 1");
  auto* mount = config.add_mounts();
  mount->set_container_path("/dev/termination-log");
  mount->set_host_path(host);
  const auto ended = run_to_end(sandbox_, config);
  EXPECT_EQ(read_file(host), "it is over\n");
  ASSERT_EQ(ended.mounts_size(), 1);
  EXPECT_EQ(ended.mounts(0).container_path(), "/dev/termination-log");
  EXPECT_EQ(ended.mounts(0).host_path(), host);
}

TEST_F(Containers, SeeTheirEnvironmentAndHostname) {
  auto config = program("main", {"sleep", "300"});
  auto* variable = config.add_envs();
  variable->set_key("GREETING");
  variable->set_value("hello there");
  const auto id = run(sandbox_, config);
  cri::ExecSyncResponse output;
  ASSERT_TRUE(exec(id, {"sh", "-c", "echo $GREETING"}, 10, output).ok());
  EXPECT_EQ(output.stdout(), "hello there\n");
  ASSERT_TRUE(exec(id, {"hostname"}, 10, output).ok());
  EXPECT_EQ(output.stdout(), "box\n");
}

TEST_F(Containers, TakeNewResourcesWhileTheyRun) {
  auto config = program("main", {"sleep", "300"});
  config.mutable_linux()->mutable_resources()->set_cpu_shares(100);
  const auto id = run(sandbox_, config);
  cri::UpdateContainerResourcesRequest request;
  request.set_container_id(id);
  request.mutable_linux()->set_cpu_shares(512);
  cri::UpdateContainerResourcesResponse response;
  const auto updated = client().call(&Runtime::UpdateContainerResources, request, response);
  EXPECT_TRUE(updated.ok()) << updated.error_message();
  request.set_container_id(kUnknownId);
  EXPECT_EQ(client().call(&Runtime::UpdateContainerResources, request, response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace keelson::conformance
