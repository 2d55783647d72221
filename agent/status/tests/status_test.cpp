#include "agent/status/status.hpp"

#include <gtest/gtest.h>

#include "agent/status/container_status.hpp"
#include "agent/sync/tests/pod_maker.hpp"

namespace keelson::agent {
namespace {

using cri::ContainerState;
using testing::make_container;
using testing::make_pod;
using testing::make_sandbox;
using testing::make_sidecar;
using testing::make_status;

class PodStatus : public ::testing::Test {
 protected:
  api::Pod pod = make_pod({"a"});
  api::core::PodStatus before;
  ObservedPod observed;
  std::map<std::string, ProbeView> probes;
  std::map<std::string, WaitingReason> waiting;
  std::map<std::string, std::string> termination;
  base::SystemTime now{std::chrono::hours(500'000)};
  bool terminating = false;
  bool stop_signals = false;
  std::vector<std::string> host_ips = {"192.0.2.10"};

  void container(const std::string& id, const api::core::Container& spec, ContainerState state, int code = 0,
                 std::uint32_t attempt = 0) {
    observed.containers.push_back(make_status(id, spec, state, code, attempt));
    sort_newest_first(observed);
  }

  api::core::PodStatus run() {
    StatusInput input{pod, before, observed, probes, waiting, termination};
    input.host_ips = host_ips;
    input.runtime_name = "containerd";
    input.now = now;
    input.agent_started = now;
    input.terminating = terminating;
    input.stopped = terminating;
    input.stop_signals = stop_signals;
    return status(input);
  }

  std::string condition(const std::string& type) {
    const auto result = run();
    for (const auto& condition : result.conditions()) {
      if (condition.type() == type) {
        return condition.status() + " " + condition.reason() + " " + condition.message();
      }
    }
    return "absent";
  }
};

TEST_F(PodStatus, OfANewPodIsPendingWithContainersCreating) {
  const auto result = run();
  EXPECT_EQ(result.phase(), "Pending");
  ASSERT_EQ(result.containerstatuses_size(), 1);
  EXPECT_EQ(result.containerstatuses(0).state().waiting().reason(), "ContainerCreating");
  EXPECT_FALSE(result.containerstatuses(0).started());
  EXPECT_EQ(result.containerstatuses(0).image(), "image:1");
  EXPECT_EQ(result.qosclass(), "BestEffort");
  EXPECT_EQ(result.hostip(), "192.0.2.10");
  EXPECT_EQ(condition("PodReadyToStartContainers"), "False  ");
  EXPECT_EQ(condition("Ready"), "False ContainersNotReady containers with unready status: [a]");
  EXPECT_EQ(condition("Initialized"), "True  ");
  EXPECT_EQ(condition("PodScheduled"), "True  ");
}

TEST_F(PodStatus, WritesConditionsInTheKubeletsOrderAfterForeignOnes) {
  before.add_conditions()->set_type("example.com/gate");
  const auto result = run();
  std::string order;
  for (const auto& condition : result.conditions()) order += condition.type() + " ";
  EXPECT_EQ(order, "example.com/gate PodReadyToStartContainers Initialized Ready ContainersReady PodScheduled ");
}

TEST_F(PodStatus, OfARunningPodIsReadyWithItsAddresses) {
  observed.sandboxes = {make_sandbox("s")};
  container("a0", pod.spec().containers(0), ContainerState::running);
  const auto result = run();
  EXPECT_EQ(result.phase(), "Running");
  EXPECT_TRUE(result.containerstatuses(0).ready());
  EXPECT_EQ(result.containerstatuses(0).containerid(), "containerd://a0");
  EXPECT_EQ(result.containerstatuses(0).imageid(), "sha256:ref");
  EXPECT_EQ(result.podip(), "10.88.0.5");
  EXPECT_EQ(condition("Ready"), "True  ");
}

TEST_F(PodStatus, SortsContainersByNameAndInitContainersBySpec) {
  pod = make_pod({"z", "b"});
  *pod.mutable_spec()->add_initcontainers() = make_container("y");
  *pod.mutable_spec()->add_initcontainers() = make_container("c");
  const auto result = run();
  EXPECT_EQ(result.containerstatuses(0).name(), "b");
  EXPECT_EQ(result.initcontainerstatuses(0).name(), "y");
  EXPECT_EQ(result.containerstatuses(0).state().waiting().reason(), "PodInitializing");
  EXPECT_EQ(result.initcontainerstatuses(0).state().waiting().reason(), "PodInitializing");
}

TEST_F(PodStatus, PhaseFollowsTheContainers) {
  struct Row {
    const char* name;
    const char* policy;
    ContainerState a;
    int a_code;
    ContainerState b;
    int b_code;
    bool terminating;
    const char* phase;
  };
  const auto exited = ContainerState::exited;
  const auto running = ContainerState::running;
  const Row rows[] = {
      {"both run", "Always", running, 0, running, 0, false, "Running"},
      {"one ended", "Always", exited, 0, running, 0, false, "Running"},
      {"both ended and restart", "Always", exited, 0, exited, 1, false, "Running"},
      {"both ended well for good", "Never", exited, 0, exited, 0, false, "Succeeded"},
      {"one failed for good", "Never", exited, 0, exited, 1, false, "Failed"},
      {"one failed, on failure", "OnFailure", exited, 0, exited, 1, false, "Running"},
      {"both well, on failure", "OnFailure", exited, 0, exited, 0, false, "Succeeded"},
      {"ending, all well", "Always", exited, 0, exited, 0, true, "Succeeded"},
      {"ending, one failed", "Always", exited, 0, exited, 137, true, "Failed"},
      {"one never started", "Always", ContainerState::created, 0, running, 0, false, "Pending"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    pod = make_pod({"a", "b"}, row.policy);
    observed = {};
    observed.sandboxes = {make_sandbox("s")};
    container("a0", pod.spec().containers(0), row.a, row.a_code);
    container("b0", pod.spec().containers(1), row.b, row.b_code);
    terminating = row.terminating;
    EXPECT_EQ(run().phase(), row.phase);
  }
}

TEST_F(PodStatus, OfAStaticPodThatIsEndedIsNotForcedToATerminalPhase) {
  (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  observed.sandboxes = {make_sandbox("s")};
  container("a0", pod.spec().containers(0), ContainerState::exited, 1);
  terminating = true;
  EXPECT_EQ(run().phase(), "Running");
}

TEST_F(PodStatus, NeverLeavesATerminalPhase) {
  before.set_phase("Failed");
  before.set_reason("Evicted");
  before.set_message("low on memory");
  container("a0", pod.spec().containers(0), ContainerState::running);
  const auto result = run();
  EXPECT_EQ(result.phase(), "Failed");
  EXPECT_EQ(result.reason(), "Evicted");
  EXPECT_EQ(condition("Ready"), "False PodFailed ");
}

TEST_F(PodStatus, ShowsAFailedStartAsWaitingAndTheLastEndAsLastState) {
  observed.sandboxes = {make_sandbox("s")};
  container("a0", pod.spec().containers(0), ContainerState::exited, 3, 4);
  waiting["a"] = {"CrashLoopBackOff", "back-off 10s"};
  const auto result = run();
  const auto& a = result.containerstatuses(0);
  EXPECT_EQ(a.state().waiting().reason(), "CrashLoopBackOff");
  EXPECT_EQ(a.laststate().terminated().exitcode(), 3);
  EXPECT_EQ(a.restartcount(), 4);
  EXPECT_EQ(result.phase(), "Running");
}

TEST_F(PodStatus, DoesNotShowAnOldFailureOfAContainerThatRunsOrMayNotRestart) {
  waiting["a"] = {"ErrImagePull", "no such host"};
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_TRUE(run().containerstatuses(0).state().has_running());
  pod = make_pod({"a"}, "Never");
  observed = {};
  container("a0", pod.spec().containers(0), ContainerState::exited, 1);
  EXPECT_TRUE(run().containerstatuses(0).state().has_terminated());
}

TEST_F(PodStatus, DoesNotShowAnOldFailureOfAnInitContainerThatIsDoneAndForgotten) {
  auto& init = *pod.mutable_spec()->add_initcontainers();
  init = pod.spec().containers(0);
  init.set_name("setup");
  auto& was = *before.add_initcontainerstatuses();
  was.set_name("setup");
  was.mutable_state()->mutable_terminated()->set_exitcode(0);
  waiting["setup"] = {"RunContainerError", "its start was not answered"};
  container("a0", pod.spec().containers(0), ContainerState::running);
  const auto result = run();
  EXPECT_TRUE(result.initcontainerstatuses(0).state().has_terminated());
  EXPECT_EQ(result.phase(), "Running");
}

TEST_F(PodStatus, RestartCountNeverFalls) {
  auto& was = *before.add_containerstatuses();
  was.set_name("a");
  was.set_restartcount(7);
  container("a0", pod.spec().containers(0), ContainerState::running, 0, 2);
  EXPECT_EQ(run().containerstatuses(0).restartcount(), 7);
}

TEST_F(PodStatus, SaysThatARunningContainerIsLostWhenTheRuntimeForgotIt) {
  auto& was = *before.add_containerstatuses();
  was.set_name("a");
  was.set_restartcount(1);
  was.mutable_state()->mutable_running();
  const auto result = run();
  const auto& a = result.containerstatuses(0);
  EXPECT_TRUE(a.state().has_waiting());
  EXPECT_EQ(a.laststate().terminated().reason(), "ContainerStatusUnknown");
  EXPECT_EQ(a.laststate().terminated().exitcode(), 137);
  EXPECT_EQ(a.restartcount(), 2);
}

TEST_F(PodStatus, AppendsTheTerminationMessageToTheRuntimesAndCutsIt) {
  container("a0", pod.spec().containers(0), ContainerState::exited, 1);
  observed.containers[0].message = "runtime says";
  termination["a0"] = "app says";
  EXPECT_EQ(run().containerstatuses(0).state().terminated().message(), "runtime says: app says");
  termination["a0"] = std::string(20'000, 'x');
  EXPECT_EQ(run().containerstatuses(0).state().terminated().message().size(), 12'288u);
}

TEST_F(PodStatus, IsInitializedOnlyWhenAllInitContainersAreDone) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  *pod.mutable_spec()->add_initcontainers() = make_sidecar("side");
  observed.sandboxes = {make_sandbox("s")};
  container("i0-0", pod.spec().initcontainers(0), ContainerState::running);
  EXPECT_EQ(condition("Initialized"), "False ContainersNotInitialized containers with incomplete status: [i0 side]");
  EXPECT_EQ(run().phase(), "Pending");
  observed.containers.clear();
  container("i0-0", pod.spec().initcontainers(0), ContainerState::exited, 0);
  container("side0", pod.spec().initcontainers(1), ContainerState::running);
  EXPECT_EQ(condition("Initialized"), "True  ");
}

TEST_F(PodStatus, FailsWhenAnInitContainerFailedForGood) {
  pod = make_pod({"a"}, "Never");
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  container("i0-0", pod.spec().initcontainers(0), ContainerState::exited, 1);
  EXPECT_EQ(run().phase(), "Failed");
}

TEST_F(PodStatus, APodThatHasRunIsNotPendingWhileAnInitContainerIsTriedAgain) {
  struct Row {
    const char* what;
    ContainerState init;
    int exit_code;
    bool backs_off;
    bool regular_has_run;
    const char* phase;
  };
  const Row rows[] = {
      {"the first time, failed", ContainerState::exited, 1, false, false, "Pending"},
      {"the first time, backs off", ContainerState::exited, 1, true, false, "Pending"},
      {"in a new sandbox, runs", ContainerState::running, 0, false, true, "Pending"},
      {"in a new sandbox, failed", ContainerState::exited, 1, false, true, "Running"},
      {"in a new sandbox, backs off", ContainerState::exited, 1, true, true, "Running"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    pod = make_pod({"a"});
    *pod.mutable_spec()->add_initcontainers() = make_container("i0");
    observed = {};
    observed.sandboxes = {make_sandbox("s")};
    waiting.clear();
    container("i0-0", pod.spec().initcontainers(0), row.init, row.exit_code);
    if (row.backs_off) waiting["i0"] = {"CrashLoopBackOff", "back-off 10s"};
    if (row.regular_has_run) container("a0", pod.spec().containers(0), ContainerState::exited, 137);
    EXPECT_EQ(run().phase(), row.phase);
  }
}

TEST_F(PodStatus, ASidecarThatIsNotThereYetHoldsBackAPodThatHasNotRunInThisSandbox) {
  struct Row {
    const char* what;
    std::uint32_t sandbox;  // its attempt: the second is newer than the container of the first
    std::optional<ContainerState> sidecar;
    std::optional<ContainerState> regular;
    const char* phase;
  };
  const auto running = ContainerState::running;
  const auto exited = ContainerState::exited;
  const Row rows[] = {
      {"the first time, waits", 0, {}, {}, "Pending"},
      {"the first time, not started", 0, running, {}, "Pending"},
      {"restarted, not started", 0, running, running, "Running"},
      {"restarted, not started, regular backs off", 0, running, exited, "Running"},
      {"in a new sandbox, not started", 1, running, exited, "Pending"},
      {"in a new sandbox, waits", 1, {}, exited, "Pending"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    pod = make_pod({"a"});
    auto& side = *pod.mutable_spec()->add_initcontainers();
    side = make_sidecar("side");
    side.mutable_startupprobe();
    observed = {};
    observed.sandboxes = {make_sandbox("s", row.sandbox)};
    observed.sandboxes[0].created_at = row.sandbox == 0 ? 1000 : 5000;
    if (row.sidecar) container("side0", side, *row.sidecar);
    if (row.regular) container("a0", pod.spec().containers(0), *row.regular, 1);
    EXPECT_EQ(run().phase(), row.phase);
  }
}

TEST_F(PodStatus, APodWhoseContainersAreDoneIsOverThoughTheRuntimeForgotASidecar) {
  pod.mutable_spec()->set_restartpolicy("OnFailure");
  *pod.mutable_spec()->add_initcontainers() = make_sidecar("first");
  container("a0", pod.spec().containers(0), ContainerState::exited, 0);
  EXPECT_EQ(run().phase(), "Succeeded");
}

TEST_F(PodStatus, KeepsAllThatIsKnownOfAnEndThatTheRuntimeForgot) {
  observed.sandboxes = {make_sandbox("s")};
  container("a0", pod.spec().containers(0), ContainerState::exited, 3, 2);
  observed.containers[0].image.image = "docker.io/library/image:1";
  const auto first = run();
  before = first;
  observed.containers.clear();
  EXPECT_EQ(run().containerstatuses(0).SerializeAsString(), first.containerstatuses(0).SerializeAsString());
}

TEST_F(PodStatus, WhatWasSaidOfAnotherContainerIsNotKept) {
  auto& spec = *pod.mutable_spec()->mutable_containers(0);
  spec.mutable_readinessprobe();
  observed.sandboxes = {make_sandbox("s")};
  container("a0", spec, ContainerState::running);
  auto& shown = *before.add_containerstatuses();
  shown.set_name("a");
  shown.set_started(true);
  shown.set_ready(true);
  auto& ready = *before.add_conditions();
  ready.set_type("Ready");
  ready.set_status("True");
  // By the system time, which may have been set back, it began long before the agent.
  shown.set_containerid("containerd://a0");
  EXPECT_TRUE(run().containerstatuses(0).ready());
  shown.set_containerid("containerd://older");
  EXPECT_FALSE(run().containerstatuses(0).ready());
}

TEST_F(PodStatus, OnTheHostNetworkTheFirstAddressesStay) {
  pod.mutable_spec()->set_hostnetwork(true);
  struct Row {
    const char* what;
    std::vector<std::string> before;
    std::vector<std::string> node;
    std::vector<std::string> expected;
  };
  const Row rows[] = {
      {"the first time", {}, {"192.0.2.10", "fd00::1"}, {"192.0.2.10", "fd00::1"}},
      {"another address", {"192.0.2.10"}, {"192.0.2.99"}, {"192.0.2.10"}},
      {"another family too", {"192.0.2.10"}, {"192.0.2.99", "fd00::1"}, {"192.0.2.10", "fd00::1"}},
      {"both others", {"192.0.2.10", "fd00::1"}, {"fd00::2", "192.0.2.99"}, {"192.0.2.10", "fd00::1"}},
      {"none at all", {"192.0.2.10"}, {}, {"192.0.2.10"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    before.clear_podips();
    for (const auto& ip : row.before) before.add_podips()->set_ip(ip);
    host_ips = row.node;
    std::vector<std::string> shown;
    const auto result = run();
    for (const auto& ip : result.podips()) shown.push_back(ip.ip());
    EXPECT_EQ(shown, row.expected);
    EXPECT_EQ(result.podip(), row.expected.front());
  }
}

TEST_F(PodStatus, TakesAnInitContainerThatTheRuntimeForgotForDoneOnceThePodWasInitialized) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  observed.sandboxes = {make_sandbox("s")};
  EXPECT_TRUE(run().initcontainerstatuses(0).state().has_waiting());
  container("a0", pod.spec().containers(0), ContainerState::exited, 1);
  const auto state = run().initcontainerstatuses(0).state();
  EXPECT_EQ(state.terminated().reason(), "Completed");
  EXPECT_EQ(state.terminated().exitcode(), 0);
  EXPECT_EQ(state.terminated().message(),
            "Unable to get init container status from container runtime and pod has been initialized, treat it as "
            "exited normally");
  // What is known of its end is better than a guess.
  auto& was = *before.add_initcontainerstatuses();
  was.set_name("i0");
  was.mutable_state()->mutable_terminated()->set_reason("Completed");
  was.mutable_state()->mutable_terminated()->set_containerid("containerd://i0");
  EXPECT_EQ(run().initcontainerstatuses(0).state().terminated().containerid(), "containerd://i0");
}

// Container a asks for a restart of all by exiting with 42; b runs, i0 is done.
struct RestartOfAll : PodStatus {
  RestartOfAll() {
    pod = make_pod({"a", "b"}, "Never");
    *pod.mutable_spec()->add_initcontainers() = make_container("i0");
    pod.mutable_metadata()->set_generation(3);
    auto& a = *pod.mutable_spec()->mutable_containers(0);
    a.set_restartpolicy("Never");
    auto& rule = *a.add_restartpolicyrules();
    rule.set_action("RestartAllContainers");
    rule.mutable_exitcodes()->set_operator_("In");
    rule.mutable_exitcodes()->add_values(42);
    observed.sandboxes = {make_sandbox("s")};
    container("i0", pod.spec().initcontainers(0), ContainerState::exited, 0);
    container("a0", a, ContainerState::running);
    container("b0", pod.spec().containers(1), ContainerState::running);
    before = run();
  }
  void a_exits(int code) {
    auto& a = *std::find_if(observed.containers.begin(), observed.containers.end(),
                            [](const auto& status) { return status.id == "a0"; });
    a.state = ContainerState::exited;
    a.exit_code = code;
  }
};

TEST_F(RestartOfAll, ItsConditionIsThereWheneverARuleMayAskForIt) {
  EXPECT_EQ(condition("AllContainersRestarting"), "False  ");
  EXPECT_FALSE(run().conditions().rbegin()->has_observedgeneration());
  EXPECT_TRUE(run().conditions(0).has_observedgeneration());
  pod.mutable_spec()->mutable_containers(0)->clear_restartpolicyrules();
  EXPECT_EQ(condition("AllContainersRestarting"), "absent");
}

// Its count would rise with every status, and each would be sent.
TEST_F(RestartOfAll, IsNoneInAPodThatIsBeingEnded) {
  a_exits(42);
  before = run();
  terminating = true;
  observed.containers.clear();
  before = run();
  for (int i = 0; i < 3; ++i) {
    const auto result = run();
    EXPECT_EQ(result.containerstatuses(0).restartcount(), before.containerstatuses(0).restartcount());
    EXPECT_NE(result.containerstatuses(0).laststate().terminated().reason(), "RestartingAllContainers");
    before = result;
  }
}

TEST_F(RestartOfAll, IsShownUntilAllContainersAreGoneAndThenInTheirStates) {
  a_exits(42);
  EXPECT_EQ(condition("AllContainersRestarting"),
            "True RestartAllContainersStarted container exited with restart policy rule");
  EXPECT_EQ(run().phase(), "Running");
  before = run();
  // Some are gone, and with them what asked for it.
  observed.containers.erase(observed.containers.begin(), observed.containers.begin() + 2);
  EXPECT_EQ(condition("AllContainersRestarting").substr(0, 4), "True");
  observed.containers.clear();
  const auto result = run();
  EXPECT_EQ(condition("AllContainersRestarting"), "False  ");
  EXPECT_EQ(result.phase(), "Running") << "all wait, but each has run";
  for (const auto* list : {&result.containerstatuses(), &result.initcontainerstatuses()}) {
    for (const auto& status : *list) {
      EXPECT_EQ(status.state().waiting().reason(), "RestartingAllContainers") << status.name();
      EXPECT_EQ(status.state().waiting().message(), "The container is removed because RestartAllContainers in place");
      EXPECT_EQ(status.laststate().terminated().reason(), "RestartingAllContainers");
      EXPECT_EQ(status.laststate().terminated().exitcode(), 137);
      EXPECT_EQ(status.restartcount(), 1);
    }
  }
  before = result;
  EXPECT_EQ(run().containerstatuses(0).state().waiting().reason(), "PodInitializing");
  EXPECT_EQ(run().containerstatuses(0).restartcount(), 1);
  EXPECT_EQ(run().containerstatuses(0).laststate().terminated().exitcode(), 137);
  // The runtime, which forgot, begins to count at 0.
  container("i0", pod.spec().initcontainers(0), ContainerState::running);
  EXPECT_EQ(run().phase(), "Pending") << "init containers run again";
  EXPECT_EQ(run().initcontainerstatuses(0).restartcount(), 1);
}

TEST_F(RestartOfAll, WithoutInitContainersThePodKeepsRunning) {
  pod.mutable_spec()->clear_initcontainers();
  observed.containers.erase(std::remove_if(observed.containers.begin(), observed.containers.end(),
                                           [](const auto& status) { return status.id == "i0"; }),
                            observed.containers.end());
  a_exits(42);
  before = run();
  observed.containers.clear();
  EXPECT_EQ(run().phase(), "Running");
}

TEST_F(RestartOfAll, AnotherExitCodeEndsTheContainer) {
  a_exits(1);
  EXPECT_EQ(condition("AllContainersRestarting"), "False  ");
  EXPECT_EQ(run().containerstatuses(0).state().terminated().exitcode(), 1);
}

TEST_F(RestartOfAll, IsOverWhenThePodIs) {
  for (const auto& [phase, reason] : {std::pair("Failed", "PodFailed"), std::pair("Succeeded", "PodCompleted")}) {
    before.set_phase(phase);
    EXPECT_EQ(condition("AllContainersRestarting"), "False " + std::string(reason) + " ");
  }
}

TEST_F(PodStatus, ShowsTheStopSignalOnlyWithItsGate) {
  container("a0", pod.spec().containers(0), ContainerState::running);
  observed.containers[0].stop_signal = 29;
  EXPECT_FALSE(run().containerstatuses(0).has_stopsignal());
  stop_signals = true;
  EXPECT_EQ(run().containerstatuses(0).stopsignal(), "SIGUSR1");
  observed.containers[0].stop_signal = 0;
  EXPECT_FALSE(run().containerstatuses(0).has_stopsignal());
}

TEST_F(PodStatus, NeedsStartupAndReadinessProbesToAgree) {
  auto& spec = *pod.mutable_spec()->mutable_containers(0);
  spec.mutable_startupprobe();
  spec.mutable_readinessprobe();
  container("a0", spec, ContainerState::running);
  observed.containers[0].started_at =
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  EXPECT_FALSE(run().containerstatuses(0).started());
  probes["a0"].startup = ProbeResult::success;
  EXPECT_TRUE(run().containerstatuses(0).started());
  EXPECT_FALSE(run().containerstatuses(0).ready());
  probes["a0"].readiness = ProbeResult::success;
  EXPECT_TRUE(run().containerstatuses(0).ready());
}

TEST_F(PodStatus, KeepsTransitionTimesWhileAConditionDoesNotChange) {
  before = run();
  const auto first = before.conditions(2).lasttransitiontime().seconds();
  now += std::chrono::hours(1);
  EXPECT_EQ(run().conditions(2).lasttransitiontime().seconds(), first);
  observed.sandboxes = {make_sandbox("s")};
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(run().conditions(2).lasttransitiontime().seconds(), first + 3600);
}

TEST_F(PodStatus, KeepsTheAddressOfADeadSandbox) {
  observed.sandboxes = {make_sandbox("s")};
  before = run();
  observed.sandboxes[0].state = cri::SandboxState::not_ready;
  observed.sandboxes[0].ips.clear();
  EXPECT_EQ(run().podip(), "10.88.0.5");
}

TEST_F(PodStatus, ChecksReadinessGates) {
  pod.mutable_spec()->add_readinessgates()->set_conditiontype("example.com/gate");
  observed.sandboxes = {make_sandbox("s")};
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(condition("Ready"),
            "False ReadinessGatesNotReady corresponding condition of pod readiness gate \"example.com/gate\" does not "
            "exist.");
  auto& gate = *before.add_conditions();
  gate.set_type("example.com/gate");
  gate.set_status("False");
  EXPECT_EQ(
      condition("Ready"),
      "False ReadinessGatesNotReady the status of pod readiness gate \"example.com/gate\" is not \"True\", but False");
  gate.set_status("True");
  EXPECT_EQ(condition("Ready"), "True  ");
}

TEST_F(PodStatus, OfAFinishedPodEndsWhatNeverEndedVisibly) {
  auto result = run();
  make_final(pod, result);
  EXPECT_EQ(result.phase(), "Failed");
  EXPECT_EQ(result.containerstatuses(0).state().terminated().reason(), "ContainerStatusUnknown");
}

TEST_F(PodStatus, OfAFinishedPodEndsInitContainersAsFarAsTheyHaveBegun) {
  struct Row {
    const char* what;
    std::optional<int> first, second;  // exit codes; none: never begun
    std::vector<std::string> ended;    // by the final status
  };
  const Row rows[] = {
      {"none has begun: the first counts all the same", {}, {}, {"first"}},
      {"the first is done", 0, {}, {}},
      {"the second is done, so the first was, too, and the pod is initialized", {}, 0, {"first", "a"}},
      {"the second failed", 0, 1, {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    pod = make_pod({"a"});
    observed = {};
    for (const char* name : {"first", "second"}) {
      *pod.mutable_spec()->add_initcontainers() = make_container(name);
      const auto code = std::string(name) == "first" ? row.first : row.second;
      if (code) container(name, make_container(name), ContainerState::exited, *code);
    }
    auto result = run();
    make_final(pod, result);
    std::vector<std::string> ended;
    for (const auto* list : {&result.initcontainerstatuses(), &result.containerstatuses()}) {
      for (const auto& status : *list) {
        if (status.state().terminated().reason() == "ContainerStatusUnknown") ended.push_back(status.name());
      }
    }
    EXPECT_EQ(ended, row.ended);
  }
}

}  // namespace
}  // namespace keelson::agent
