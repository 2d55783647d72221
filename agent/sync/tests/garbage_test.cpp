#include "agent/sync/garbage.hpp"

#include <gtest/gtest.h>

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
constexpr base::SystemTime kNow{std::chrono::hours(1000)};

cri::Container dead(const std::string& id, const std::string& uid, const std::string& name, std::int64_t created,
                    cri::ContainerState state = cri::ContainerState::exited) {
  cri::Container container;
  container.id = id;
  container.pod_sandbox_id = "sandbox-" + uid;
  container.metadata.name = name;
  container.state = state;
  container.created_at = created;
  if (!uid.empty()) container.labels["io.kubernetes.pod.uid"] = uid;
  return container;
}

cri::PodSandbox sandbox(const std::string& id, const std::string& uid, cri::SandboxState state, std::int64_t created) {
  cri::PodSandbox out;
  out.id = id;
  out.metadata.uid = uid;
  out.state = state;
  out.created_at = created;
  out.labels["io.kubernetes.pod.uid"] = uid;
  return out;
}

PodFate by_name(const std::string& uid) { return uid == "gone" ? PodFate::gone : PodFate::alive; }

std::string ids(const Garbage& garbage) {
  std::string out;
  for (const auto& container : garbage.containers) out += container.id + " ";
  for (const auto& s : garbage.sandboxes) out += s.id + " ";
  return out;
}

TEST(Garbage, KeepsTheNewestDeadInstanceOfEachContainerOfALivingPod) {
  const std::vector<cri::Container> containers = {dead("a0", "p", "a", 1), dead("a2", "p", "a", 3),
                                                  dead("a1", "p", "a", 2), dead("b0", "p", "b", 1)};
  EXPECT_EQ(ids(choose_garbage(containers, {}, by_name, {}, kNow)), "a0 a1 ");
}

TEST(Garbage, CountsByAttemptsWhereTheRuntimesClockWasSetBack) {
  std::vector<cri::Container> containers = {dead("old", "p", "a", 9), dead("new", "p", "a", 1)};
  containers[1].metadata.attempt = 1;
  EXPECT_EQ(ids(choose_garbage(containers, {}, by_name, {}, kNow)), "old ");
  std::vector<cri::PodSandbox> sandboxes = {sandbox("s0", "p", cri::SandboxState::not_ready, 9),
                                            sandbox("s1", "p", cri::SandboxState::not_ready, 1)};
  sandboxes[1].metadata.attempt = 1;
  EXPECT_EQ(ids(choose_garbage({}, sandboxes, by_name, {}, kNow)), "s0 ");
}

TEST(Garbage, TakesEverythingOfAPodThatIsGoneButWhatRuns) {
  const std::vector<cri::Container> containers = {dead("a0", "gone", "a", 1), dead("a1", "gone", "a", 2),
                                                  dead("r", "gone", "b", 2, cri::ContainerState::running)};
  EXPECT_EQ(ids(choose_garbage(containers, {}, by_name, {}, kNow)), "a0 a1 ");
}

TEST(Garbage, LeavesContainersOfOthersAlone) {
  EXPECT_EQ(ids(choose_garbage({dead("x", "", "a", 1)}, {}, by_name, {}, kNow)), "");
}

TEST(Garbage, SparesWhatIsYoungerThanTheMinimumAge) {
  GarbagePolicy policy;
  policy.minimum_age = 1min;
  const auto now = std::chrono::nanoseconds(kNow.time_since_epoch()).count();
  const std::vector<cri::Container> containers = {dead("old", "gone", "a", now - 120'000'000'000),
                                                  dead("young", "gone", "a", now - 1'000'000'000)};
  EXPECT_EQ(ids(choose_garbage(containers, {}, by_name, policy, kNow)), "old ");
}

TEST(Garbage, KeepsTheOverallLimitByEqualShares) {
  GarbagePolicy policy;
  policy.per_container = 5;
  policy.overall = 2;
  const std::vector<cri::Container> containers = {dead("a0", "p", "a", 1), dead("a1", "p", "a", 2),
                                                  dead("b0", "p", "b", 3), dead("b1", "p", "b", 4)};
  EXPECT_EQ(ids(choose_garbage(containers, {}, by_name, policy, kNow)), "a0 b0 ");
}

TEST(Garbage, RemovesDeadEmptySandboxesButTheNewestOfALivingPod) {
  const auto not_ready = cri::SandboxState::not_ready;
  const std::vector<cri::PodSandbox> sandboxes = {
      sandbox("p-old", "p", not_ready, 1), sandbox("p-new", "p", not_ready, 2), sandbox("q-old", "q", not_ready, 1),
      sandbox("q-ready", "q", cri::SandboxState::ready, 2), sandbox("gone-new", "gone", not_ready, 9)};
  EXPECT_EQ(ids(choose_garbage({}, sandboxes, by_name, {}, kNow)), "gone-new p-old q-old ");
}

TEST(Garbage, KeepsASandboxThatStillHoldsAContainer) {
  const std::vector<cri::PodSandbox> sandboxes = {sandbox("sandbox-p", "p", cri::SandboxState::not_ready, 1),
                                                  sandbox("newer", "p", cri::SandboxState::ready, 2)};
  EXPECT_EQ(ids(choose_garbage({dead("a0", "p", "a", 1)}, sandboxes, by_name, {}, kNow)), "");
}

}  // namespace
}  // namespace keelson::agent
