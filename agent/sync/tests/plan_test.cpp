#include "agent/sync/plan.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "agent/sync/tests/pod_maker.hpp"

namespace keelson::agent {
namespace {

using cri::ContainerState;
using testing::make_container;
using testing::make_pod;
using testing::make_sandbox;
using testing::make_sidecar;
using testing::make_status;
using namespace std::chrono_literals;

// A pod, what the runtime shows of it, and the plan that follows, as one readable line of steps.
class Planner : public ::testing::Test {
 public:
  api::Pod pod = make_pod({"a"});
  ObservedPod observed;
  RestartBackoff backoff;
  std::map<std::string, ProbeView> probes;
  std::map<std::string, base::SteadyTime> exits;
  base::SteadyTime now{1h};
  bool restart_all = false;

  void sandbox(cri::PodSandboxStatus status) { observed.sandboxes.push_back(std::move(status)); }

  void container(const std::string& id, const api::core::Container& spec, ContainerState state, int code = 0,
                 std::uint32_t attempt = 0) {
    observed.containers.push_back(make_status(id, spec, state, code, attempt));
    if (state == ContainerState::exited) exits[id] = now - 1s;
    sort_newest_first(observed);
  }

  Plan run() { return plan({pod, observed, backoff, probes, exits, now, restart_all}); }

  std::string steps() {
    std::string out;
    for (const Step& step : run().steps) {
      if (!out.empty()) out += ", ";
      out += std::visit([&](const auto& s) { return text(s); }, step);
    }
    return out;
  }

  std::string text(const KillPod& s) { return s.sandbox_changed ? "kill pod (sandbox changed)" : "kill pod"; }
  std::string text(const KillContainer& s) { return "kill " + s.id; }
  std::string text(const RemoveContainer& s) { return "remove " + s.id; }
  std::string text(const CreateSandbox& s) { return "sandbox " + std::to_string(s.attempt); }
  std::string text(const StartContainer& s) {
    return (s.in_backoff ? "backoff " : "start ") + container_name(pod, s.container);
  }
  std::string text(const RestartAllContainers& s) {
    std::string out = "restart all:";
    for (const auto& id : s.remove_ids) out += " " + id;
    return out;
  }
  std::string text(const ResizePod&) { return "resize"; }
};

TEST_F(Planner, MakesASandboxAndStartsAllContainersOfANewPod) {
  pod = make_pod({"a", "b"});
  EXPECT_EQ(steps(), "sandbox 0, start a, start b");
}

TEST_F(Planner, DoesNothingForARunningPod) {
  sandbox(make_sandbox("s0"));
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "");
  EXPECT_EQ(run().sandbox_id, "s0");
}

TEST_F(Planner, StartsAContainerThatWasCreatedButNotStarted) {
  sandbox(make_sandbox("s0"));
  container("a0", pod.spec().containers(0), ContainerState::created);
  EXPECT_EQ(steps(), "start a");
}

TEST_F(Planner, KillsAndStartsAContainerOfUnknownState) {
  sandbox(make_sandbox("s0"));
  container("a0", pod.spec().containers(0), ContainerState::unknown);
  EXPECT_EQ(steps(), "kill a0, start a");
}

TEST_F(Planner, RestartsByPolicy) {
  struct Row {
    const char* policy;
    int exit_code;
    const char* expected;
  };
  const Row rows[] = {
      {"Always", 0, "start a"},    {"Always", 1, "start a"}, {"OnFailure", 0, "kill pod"},
      {"OnFailure", 1, "start a"}, {"Never", 0, "kill pod"}, {"Never", 137, "kill pod"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.policy) + " exit " + std::to_string(row.exit_code));
    pod = make_pod({"a"}, row.policy);
    observed = {};
    sandbox(make_sandbox("s0"));
    container("a0", pod.spec().containers(0), ContainerState::exited, row.exit_code);
    EXPECT_EQ(steps(), row.expected);
  }
}

TEST_F(Planner, LetsAContainersOwnPolicyAndRulesWinOverThePods) {
  pod = make_pod({"a", "b"}, "Never");
  auto& spec = *pod.mutable_spec()->mutable_containers(0);
  spec.set_restartpolicy("Never");
  auto& rule = *spec.add_restartpolicyrules();
  rule.set_action("Restart");
  rule.mutable_exitcodes()->set_operator_("In");
  rule.mutable_exitcodes()->add_values(42);
  sandbox(make_sandbox("s0"));
  container("b0", pod.spec().containers(1), ContainerState::running);
  container("a0", spec, ContainerState::exited, 42);
  EXPECT_EQ(steps(), "start a");
  observed.containers[0].exit_code = 41;
  EXPECT_EQ(steps(), "");
}

