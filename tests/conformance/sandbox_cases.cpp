#include <algorithm>

#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

class Sandboxes : public Conformance {};

TEST_F(Sandboxes, AreReadyWithWhatTheirConfigurationSaid) {
  const auto before = nanoseconds_now();
  const auto config = pod("alpha", 3);
  const auto id = run_sandbox(config);
  EXPECT_EQ(id.size(), 64u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);

  const auto status = sandbox_status(id);
  EXPECT_EQ(status.id(), id);
  EXPECT_EQ(status.state(), cri::SANDBOX_READY);
  EXPECT_EQ(status.metadata().SerializeAsString(), config.metadata().SerializeAsString());
  EXPECT_GE(status.created_at(), before);
  EXPECT_LE(status.created_at(), nanoseconds_now());
  EXPECT_EQ(status.labels().at("suite"), "conformance");
  EXPECT_EQ(status.annotations().at("note"), "of alpha");
  EXPECT_EQ(status.linux().namespaces().options().pid(), cri::CONTAINER);
  EXPECT_EQ(status.runtime_handler(), "");
}

TEST_F(Sandboxes, HaveAddressesOfTheirOwn) {
  const auto one = sandbox_status(run_sandbox(pod("one"))).network().ip();
  const auto two = sandbox_status(run_sandbox(pod("two"))).network().ip();
  EXPECT_FALSE(one.empty());
  EXPECT_FALSE(two.empty());
  EXPECT_NE(one, two);
}

TEST_F(Sandboxes, OnTheHostNetworkHaveNoAddress) {
  auto config = pod("hostnet");
  config.clear_hostname();
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(cri::NODE);
  const auto status = sandbox_status(run_sandbox(config));
  EXPECT_EQ(status.state(), cri::SANDBOX_READY);
  EXPECT_EQ(status.network().ip(), "");
  EXPECT_EQ(status.linux().namespaces().options().network(), cri::NODE);
}

TEST_F(Sandboxes, WhenStoppedAreNotReadyWithoutAddressAndTheirContainersKilled) {
  const auto id = run_sandbox(pod("stopped"));
  const auto container = run(id, shell("main", "trap '' TERM; sleep 300"));
  const auto made = create(id, program("made", {"sleep", "1"}));
  ASSERT_TRUE(stop_sandbox(id).ok());
  const auto status_after = sandbox_status(id);
  EXPECT_EQ(status_after.state(), cri::SANDBOX_NOTREADY);
  EXPECT_EQ(status_after.network().ip(), "");
  EXPECT_EQ(status(container).state(), cri::CONTAINER_EXITED);
  EXPECT_EQ(status(container).exit_code(), 137);
  EXPECT_EQ(status(container).reason(), "Error");
  EXPECT_EQ(status(made).state(), cri::CONTAINER_CREATED);
  EXPECT_TRUE(stop_sandbox(id).ok()) << "stopping twice is no error";
}

TEST_F(Sandboxes, StoppedTakeNoNewContainerAndStartNone) {
  const auto id = run_sandbox(pod("closed"));
  const auto made = create(id, program("made", {"sleep", "1"}));
  ASSERT_TRUE(stop_sandbox(id).ok());
  EXPECT_FALSE(try_create(id, program("late", {"sleep", "1"})).ok());
  EXPECT_FALSE(start(made).ok());
}

TEST_F(Sandboxes, CanBeRemovedWhileReadyWithTheirContainers) {
  const auto id = run_sandbox(pod("removed"));
  const auto container = run(id, program("main", {"sleep", "300"}));
  ASSERT_TRUE(remove_sandbox(id).ok());
  cri::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  cri::PodSandboxStatusResponse response;
  EXPECT_EQ(client().call(&Runtime::PodSandboxStatus, request, response).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(try_status(container).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(list({}).empty());
  EXPECT_TRUE(remove_sandbox(id).ok()) << "removing twice is no error";
}

TEST_F(Sandboxes, UnknownAreNotFoundExceptForRemoval) {
  cri::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(kUnknownId);
  cri::PodSandboxStatusResponse response;
  EXPECT_EQ(client().call(&Runtime::PodSandboxStatus, request, response).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(stop_sandbox(kUnknownId).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(remove_sandbox(kUnknownId).ok());
}

TEST_F(Sandboxes, OfTheSameNameAndAttemptAreRefusedUntilTheFirstIsRemoved) {
  const auto id = run_sandbox(pod("twin"));
  const auto second = try_run_sandbox(pod("twin"));
  EXPECT_EQ(second.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_NE(second.error_message().find("is reserved for \"" + id + "\""), std::string::npos) << second.error_message();
  EXPECT_FALSE(run_sandbox(pod("twin", 1)).empty()) << "another attempt is another name";
  ASSERT_TRUE(stop_sandbox(id).ok());
  EXPECT_FALSE(try_run_sandbox(pod("twin")).ok()) << "a stopped sandbox keeps its name";
  ASSERT_TRUE(remove_sandbox(id).ok());
  EXPECT_TRUE(try_run_sandbox(pod("twin")).ok());
}

TEST_F(Sandboxes, AreListedByEachFilterAndByAllTogether) {
  auto special = pod("special");
  (*special.mutable_labels())["colour"] = "blue";
  const auto blue = run_sandbox(special);
  const auto other = run_sandbox(pod("other"));
  ASSERT_TRUE(stop_sandbox(other).ok());

  EXPECT_EQ(list_sandboxes({}).size(), 2u);
  cri::PodSandboxFilter by_id;
  by_id.set_id(blue);
  EXPECT_EQ(list_sandboxes(by_id), std::vector<std::string>{blue});
  by_id.set_id(kUnknownId);
  EXPECT_TRUE(list_sandboxes(by_id).empty());
  cri::PodSandboxFilter ready;
  ready.mutable_state()->set_state(cri::SANDBOX_READY);
  EXPECT_EQ(list_sandboxes(ready), std::vector<std::string>{blue});
  cri::PodSandboxFilter not_ready;
  not_ready.mutable_state()->set_state(cri::SANDBOX_NOTREADY);
  EXPECT_EQ(list_sandboxes(not_ready), std::vector<std::string>{other});
  cri::PodSandboxFilter by_label;
  (*by_label.mutable_label_selector())["colour"] = "blue";
  EXPECT_EQ(list_sandboxes(by_label), std::vector<std::string>{blue});
  (*by_label.mutable_label_selector())["suite"] = "conformance";
  EXPECT_EQ(list_sandboxes(by_label), std::vector<std::string>{blue});
  by_label.mutable_state()->set_state(cri::SANDBOX_NOTREADY);
  EXPECT_TRUE(list_sandboxes(by_label).empty());
}

TEST_F(Sandboxes, AreListedWithMetadataLabelsAndAnnotations) {
  const auto config = pod("listed", 2);
  const auto id = run_sandbox(config);
  cri::ListPodSandboxResponse response;
  ASSERT_TRUE(client().call(&Runtime::ListPodSandbox, cri::ListPodSandboxRequest{}, response).ok());
  ASSERT_EQ(response.items_size(), 1);
  const auto& item = response.items(0);
  EXPECT_EQ(item.id(), id);
  EXPECT_EQ(item.metadata().SerializeAsString(), config.metadata().SerializeAsString());
  EXPECT_EQ(item.created_at(), sandbox_status(id).created_at());
  EXPECT_EQ(item.labels().size(), config.labels().size());
  EXPECT_EQ(item.annotations().at("note"), "of listed");
}

}  // namespace
}  // namespace keelson::conformance
