// Which instance of a container the logs are of, for every state it can be in.
#include "agent/logs/container_choice.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace keelson::logs {
namespace {

using Status = api::core::ContainerStatus;

api::Pod pod_with(const std::function<void(Status&)>& make) {
  api::Pod pod;
  pod.mutable_metadata()->set_name("web");
  auto* status = pod.mutable_status()->add_containerstatuses();
  status->set_name("app");
  make(*status);
  return pod;
}

std::string answer(const api::Pod& pod, bool previous = false) {
  const auto chosen = container_with_logs(pod, "app", previous);
  if (chosen.ok()) return *chosen;
  EXPECT_EQ(chosen.error().code(), 400);
  return chosen.error().message();
}

struct Row {
  const char* what;
  std::function<void(Status&)> make;
  const char* now;
  const char* previous;
};

constexpr char kNoPrevious[] = R"(previous terminated container "app" in pod "web" not found)";

TEST(ContainerChoice, IsTheOneThatHasWrittenLast) {
  const Row rows[] = {
      {"running",
       [](Status& s) {
         s.set_containerid("cri://2");
         s.mutable_state()->mutable_running();
       },
       "cri://2", kNoPrevious},
      {"running again",
       [](Status& s) {
         s.set_containerid("cri://2");
         s.mutable_state()->mutable_running();
         s.mutable_laststate()->mutable_terminated()->set_containerid("cri://1");
       },
       "cri://2", "cri://1"},
      {"terminated",
       [](Status& s) {
         s.set_containerid("cri://2");
         s.mutable_state()->mutable_terminated()->set_containerid("cri://2");
         s.mutable_laststate()->mutable_terminated()->set_containerid("cri://1");
       },
       "cri://2", "cri://1"},
      {"terminated without an id, after another",
       [](Status& s) {
         s.mutable_state()->mutable_terminated();
         s.mutable_laststate()->mutable_terminated()->set_containerid("cri://1");
       },
       "cri://1", "cri://1"},
      {"terminated without an id", [](Status& s) { s.mutable_state()->mutable_terminated(); },
       R"(container "app" in pod "web" is terminated)", kNoPrevious},
      {"waiting after another",
       [](Status& s) {
         s.mutable_state()->mutable_waiting()->set_reason("CrashLoopBackOff");
         s.mutable_laststate()->mutable_terminated()->set_containerid("cri://1");
       },
       "cri://1", "cri://1"},
      {"waiting after one without an id",
       [](Status& s) {
         s.mutable_state()->mutable_waiting()->set_reason("CrashLoopBackOff");
         s.mutable_laststate()->mutable_terminated();
       },
       R"(container "app" in pod "web" is terminated)", kNoPrevious},
      {"waiting", [](Status& s) { s.mutable_state()->mutable_waiting()->set_reason("ContainerCreating"); },
       R"(container "app" in pod "web" is waiting to start: ContainerCreating)", kNoPrevious},
      {"no image", [](Status& s) { s.mutable_state()->mutable_waiting()->set_reason("ErrImagePull"); },
       R"(container "app" in pod "web" is waiting to start: image can't be pulled)", kNoPrevious},
      {"no image for long", [](Status& s) { s.mutable_state()->mutable_waiting()->set_reason("ImagePullBackOff"); },
       R"(container "app" in pod "web" is waiting to start: trying and failing to pull image)", kNoPrevious},
      {"no state", [](Status&) {}, R"(container "app" in pod "web" is waiting to start - no logs yet)", kNoPrevious},
  };
  for (const Row& row : rows) {
    const api::Pod pod = pod_with(row.make);
    EXPECT_EQ(answer(pod), row.now) << row.what;
    EXPECT_EQ(answer(pod, true), row.previous) << row.what;
  }
}

TEST(ContainerChoice, OneWithoutAStatusIsNotAvailable) {
  api::Pod pod;
  pod.mutable_metadata()->set_name("web");
  EXPECT_EQ(answer(pod), R"(container "app" in pod "web" is not available)");
  EXPECT_EQ(answer(pod, true), R"(container "app" in pod "web" is not available)");
}

TEST(ContainerChoice, InitAndEphemeralContainersCount) {
  api::Pod pod;
  pod.mutable_spec()->add_containers()->set_name("main");
  pod.mutable_spec()->add_initcontainers()->set_name("init");
  pod.mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon()->set_name("debug");
  for (const char* name : {"main", "init", "debug"}) EXPECT_TRUE(has_container(pod, name)) << name;
  EXPECT_FALSE(has_container(pod, "other"));

  for (auto* status :
       {pod.mutable_status()->add_initcontainerstatuses(), pod.mutable_status()->add_ephemeralcontainerstatuses()}) {
    status->mutable_state()->mutable_running();
  }
  pod.mutable_status()->mutable_initcontainerstatuses(0)->set_name("init");
  pod.mutable_status()->mutable_initcontainerstatuses(0)->set_containerid("cri://i");
  pod.mutable_status()->mutable_ephemeralcontainerstatuses(0)->set_name("debug");
  pod.mutable_status()->mutable_ephemeralcontainerstatuses(0)->set_containerid("cri://d");
  EXPECT_EQ(container_with_logs(pod, "init", false).value_or(""), "cri://i");
  EXPECT_EQ(container_with_logs(pod, "debug", false).value_or(""), "cri://d");
}

}  // namespace
}  // namespace keelson::logs