TEST_F(Planner, MakesANewSandboxWhenTheOldOneIsNoGood) {
  struct Row {
    const char* name;
    std::function<void(ObservedPod&)> spoil;
    const char* expected;
  };
  const Row rows[] = {
      {"not ready", [](ObservedPod& o) { o.sandboxes[0].state = cri::SandboxState::not_ready; },
       "kill pod (sandbox changed), sandbox 4, start a"},
      {"no address", [](ObservedPod& o) { o.sandboxes[0].ips.clear(); },
       "kill pod (sandbox changed), sandbox 4, start a"},
      {"other network mode", [](ObservedPod& o) { o.sandboxes[0].network_mode = cri::NamespaceMode::node; },
       "kill pod, sandbox 4, start a"},
      {"two ready", [](ObservedPod& o) { o.sandboxes.push_back(make_sandbox("s2", 2)); },
       "kill pod (sandbox changed), sandbox 4, start a"},
      {"no network status", [](ObservedPod& o) { o.sandboxes[0].ips.clear(), o.sandboxes[0].has_network = false; }, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    observed = {};
    sandbox(make_sandbox("s3", 3));
    container("a0", pod.spec().containers(0), ContainerState::running);
    row.spoil(observed);
    EXPECT_EQ(steps(), row.expected);
  }
}

TEST_F(Planner, DoesNotMakeANewSandboxForAPodThatNeverRestarts) {
  pod = make_pod({"a"}, "Never");
  sandbox(make_sandbox("s1", 1, cri::SandboxState::not_ready));
  container("a0", pod.spec().containers(0), ContainerState::exited, 1);
  EXPECT_EQ(steps(), "kill pod");
  EXPECT_FALSE(run().creates_sandbox());
}

TEST_F(Planner, DoesNotStartAgainWhatSucceededUnderOnFailure) {
  pod = make_pod({"a", "b"}, "OnFailure");
  sandbox(make_sandbox("s0", 0, cri::SandboxState::not_ready));
  container("a0", pod.spec().containers(0), ContainerState::exited, 0);
  container("b0", pod.spec().containers(1), ContainerState::exited, 1);
  EXPECT_EQ(steps(), "kill pod (sandbox changed), sandbox 1, start b");
}

TEST_F(Planner, KeepsToAContainersOwnPolicyOverANewSandbox) {
  pod = make_pod({"a", "b", "c"}, "Always");
  pod.mutable_spec()->mutable_containers(0)->set_restartpolicy("Never");
  pod.mutable_spec()->mutable_containers(1)->set_restartpolicy("Never");
  auto& rule = *pod.mutable_spec()->mutable_containers(1)->add_restartpolicyrules();
  rule.set_action("Restart");
  rule.mutable_exitcodes()->set_operator_("In");
  rule.mutable_exitcodes()->add_values(7);
  sandbox(make_sandbox("s0", 0, cri::SandboxState::not_ready));
  container("a0", pod.spec().containers(0), ContainerState::exited, 1);
  container("b0", pod.spec().containers(1), ContainerState::exited, 7);
  container("c0", pod.spec().containers(2), ContainerState::exited, 0);
  EXPECT_EQ(steps(), "kill pod (sandbox changed), sandbox 1, start b, start c");
}

// They may outlive their sandbox, and only their end tells whether they are to run again.
TEST_F(Planner, EndsWhatRunsInADeadSandboxBeforeItDecidesWhatRunsAgain) {
  pod = make_pod({"a", "b"}, "Always");
  pod.mutable_spec()->mutable_containers(0)->set_restartpolicy("Never");
  sandbox(make_sandbox("s0", 0, cri::SandboxState::not_ready));
  container("a0", pod.spec().containers(0), ContainerState::running);
  container("b0", pod.spec().containers(1), ContainerState::running);
  EXPECT_EQ(steps(), "kill pod (sandbox changed)");
  observed.containers.clear();
  container("a0", pod.spec().containers(0), ContainerState::exited, 137);
  container("b0", pod.spec().containers(1), ContainerState::exited, 137);
  EXPECT_EQ(steps(), "kill pod (sandbox changed), sandbox 1, start b");
}

TEST_F(Planner, ReplacesADeadSandboxInOneGoWhereAllRunsAgainAnyway) {
  pod = make_pod({"a"}, "Always");
  sandbox(make_sandbox("s0", 0, cri::SandboxState::not_ready));
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "kill pod (sandbox changed), sandbox 1, start a");
}

