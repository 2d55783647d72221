// The handlers of contract 02 §18, alone and in the life of a pod.
#include "agent/sync/lifecycle_hooks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/pod_maker.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

probes::HttpOutcome answered(int status) {
  probes::HttpOutcome outcome;
  outcome.kind = probes::HttpOutcome::Kind::answered;
  outcome.status = status;
  return outcome;
}

probes::HttpOutcome failed(const std::string& error, bool plain_http = false) {
  probes::HttpOutcome outcome;
  outcome.error = error;
  outcome.plain_http = plain_http;
  return outcome;
}

// A container that runs, and a handler for it.
struct Handlers : ::testing::Test {
  Handlers() {
    cri::PodSandboxConfig sandbox;
    sandbox.metadata = {"pod", "uid", "ns", 0};
    const auto home = world.run(world.cri.run_pod_sandbox(sandbox, ""));
    cri::ContainerConfig config;
    config.metadata = {"main", 0};
    request.container_id = *world.run(world.cri.create_container(*home, config, sandbox));
    EXPECT_TRUE(world.run(world.cri.start_container(request.container_id)).ok());
    request.pod = std::make_shared<const api::Pod>(make_pod({"main"}));
    request.container = make_container("main");
    auto& port = *request.container.add_ports();
    port.set_name("web");
    port.set_containerport(8080);
    request.pod_ips = {"10.88.0.7", "fd00::7"};
  }
  std::string run() {
    const Status done = world.run(world.lifecycle.run(request));
    return done.ok() ? "" : done.error().to_string();
  }
  api::core::HTTPGetAction& http(const std::string& path = "/hook") {
    auto& get = *request.handler.mutable_httpget();
    get.set_path(path);
    get.mutable_port()->set_type(1);
    get.mutable_port()->set_strval("web");
    return get;
  }

  World world;
  HookRequest request;
};

TEST_F(Handlers, ExecSucceedsOrTellsWhatTheCommandSaid) {
  for (const char* word : {"sh", "-c", "exit 3"}) request.handler.mutable_exec()->add_command(word);
  EXPECT_EQ(run(), "");
  world.cri.exec = [](auto&, auto&) { return FakeExec{1h, 3, "out\n", "no \"luck\"\n"}; };
  const auto begun = world.clock.steady_now();
  EXPECT_EQ(
      run(),
      "Exec lifecycle hook ([sh -c exit 3]) for Container \"main\" in Pod \"pod_ns(uid)\" failed - error: command "
      "'sh -c exit 3' exited with 3: no \"luck\"\n, message: \"out\\nno \\\"luck\\\"\\n\"");
  EXPECT_GE(world.clock.steady_now() - begun, 1h) << "there is no time limit";
  world.cri.inject({"exec_sync", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "no shim")});
  EXPECT_EQ(run(),
            "Exec lifecycle hook ([sh -c exit 3]) for Container \"main\" in Pod \"pod_ns(uid)\" failed - error: no "
            "shim, message: \"\"");
}

TEST_F(Handlers, HttpGetAsksThePodAndIgnoresTheStatus) {
  http("/hook?x=1");
  world.hook_http.answer = [](auto&) { return answered(500); };
  EXPECT_EQ(run(), "");
  ASSERT_EQ(world.hook_http.asked.size(), 1u);
  EXPECT_EQ(world.hook_http.asked[0].url.text(), "http://10.88.0.7:8080/hook?x=1");
  EXPECT_EQ(world.hook_http.asked[0].user_agent, "kube-lifecycle/1.36");
  EXPECT_EQ(world.hook_http.asked[0].limit.count(), 0);
  request.handler.mutable_httpget()->set_host("example.com");
  EXPECT_EQ(run(), "");
  EXPECT_EQ(world.hook_http.asked[1].url.text(), "http://example.com:8080/hook?x=1");
}

