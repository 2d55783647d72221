#include <algorithm>
#include <future>
#include <mutex>

#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

class Events : public Conformance {
 protected:
  static constexpr auto kPatience = std::chrono::seconds(30);
};

TEST_F(Events, AreUnimplementedWhereTheRuntimeIsTooOld) {
  if (traits().events) GTEST_SKIP() << "this runtime has events";
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  auto stream = client().runtime().GetContainerEvents(&context, cri::GetEventsRequest{});
  cri::ContainerEventResponse event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(Events, TellTheLifeOfAContainer) {
  if (!traits().events) GTEST_SKIP() << "this runtime has no events";
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  auto stream = client().runtime().GetContainerEvents(&context, cri::GetEventsRequest{});
  stream->WaitForInitialMetadata();

  const auto sandbox = run_sandbox(pod("box"));
  const auto ended = run_to_end(sandbox, shell("main", "exit 3"));
  ASSERT_TRUE(remove(ended.id()).ok());

  std::vector<cri::ContainerEventType> of_container;
  std::vector<cri::ContainerEventType> of_sandbox;
  cri::ContainerEventResponse event;
  while (stream->Read(&event)) {
    EXPECT_GT(event.created_at(), 0);
    EXPECT_EQ(event.pod_sandbox_status().id(), sandbox);
    if (event.container_id() == sandbox) of_sandbox.push_back(event.container_event_type());
    if (event.container_id() != ended.id()) continue;
    of_container.push_back(event.container_event_type());
    if (event.container_event_type() == cri::CONTAINER_STOPPED_EVENT) {
      ASSERT_EQ(event.containers_statuses_size(), 1);
      EXPECT_EQ(event.containers_statuses(0).exit_code(), 3);
      EXPECT_EQ(event.containers_statuses(0).state(), cri::CONTAINER_EXITED);
    }
    if (event.container_event_type() == cri::CONTAINER_DELETED_EVENT) break;
  }
  context.TryCancel();
  EXPECT_EQ(of_sandbox, (std::vector{cri::CONTAINER_CREATED_EVENT, cri::CONTAINER_STARTED_EVENT}));
  EXPECT_EQ(of_container, (std::vector{cri::CONTAINER_CREATED_EVENT, cri::CONTAINER_STARTED_EVENT,
                                       cri::CONTAINER_STOPPED_EVENT, cri::CONTAINER_DELETED_EVENT}));
}

}  // namespace
}  // namespace keelson::conformance