TEST_F(Planner, RestartsAContainerWhoseImageChangedWhateverThePolicy) {
  pod = make_pod({"a"}, "Never");
  sandbox(make_sandbox("s0"));
  container("a0", make_container("a", "image:old"), ContainerState::running);
  EXPECT_EQ(steps(), "kill a0, start a");
  const auto kill = std::get<KillContainer>(run().steps[0]);
  EXPECT_EQ(kill.message, "Container a definition changed, will be restarted");
}

TEST_F(Planner, KillsForFailedProbesAndRestartsByPolicy) {
  pod = make_pod({"a", "b"}, "Never");
  pod.mutable_spec()->mutable_containers(0)->mutable_livenessprobe();
  sandbox(make_sandbox("s0"));
  container("a0", pod.spec().containers(0), ContainerState::running);
  container("b0", pod.spec().containers(1), ContainerState::running);
  probes["a0"].liveness = ProbeResult::failure;
  EXPECT_EQ(steps(), "kill a0");
  pod.mutable_spec()->set_restartpolicy("Always");
  EXPECT_EQ(steps(), "kill a0, start a");
  EXPECT_EQ(std::get<KillContainer>(run().steps[0]).message, "Container a failed liveness probe, will be restarted");
  EXPECT_TRUE(std::get<KillContainer>(run().steps[0]).liveness_probe_failed);
}

TEST_F(Planner, RunsInitContainersOneAfterAnother) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  *pod.mutable_spec()->add_initcontainers() = make_container("i1");
  EXPECT_EQ(steps(), "sandbox 0, start i0");
  sandbox(make_sandbox("s0"));
  EXPECT_EQ(steps(), "start i0");
  container("i0-0", pod.spec().initcontainers(0), ContainerState::running);
  EXPECT_EQ(steps(), "");
  observed.containers.clear();
  container("i0-0", pod.spec().initcontainers(0), ContainerState::exited, 0);
  EXPECT_EQ(steps(), "start i1");
  container("i1-0", pod.spec().initcontainers(1), ContainerState::exited, 0);
  EXPECT_EQ(steps(), "start a");
}

TEST_F(Planner, RestartsAFailedInitContainerUnlessThePolicyIsNever) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  sandbox(make_sandbox("s0"));
  container("i0-0", pod.spec().initcontainers(0), ContainerState::exited, 1);
  EXPECT_EQ(steps(), "start i0");
  pod.mutable_spec()->set_restartpolicy("Never");
  EXPECT_EQ(steps(), "kill pod");
}

TEST_F(Planner, LetsAnInitContainersOwnPolicyAndRulesWinOverThePods) {
  struct Row {
    const char* what;
    const char* pod_policy;
    const char* own_policy;
    int rule_code;  // 0: no rule
    int exit_code;
    const char* steps;
  };
  const Row rows[] = {
      {"nothing of its own", "Never", "", 0, 3, "kill pod"},
      {"a rule that matches", "Never", "Never", 3, 3, "start i0"},
      {"a rule that does not", "Never", "Never", 4, 3, "kill pod"},
      {"its policy, pod never", "Never", "OnFailure", 0, 3, "start i0"},
      {"its policy, pod always", "Always", "Never", 0, 3, "kill pod"},
      {"success is success", "Always", "OnFailure", 0, 0, "start a"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    pod = make_pod({"a"}, row.pod_policy);
    observed = {};
    auto& init = *pod.mutable_spec()->add_initcontainers();
    init = make_container("i0");
    if (*row.own_policy != 0) init.set_restartpolicy(row.own_policy);
    if (row.rule_code != 0) {
      auto& rule = *init.add_restartpolicyrules();
      rule.set_action("Restart");
      rule.mutable_exitcodes()->set_operator_("In");
      rule.mutable_exitcodes()->add_values(row.rule_code);
    }
    sandbox(make_sandbox("s0"));
    container("i0", init, ContainerState::exited, row.exit_code);
    EXPECT_EQ(steps(), row.steps);
  }
}

TEST_F(Planner, ASidecarMayAskForARestartOfAllToo) {
  pod = make_pod({"a"}, "Never");
  auto& side = *pod.mutable_spec()->add_initcontainers();
  side = make_sidecar("side");
  auto& rule = *side.add_restartpolicyrules();
  rule.set_action("RestartAllContainers");
  rule.mutable_exitcodes()->set_operator_("In");
  rule.mutable_exitcodes()->add_values(7);
  *pod.mutable_spec()->add_initcontainers() = make_container("i1");
  sandbox(make_sandbox("s0"));
  container("side0", side, ContainerState::exited, 7);
  container("i1-0", pod.spec().initcontainers(1), ContainerState::exited, 0);
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "restart all: a0 i1-0 side0");
  observed.containers.clear();
  container("side0", side, ContainerState::exited, 1);
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "start side") << "another exit code: it is a sidecar";
}