TEST_F(Handlers, HttpGetFailsWhenNobodyAnswers) {
  http();
  world.hook_http.answer = [](auto&) { return failed("Get \"http://10.88.0.7:8080/hook\": connection refused"); };
  EXPECT_EQ(run(),
            "HTTP lifecycle hook (/hook) for Container \"main\" in Pod \"pod_ns(uid)\" failed - error: Get "
            "\"http://10.88.0.7:8080/hook\": connection refused");
  request.handler.mutable_httpget()->mutable_port()->set_strval("nowhere");
  EXPECT_EQ(run(),
            "HTTP lifecycle hook (/hook) for Container \"main\" in Pod \"pod_ns(uid)\" failed - error: strconv.Atoi: "
            "parsing \"nowhere\": invalid syntax");
  http();
  request.pod_ips.clear();
  EXPECT_EQ(run().substr(0, 40), "HTTP lifecycle hook (/hook) for Containe");
  EXPECT_EQ(world.hook_http.asked.size(), 1u);
}

TEST_F(Handlers, HttpsThatIsAnsweredInPlainHttpIsTriedWithoutTlsAndWithoutAuthorization) {
  auto& get = http();
  get.set_scheme("HTTPS");
  for (const char* name : {"authorization", "X-Other"}) {
    auto& header = *get.add_httpheaders();
    header.set_name(name);
    header.set_value("secret");
  }
  const std::string error = "http: server gave HTTP response to HTTPS client";
  world.hook_http.answer = [&](const probes::HttpGet& asked) {
    return asked.url.scheme == "https" ? failed(error, true) : answered(200);
  };
  EXPECT_EQ(run(), "");
  ASSERT_EQ(world.hook_http.asked.size(), 2u);
  EXPECT_EQ(world.hook_http.asked[0].url.text(), "https://10.88.0.7:8080/hook");
  EXPECT_EQ(world.hook_http.asked[0].headers.size(), 2u);
  EXPECT_EQ(world.hook_http.asked[1].url.text(), "http://10.88.0.7:8080/hook");
  EXPECT_EQ(world.hook_http.asked[1].headers, (probes::HttpHeaders{{"X-Other", "secret"}}));
  EXPECT_EQ(world.lifecycle.http_fallbacks(), 1u);
  EXPECT_THAT(world.events.texts(),
              ElementsAre("W LifecycleHTTPFallback: request to HTTPS lifecycle hook 10.88.0.7:8080 got HTTP response, "
                          "retry with HTTP succeeded"));
  // When that fails, too, the first failure is told, and no event.
  world.events.all.clear();
  world.hook_http.answer = [&](const probes::HttpGet& asked) {
    return asked.url.scheme == "https" ? failed(error, true) : failed("reset by peer");
  };
  EXPECT_NE(run().find("error: " + error), std::string::npos);
  EXPECT_THAT(world.events.texts(), IsEmpty());
}

TEST_F(Handlers, SleepSleepsAndZeroIsAllowed) {
  request.handler.mutable_sleep()->set_seconds(7);
  const auto begun = world.clock.steady_now();
  EXPECT_EQ(run(), "");
  EXPECT_EQ(world.clock.steady_now() - begun, 7s);
  request.handler.mutable_sleep()->set_seconds(0);
  EXPECT_EQ(run(), "");
  EXPECT_EQ(world.clock.steady_now() - begun, 7s);
}

base::Task<void> begin(base::Task<Status> task) { (void)co_await std::move(task); }

TEST_F(Handlers, OnlyASleepThatIsCutShortCountsAsOne) {
  request.handler.mutable_sleep()->set_seconds(7);
  EXPECT_EQ(run(), "");
  EXPECT_EQ(world.lifecycle.short_sleeps(), 0u);
  base::Gate gate(world.loop);
  base::spawn(gate, "hook", begin(world.lifecycle.run(request)));
  world.until([] { return false; }, 3s);
  world.run(gate.stop());
  EXPECT_EQ(world.lifecycle.short_sleeps(), 1u);
}

TEST_F(Handlers, TcpSocketAndNothingAreNoHandlers) {
  EXPECT_EQ(run(), "Cannot run handler: invalid handler");
  request.handler.mutable_tcpsocket()->mutable_port()->set_intval(80);
  EXPECT_EQ(run(), "Cannot run handler: invalid handler");
}

// --- postStart in the life of a pod ---

