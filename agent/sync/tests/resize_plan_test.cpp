// What the planner makes of resources that differ from those in force. Source: contract 02 §6.2, §6.3, §8.
#include "agent/sync/resize_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "agent/allocation/tests/resized_pods.hpp"
#include "agent/sync/plan.hpp"
#include "agent/sync/tests/pod_maker.hpp"

namespace keelson::agent {
namespace {

using cri::ContainerState;
using testing::Amounts;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::make_sandbox;
using testing::make_status;
using ::testing::Not;
using testing::resources;
using testing::set_resize_policy;

std::string names(const std::vector<ContainerResize>& list) {
  std::string out;
  for (const ContainerResize& entry : list) {
    out += (out.empty() ? "" : " ") + entry.name;
    if (entry.lower_memory_limit > 0) out += "<" + std::to_string(entry.lower_memory_limit);
  }
  return out;
}

// A pod of containers that run, and what was last put in force for it.
class ResizePlan : public ::testing::Test {
 protected:
  api::Pod pod = testing::make_pod({});
  ObservedPod observed;
  PodAllocation actuated;
  std::map<std::string, ProbeView> probes;
  bool told = false;

  ResizePlan() { observed.sandboxes.push_back(make_sandbox("s0")); }

  api::core::Container& add(const std::string& name, const Amounts& requests, const Amounts& limits = {},
                            ContainerState state = ContainerState::running) {
    auto& container = testing::add_container(pod, name, requests, limits);
    observed.containers.push_back(make_status(name + "0", container, state));
    sort_newest_first(observed);
    actuated.containers[name] = container.resources();
    return container;
  }
  void ask(int index, const Amounts& requests, const Amounts& limits = {}) {
    *pod.mutable_spec()->mutable_containers(index)->mutable_resources() = resources(requests, limits);
  }
  ResizeNeed need(int index) { return resize_need(pod, pod.spec().containers(index), actuated); }
  Plan plan_now() {
    static const RestartBackoff kBackoff;
    static const std::map<std::string, base::SteadyTime> kExits;
    PlanInput input{pod, observed, kBackoff, probes, kExits, base::SteadyTime(std::chrono::hours(1))};
    input.actuated = &actuated;
    input.resize_told = told;
    return plan(input);
  }
  // "kill main0 (message)", "resize memory: a b; cpu: a", "start main".
  std::vector<std::string> steps() {
    std::vector<std::string> out;
    for (const Step& step : plan_now().steps) {
      if (const auto* kill = std::get_if<KillContainer>(&step))
        out.push_back("kill " + kill->id + " (" + kill->message + ")");
      if (const auto* start = std::get_if<StartContainer>(&step))
        out.push_back("start " + container_name(pod, start->container));
      if (std::holds_alternative<CreateSandbox>(step)) out.push_back("sandbox");
      if (std::holds_alternative<KillPod>(step)) out.push_back("kill pod");
      if (const auto* resize = std::get_if<ResizePod>(&step)) {
        out.push_back("resize memory: " + names(resize->memory) + "; cpu: " + names(resize->cpu));
      }
    }
    return out;
  }
};

TEST_F(ResizePlan, ComparesWhatIsAllocatedWithWhatWasPutInForce) {
  const struct {
    const char* what;
    Amounts requests, limits;
    const char* policy_of;  // the resource whose policy is RestartContainer
    ResizeNeed need;
  } rows[] = {
      {"nothing", {{"cpu", "1"}, {"memory", "1Gi"}}, {{"cpu", "2"}, {"memory", "2Gi"}}, "cpu", ResizeNeed::none},
      {"the same in other words",
       {{"cpu", "1000m"}, {"memory", "1024Mi"}},
       {{"cpu", "2"}, {"memory", "2Gi"}},
       "cpu",
       ResizeNeed::none},
      {"a CPU request", {{"cpu", "2"}, {"memory", "1Gi"}}, {{"cpu", "2"}, {"memory", "2Gi"}}, "", ResizeNeed::in_place},
      {"a CPU limit",
       {{"cpu", "1"}, {"memory", "1Gi"}},
       {{"cpu", "3"}, {"memory", "2Gi"}},
       "memory",
       ResizeNeed::in_place},
      {"a memory request",
       {{"cpu", "1"}, {"memory", "2Gi"}},
       {{"cpu", "2"}, {"memory", "2Gi"}},
       "cpu",
       ResizeNeed::in_place},
      {"CPU with its policy",
       {{"cpu", "2"}, {"memory", "1Gi"}},
       {{"cpu", "2"}, {"memory", "2Gi"}},
       "cpu",
       ResizeNeed::restart},
      {"a memory limit with its policy",
       {{"cpu", "1"}, {"memory", "1Gi"}},
       {{"cpu", "2"}, {"memory", "3Gi"}},
       "memory",
       ResizeNeed::restart},
      {"both, one with its policy",
       {{"cpu", "2"}, {"memory", "1Gi"}},
       {{"cpu", "2"}, {"memory", "3Gi"}},
       "memory",
       ResizeNeed::restart},
      {"what cannot be resized",
       {{"cpu", "1"}, {"memory", "1Gi"}, {"ephemeral-storage", "1Gi"}},
       {{"cpu", "2"}, {"memory", "2Gi"}},
       "cpu",
       ResizeNeed::none},
  };
  for (const auto& row : rows) {
    pod = testing::make_pod({});
    observed.containers.clear();
    auto& container = add("main", {{"cpu", "1"}, {"memory", "1Gi"}}, {{"cpu", "2"}, {"memory", "2Gi"}});
    if (*row.policy_of != 0) set_resize_policy(container, row.policy_of, "RestartContainer");
    ask(0, row.requests, row.limits);
    EXPECT_EQ(need(0), row.need) << row.what;
    EXPECT_EQ(resize_unfinished(pod, observed, &actuated), row.need != ResizeNeed::none) << row.what;
  }
}

TEST_F(ResizePlan, AContainerWithoutALimitHasThePods) {
  add("main", {{"cpu", "1"}});
  *pod.mutable_spec()->mutable_resources() = resources({}, {{"cpu", "4"}});
  actuated.pod = resources({}, {{"cpu", "2"}});
  EXPECT_EQ(need(0), ResizeNeed::in_place);
  ask(0, {{"cpu", "1"}}, {{"cpu", "2"}});
  EXPECT_EQ(need(0), ResizeNeed::none) << "its own limit is what it inherited";
  EXPECT_TRUE(resize_unfinished(pod, observed, &actuated)) << "but the pod's own has changed";
}

TEST_F(ResizePlan, NothingDiffersWithoutARecord) {
  add("main", {{"cpu", "1"}});
  ask(0, {{"cpu", "2"}});
  EXPECT_FALSE(resize_unfinished(pod, observed, nullptr));
  actuated.containers.clear();
  EXPECT_EQ(need(0), ResizeNeed::none);
}

TEST_F(ResizePlan, DecreasesStandBeforeIncreasesAndALowerMemoryLimitIsNamed) {
  add("grows", {}, {{"cpu", "1"}, {"memory", "1Ki"}});
  add("shrinks", {}, {{"cpu", "2"}, {"memory", "4Ki"}});
  add("gets one", {});
  add("asks for less", {{"cpu", "2"}, {"memory", "4Ki"}}, {{"cpu", "4"}, {"memory", "8Ki"}});
  add("is down", {{"cpu", "1"}}, {}, ContainerState::exited);
  ask(0, {}, {{"cpu", "2"}, {"memory", "2Ki"}});
  ask(1, {}, {{"cpu", "1"}, {"memory", "3Ki"}});
  ask(2, {}, {{"cpu", "1"}, {"memory", "1Ki"}});
  ask(3, {{"cpu", "1"}, {"memory", "2Ki"}}, {{"cpu", "4"}, {"memory", "8Ki"}});
  ask(4, {{"cpu", "2"}});
  const ResizePod step = resize_step(pod, observed, actuated, {});
  EXPECT_EQ(names(step.memory), "asks for less gets one<1024 shrinks<3072 grows");
  EXPECT_EQ(names(step.cpu), "asks for less gets one shrinks grows");
}

TEST_F(ResizePlan, ARunningContainerIsResizedInPlace) {
  add("main", {{"cpu", "1"}});
  EXPECT_THAT(steps(), IsEmpty());
  ask(0, {{"cpu", "2"}});
  EXPECT_THAT(steps(), ElementsAre("resize memory: ; cpu: main"));
}

TEST_F(ResizePlan, APolicyThatAsksForItRestartsTheContainer) {
  set_resize_policy(add("main", {}, {{"memory", "1Gi"}}), "memory", "RestartContainer");
  add("other", {{"cpu", "1"}});
  ask(0, {}, {{"memory", "2Gi"}});
  ask(1, {{"cpu", "2"}});
  // The pod's cgroup is brought in order between the two.
  EXPECT_THAT(steps(), ElementsAre("kill main0 (Container main resize requires restart)", "resize memory: ; cpu: other",
                                   "start main"));
}

TEST_F(ResizePlan, ASidecarIsResizedToo) {
  auto& sidecar = *pod.mutable_spec()->add_initcontainers();
  sidecar = testing::make_sidecar("side");
  *sidecar.mutable_resources() = resources({{"cpu", "1"}}, {});
  observed.containers.push_back(make_status("side0", sidecar, ContainerState::running));
  add("main", {{"cpu", "1"}});
  actuated.containers["side"] = sidecar.resources();
  *sidecar.mutable_resources() = resources({{"cpu", "2"}}, {});
  EXPECT_THAT(steps(), ElementsAre("resize memory: ; cpu: side"));
  set_resize_policy(sidecar, "cpu", "RestartContainer");
  EXPECT_THAT(steps(), ElementsAre("kill side0 (Container side resize requires restart)", "start side",
                                   "resize memory: ; cpu: "));
}

TEST_F(ResizePlan, APlainInitContainerHasItsResourcesInTheAllocationOnly) {
  auto& init = *pod.mutable_spec()->add_initcontainers();
  init = testing::make_container("init");
  *init.mutable_resources() = resources({{"cpu", "1"}}, {});
  observed.containers.push_back(make_status("init0", init, ContainerState::running));
  actuated.containers["init"] = init.resources();
  testing::add_container(pod, "main", {});
  set_resize_policy(init, "cpu", "RestartContainer");
  *init.mutable_resources() = resources({{"cpu", "2"}}, {});
  EXPECT_THAT(steps(), IsEmpty());
  EXPECT_FALSE(resize_unfinished(pod, observed, &actuated));
}

TEST_F(ResizePlan, OtherReasonsToKillAContainerComeFirst) {
  auto& main = add("main", {{"cpu", "1"}});
  main.mutable_livenessprobe();
  set_resize_policy(main, "cpu", "RestartContainer");
  probes["main0"].liveness = ProbeResult::failure;
  ask(0, {{"cpu", "2"}});
  EXPECT_THAT(steps(), ElementsAre("kill main0 (Container main failed liveness probe, will be restarted)",
                                   "resize memory: ; cpu: ", "start main"));
}

TEST_F(ResizePlan, AResizeThatWasToldIsSeenThroughEvenWithNothingToUpdate) {
  add("main", {{"cpu", "1"}}, {}, ContainerState::exited);
  told = true;
  ask(0, {{"cpu", "2"}});
  // The pod's cgroup first: the container must find the room.
  EXPECT_THAT(steps(), ElementsAre("resize memory: ; cpu: ", "start main"));
  observed.sandboxes.clear();
  EXPECT_THAT(steps(), ElementsAre("kill pod", "sandbox", "resize memory: ; cpu: ", "start main"));
}

TEST_F(ResizePlan, APodThatIsEndedIsNotResized) {
  add("main", {{"cpu", "1"}}, {}, ContainerState::exited);
  pod.mutable_spec()->set_restartpolicy("Never");
  told = true;
  EXPECT_THAT(steps(), ElementsAre("kill pod"));
}

}  // namespace
}  // namespace keelson::agent