TEST_F(Planner, KeepsOnlyTheNewestDeadInstanceOfAnInitContainer) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  sandbox(make_sandbox("s0"));
  container("i0-0", pod.spec().initcontainers(0), ContainerState::exited, 1, 0);
  container("i0-1", pod.spec().initcontainers(0), ContainerState::exited, 1, 1);
  EXPECT_EQ(steps(), "remove i0-0, start i0");
  EXPECT_FALSE(std::get<RemoveContainer>(run().steps[0]).failure_stops);
}

TEST_F(Planner, StartsInANewSandboxOnlyWhenNoInitContainerOfTheOldOneIsLeft) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  sandbox(make_sandbox("s0", 0, cri::SandboxState::not_ready));
  container("i0-0", pod.spec().initcontainers(0), ContainerState::exited, 0);
  EXPECT_EQ(steps(), "kill pod (sandbox changed), remove i0-0, sandbox 1, start i0");
  EXPECT_TRUE(std::get<RemoveContainer>(run().steps[1]).failure_stops) << "it would pass for done";
}

TEST_F(Planner, PrunesInitContainersWhateverElseIsToDo) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  sandbox(make_sandbox("s0"));
  container("i0-0", pod.spec().initcontainers(0), ContainerState::unknown, 0, 0);
  container("i0-1", pod.spec().initcontainers(0), ContainerState::exited, 1, 1);
  container("i0-2", pod.spec().initcontainers(0), ContainerState::exited, 0, 2);
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "remove i0-1") << "one of unknown state may run";
}

TEST_F(Planner, NamesInitContainersInTheTextsOfTheirKills) {
  struct Row {
    const char* what;
    bool sidecar;
    ContainerState state;
    std::function<void(Planner&)> prepare;
    const char* message;
  };
  const auto nothing = [](Planner&) {};
  const Row rows[] = {
      {"plain, unknown", false, ContainerState::unknown, nothing,
       "Init container is in \"unknown\" state, try killing it before restart"},
      {"sidecar, unknown", true, ContainerState::unknown, nothing,
       "Init container is in \"unknown\" state, try killing it before restart"},
      {"sidecar, startup probe", true, ContainerState::running,
       [](Planner& t) {
         t.pod.mutable_spec()->mutable_initcontainers(0)->mutable_startupprobe();
         t.probes["i"].startup = ProbeResult::failure;
       },
       "Init container i failed startup probe"},
      {"sidecar, liveness probe", true, ContainerState::running,
       [](Planner& t) {
         t.pod.mutable_spec()->mutable_initcontainers(0)->mutable_livenessprobe();
         t.probes["i"].liveness = ProbeResult::failure;
       },
       "Init container i failed liveness probe"},
      {"sidecar, new image", true, ContainerState::running,
       [](Planner& t) { t.pod.mutable_spec()->mutable_initcontainers(0)->set_image("image:2"); },
       "Init container i definition changed"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    pod = make_pod({"a"});
    observed = {};
    probes.clear();
    *pod.mutable_spec()->add_initcontainers() = row.sidecar ? make_sidecar("i") : make_container("i");
    sandbox(make_sandbox("s0"));
    container("i", pod.spec().initcontainers(0), row.state);
    row.prepare(*this);
    std::vector<std::string> messages;
    for (const Step& step : run().steps) {
      if (const auto* kill = std::get_if<KillContainer>(&step)) messages.push_back(kill->message);
    }
    EXPECT_EQ(messages, std::vector<std::string>{row.message});
  }
}

TEST_F(Planner, DoesNotRunPlainInitContainersAgainOnceTheRegularOnesRun) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  sandbox(make_sandbox("s0"));
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "");
}

TEST_F(Planner, DoesNotTakeAContainerMadeForADeadSandboxForASignThatInitIsDone) {
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  sandbox(make_sandbox("s1", 1));
  sandbox(make_sandbox("s0", 0, cri::SandboxState::not_ready));
  container("a0", pod.spec().containers(0), ContainerState::created);
  observed.containers.front().created_at = observed.sandboxes.front().created_at - 1;
  EXPECT_EQ(steps(), "start i0");
  observed.containers.front().created_at = observed.sandboxes.front().created_at;
  EXPECT_EQ(steps(), "start a");
}