struct PostStart : ::testing::Test {
  PostStart() {
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.images["image:1"].size = 1;
    brain.start();
    pod.mutable_spec()->mutable_containers(0)->mutable_lifecycle()->mutable_poststart()->mutable_exec()->add_command(
        "greet");
    world.cri.exec = [this](auto&, const std::vector<std::string>& command) { return hooks[command.at(0)]; };
  }
  ~PostStart() override { EXPECT_THAT(world.cri.violations(), IsEmpty()); }
  base::SteadyTime time_of(const std::string& call, const std::string& about) {
    for (const auto& entry : world.cri.calls()) {
      if (entry.name == call && entry.about == about) return entry.at;
    }
    ADD_FAILURE() << "no " << call << " of " << about;
    return {};
  }

  World world;
  Brain brain{world};
  api::Pod pod = make_wanted("u1", {"main", "other"});
  std::map<std::string, FakeExec> hooks;  // by command
};

TEST_F(PostStart, TheNextContainerWaitsForIt) {
  hooks["greet"] = {20s};
  brain.set_pods({pod});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 2; }, 60s));
  EXPECT_GE(time_of("create_container", "u1/other") - time_of("start_container", "u1/main"), 20s);
  EXPECT_EQ(world.cri.count("exec_sync", "u1/main"), 1u);
}

TEST_F(PostStart, AFailureKillsTheContainerAndIsShownWhileItWaits) {
  hooks["greet"] = {1s, 9, "", "no"};
  hooks["bye"] = {2s};
  pod.mutable_spec()->mutable_containers(0)->mutable_lifecycle()->mutable_prestop()->mutable_exec()->add_command("bye");
  brain.set_pods({pod});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 1; }, 60s, 10ms));
  ASSERT_TRUE(world.until([&] { return brain.state("u1", "main") == "waiting PostStartHookError"; }, 5s, 10ms));
  EXPECT_EQ(brain.container("u1", "main")->state().waiting().message(),
            "Exec lifecycle hook ([greet]) for Container \"main\" in Pod \"pod-u1_ns(u1)\" failed - error: command "
            "'greet' exited with 9: no, message: \"no\"");
  EXPECT_EQ(brain.container("u1", "main")->laststate().terminated().exitcode(), 143);
  const auto events = world.events.texts();
  const auto started = std::find(events.begin(), events.end(), "N Started spec.containers{main}: Container started");
  ASSERT_GE(events.end() - started, 3);
  EXPECT_EQ(started[1], "W FailedPostStartHook spec.containers{main}: PostStartHook failed");
  EXPECT_EQ(started[2], "N Killing spec.containers{main}: FailedPostStartHook");
  // The other container runs; this one comes back by its policy, and when its hook succeeds it stays.
  hooks["greet"] = {};
  ASSERT_TRUE(world.until([&] { return brain.container("u1", "main")->restartcount() == 1; }, 60s));
  EXPECT_EQ(world.cri.running("u1"), 2u);
}

TEST_F(PostStart, AFailureEndsAPodThatNeverRestarts) {
  hooks["greet"] = {1s, 9};
  pod = make_wanted("u1", {"main"}, "Never");
  pod.mutable_spec()->mutable_containers(0)->mutable_lifecycle()->mutable_poststart()->mutable_exec()->add_command(
      "greet");
  brain.set_pods({pod});
  ASSERT_TRUE(world.until([&] { return brain.phase("u1") == "Failed"; }, 60s));
  EXPECT_EQ(brain.state("u1", "main"), "terminated Error 143");
  EXPECT_EQ(world.cri.count("start_container"), 1u);
}

TEST_F(PostStart, APodThatIsDeletedMeanwhileEndsAtOnce) {
  hooks["greet"] = {1h};
  brain.set_pods({pod});
  ASSERT_TRUE(world.until([&] { return world.cri.count("exec_sync", "u1/main") == 1; }, 60s));
  brain.set_pods({});
  ASSERT_TRUE(world.until([&] { return brain.worker("u1") == nullptr; }, 5s));
  EXPECT_EQ(world.cri.count("create_container", "u1/other"), 0u);
  EXPECT_THAT(world.events.texts("FailedPostStartHook"), IsEmpty());
}

}  // namespace
}  // namespace keelson::agent::testing