TEST_F(Planner, StartsTheNextInitContainerOnlyWhenASidecarHasStarted) {
  *pod.mutable_spec()->add_initcontainers() = make_sidecar("side");
  *pod.mutable_spec()->add_initcontainers() = make_container("i1");
  pod.mutable_spec()->mutable_initcontainers(0)->mutable_startupprobe();
  sandbox(make_sandbox("s0"));
  container("side0", pod.spec().initcontainers(0), ContainerState::running);
  EXPECT_EQ(steps(), "");
  probes["side0"].startup = ProbeResult::success;
  EXPECT_EQ(steps(), "start i1");
}

TEST_F(Planner, RestartsSidecarBeforeNextInitContainer) {
  *pod.mutable_spec()->add_initcontainers() = make_sidecar("side");
  *pod.mutable_spec()->add_initcontainers() = make_container("i1");
  sandbox(make_sandbox("s0"));
  container("side0", pod.spec().initcontainers(0), ContainerState::exited, 1);
  container("i1-0", pod.spec().initcontainers(1), ContainerState::exited, 1);
  EXPECT_EQ(steps(), "start side, start i1");
}

TEST_F(Planner, RestartsASidecarWhileThePodRunsAndNotAfterItsEnd) {
  *pod.mutable_spec()->add_initcontainers() = make_sidecar("side");
  pod.mutable_spec()->set_restartpolicy("Never");
  sandbox(make_sandbox("s0"));
  container("side0", pod.spec().initcontainers(0), ContainerState::exited, 0);
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "start side");
  observed.containers.clear();
  container("side0", pod.spec().initcontainers(0), ContainerState::running);
  container("a0", pod.spec().containers(0), ContainerState::exited, 0);
  EXPECT_EQ(steps(), "kill pod");
}

TEST_F(Planner, StartsAnEphemeralContainerOnceAndNeverAgain) {
  pod.mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon()->set_name("debug");
  sandbox(make_sandbox("s0"));
  container("a0", pod.spec().containers(0), ContainerState::running);
  EXPECT_EQ(steps(), "start debug");
  container("d0", container_of(pod, {ContainerType::ephemeral, 0}), ContainerState::exited, 1);
  EXPECT_EQ(steps(), "");
}

TEST_F(Planner, WaitsForTheBackOffOfAContainerThatKeepsFailing) {
  sandbox(make_sandbox("s0"));
  container("a0", pod.spec().containers(0), ContainerState::exited, 1);
  const std::string key = backoff_key(pod, pod.spec().containers(0));
  EXPECT_EQ(steps(), "start a") << "the first restart is immediate";
  backoff.note_restart(key, exits["a0"], now);
  container("a1", pod.spec().containers(0), ContainerState::exited, 1, 1);
  EXPECT_EQ(steps(), "backoff a");
  const auto waiting = std::get<StartContainer>(run().steps[0]).in_backoff;
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->current, base::Duration(10s));
  EXPECT_EQ(waiting->until, exits["a1"] + 10s);
  now += 10s;
  EXPECT_EQ(steps(), "start a");
}

TEST_F(Planner, RemovesEveryContainerBeforeARestartOfAll) {
  pod = make_pod({"a", "b"}, "Never");
  *pod.mutable_spec()->add_initcontainers() = make_container("i0");
  auto& spec = *pod.mutable_spec()->mutable_containers(0);
  spec.set_restartpolicy("Never");
  auto& rule = *spec.add_restartpolicyrules();
  rule.set_action("RestartAllContainers");
  rule.mutable_exitcodes()->set_operator_("NotIn");
  rule.mutable_exitcodes()->add_values(0);
  sandbox(make_sandbox("s0"));
  container("i0-0", pod.spec().initcontainers(0), ContainerState::exited, 0);
  container("a0", spec, ContainerState::exited, 7);
  container("b0", pod.spec().containers(1), ContainerState::running);
  EXPECT_EQ(steps(), "restart all: b0 i0-0 a0");
  // What asked for it is gone before the rest is: the condition remembers.
  observed.containers.erase(std::remove_if(observed.containers.begin(), observed.containers.end(),
                                           [](const auto& status) { return status.id == "a0"; }),
                            observed.containers.end());
  restart_all = true;
  EXPECT_EQ(steps(), "restart all: b0 i0-0");
  observed.containers.clear();
  EXPECT_EQ(steps(), "start i0");
}

}  // namespace
}  // namespace keelson::agent
