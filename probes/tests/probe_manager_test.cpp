#include "probes/probe_manager.hpp"

#include <gtest/gtest.h>

#include "api/int_or_string.hpp"
#include "base/sync.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::probes::testing {
namespace {

using namespace std::chrono_literals;
using Life = Sight::Life;

// Answers as the test says, and keeps when it was asked.
struct FakeTransport final : Transport {
  FakeTransport(base::Loop& the_loop, base::Clock& the_clock) : loop(the_loop), clock(the_clock), bell(the_loop) {}

  base::Task<Attempt> attempt(std::shared_ptr<const Errand> errand) override {
    const base::Duration at = clock.steady_now() - began;
    asked[errand->who.kind].push_back(std::chrono::duration_cast<std::chrono::milliseconds>(at));
    last = errand;
    if (takes > base::Duration::zero()) co_await clock.sleep_for(takes);
    if (hangs.count(errand->who.container) > 0) co_await bell.wait();
    co_return outcome[errand->who.kind];
  }
  std::vector<int> seconds(Kind kind) {
    std::vector<int> out;
    for (const auto at : asked[kind]) out.push_back(static_cast<int>(at / 1s));
    return out;
  }
  std::size_t count(Kind kind) { return asked[kind].size(); }

  base::Loop& loop;
  base::Clock& clock;
  base::SteadyTime began = clock.steady_now();
  base::Notification bell;
  std::map<Kind, std::vector<std::chrono::milliseconds>> asked;
  std::map<Kind, Attempt> outcome = {{Kind::liveness, {Outcome::success, ""}},
                                     {Kind::readiness, {Outcome::success, ""}},
                                     {Kind::startup, {Outcome::success, ""}}};
  base::Duration takes{};
  std::set<std::string> hangs;  // containers
  std::shared_ptr<const Errand> last;
};

const Attempt kFails(Outcome::failure, "no");
const Attempt kErrs(Outcome::unknown, "rpc error", true);

struct ProbeManagerTest : ::testing::Test, ProbeListener {
  ProbeManagerTest() { make(1h); }
  ~ProbeManagerTest() override { stop(); }

  // A manager whose agent has been up for so long.
  void make(base::Duration uptime) {
    stop();
    transport = std::make_unique<FakeTransport>(loop, clock);
    agent_started = clock.now();
    manager = std::make_unique<ProbeManager>(loop, clock, random, agent_started, *transport, *this);
    clock.advance(uptime);
    transport->began = clock.steady_now();
  }
  void stop() {
    if (manager == nullptr) return;
    base::Gate gate(loop);
    base::spawn(gate, "stop", manager->stop());
    base::testing::drain(loop);
    EXPECT_EQ(gate.tasks(), 0u);
  }

  void on_verdict(const ProbeKey& key, Verdict verdict) override {
    const char* said = verdict == Verdict::success ? " +" : verdict == Verdict::failure ? " -" : " ?";
    heard.push_back(std::string(to_string(key.kind)) + said);
    if (on_change) on_change();
  }
  void on_event(const ProbeKey& key, const std::string& reason, const std::string& message) override {
    events.push_back(key.container + " " + reason + ": " + message);
  }

  api::core::Container container(std::initializer_list<Kind> kinds, const std::string& name = "main") {
    api::core::Container out;
    out.set_name(name);
    for (const Kind kind : kinds) *place(out, kind) = probe(1);
    return out;
  }
  static api::core::Probe* place(api::core::Container& container, Kind kind) {
    if (kind == Kind::liveness) return container.mutable_livenessprobe();
    return kind == Kind::readiness ? container.mutable_readinessprobe() : container.mutable_startupprobe();
  }
  static api::core::Probe probe(int period) {
    api::core::Probe probe;
    probe.mutable_handler()->mutable_exec()->add_command("true");
    probe.set_periodseconds(period);
    probe.set_timeoutseconds(1);
    probe.set_successthreshold(1);
    probe.set_failurethreshold(3);
    return probe;
  }

  void watch(const api::core::Container& container) { manager->watch({"uid", "pod", "ns"}, container); }
  void see(Life life, const std::string& id = "c1", const std::string& name = "main") {
    Sight sight;
    sight.life = life;
    sight.container_id = life == Life::none ? "" : id;
    sight.started_at = clock.now();
    sight.pod_ip = "10.0.0.1";
    manager->see("uid", name, sight);
  }
  // As the agent does: the pod's status is computed anew after each change.
  void see_again_after_changes() {
    on_change = [this] { see(Life::running); };
  }
  std::optional<Verdict> verdict(Kind kind, const std::string& name = "main") {
    const auto all = manager->verdicts("uid", name);
    return all ? all->of(kind) : std::nullopt;
  }
  void pass(base::Duration time) { clock.advance(time); }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{7};
  base::SystemTime agent_started{};
  std::unique_ptr<FakeTransport> transport;
  std::unique_ptr<ProbeManager> manager;
  std::vector<std::string> heard;
  std::vector<std::string> events;
  std::function<void()> on_change;
};

TEST_F(ProbeManagerTest, ProbesAtOnceAndEveryPeriod) {
  auto spec = container({Kind::liveness});
  spec.mutable_livenessprobe()->set_periodseconds(10);
  watch(spec);
  see(Life::running);
  pass(35s);
  EXPECT_EQ(transport->seconds(Kind::liveness), (std::vector<int>{0, 10, 20, 30}));
}

TEST_F(ProbeManagerTest, SpreadsTheFirstProbesOfAnAgentThatHasJustStarted) {
  make(0s);
  std::set<int> firsts;
  for (int i = 0; i < 50; ++i) {
    const std::string name = "c" + std::to_string(i);
    auto spec = container({Kind::liveness}, name);
    spec.mutable_livenessprobe()->set_periodseconds(10);
    watch(spec);
    see(Life::running, "id" + name, name);
  }
  pass(10s);
  for (const auto at : transport->asked[Kind::liveness]) firsts.insert(static_cast<int>(at / 1s));
  EXPECT_EQ(transport->count(Kind::liveness), 50u);
  EXPECT_GT(firsts.size(), 8u);
  // An agent that is up for longer than the period does not wait.
  make(10s);
  auto spec = container({Kind::liveness});
  spec.mutable_livenessprobe()->set_periodseconds(10);
  watch(spec);
  see(Life::running, "c2");
  pass(0s);
  EXPECT_EQ(transport->count(Kind::liveness), 1u);
}

TEST_F(ProbeManagerTest, WaitsForTheContainer) {
  watch(container({Kind::liveness}));
  pass(5s);
  see(Life::waiting);
  pass(5s);
  EXPECT_EQ(transport->count(Kind::liveness), 0u);
  EXPECT_EQ(verdict(Kind::liveness), Verdict::success);
  see(Life::running);
  pass(1s);
  EXPECT_EQ(transport->count(Kind::liveness), 1u);
}

TEST_F(ProbeManagerTest, WaitsOutTheInitialDelay) {
  auto spec = container({Kind::liveness});
  spec.mutable_livenessprobe()->set_initialdelayseconds(5);
  watch(spec);
  see(Life::running);
  pass(10s);
  EXPECT_EQ(transport->seconds(Kind::liveness), (std::vector<int>{5, 6, 7, 8, 9, 10}));
}

TEST_F(ProbeManagerTest, CountsTheInitialDelayThroughJumpsOfTheClock) {
  auto spec = container({Kind::liveness});
  spec.mutable_livenessprobe()->set_initialdelayseconds(5);
  watch(spec);
  see(Life::running);
  clock.jump_system(-1h);
  pass(6s);
  EXPECT_EQ(transport->seconds(Kind::liveness), (std::vector<int>{5, 6}));
}

TEST_F(ProbeManagerTest, GatesByTheStartupProbe) {
  transport->outcome[Kind::startup] = kFails;
  auto spec = container({Kind::startup, Kind::liveness, Kind::readiness});
  spec.mutable_startupprobe()->set_failurethreshold(10);
  watch(spec);
  see_again_after_changes();
  see(Life::running);
  pass(3500ms);
  EXPECT_EQ(transport->seconds(Kind::startup), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(transport->count(Kind::liveness) + transport->count(Kind::readiness), 0u);
  EXPECT_EQ(verdict(Kind::startup), Verdict::unknown);
  EXPECT_EQ(verdict(Kind::readiness), Verdict::failure);
  transport->outcome[Kind::startup] = Attempt(Outcome::success, "");
  pass(500ms);
  EXPECT_EQ(verdict(Kind::startup), Verdict::success);
  // The readiness probe follows at once.
  EXPECT_EQ(transport->seconds(Kind::readiness), (std::vector<int>{4}));
  EXPECT_EQ(heard, (std::vector<std::string>{"Startup +", "Readiness +"}));
  pass(5s);
  EXPECT_EQ(transport->seconds(Kind::startup), (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_GE(transport->count(Kind::liveness), 5u);
}

TEST_F(ProbeManagerTest, TellsOfReadinessWhenItChanges) {
  watch(container({Kind::readiness}));
  see_again_after_changes();
  see(Life::running);
  EXPECT_EQ(verdict(Kind::readiness), Verdict::failure);
  pass(1500ms);
  EXPECT_EQ(heard, (std::vector<std::string>{"Readiness +"}));
  transport->outcome[Kind::readiness] = kFails;
  pass(2s);
  EXPECT_EQ(heard.size(), 1u);
  EXPECT_EQ(verdict(Kind::readiness), Verdict::success);
  pass(1s);
  EXPECT_EQ(heard, (std::vector<std::string>{"Readiness +", "Readiness -"}));
  EXPECT_GE(events.size(), 3u);
  EXPECT_EQ(events.front(), "main Unhealthy: Readiness probe failed: no");
}

TEST_F(ProbeManagerTest, AsksAnUnreadyContainerWheneverItIsSeen) {
  auto spec = container({Kind::readiness});
  spec.mutable_readinessprobe()->set_periodseconds(10);
  transport->outcome[Kind::readiness] = kFails;
  watch(spec);
  see(Life::running);
  pass(3s);
  see(Life::running);
  pass(9s);
  EXPECT_EQ(transport->seconds(Kind::readiness), (std::vector<int>{0, 3}));
  pass(1s);  // the period counts from then
  EXPECT_EQ(transport->seconds(Kind::readiness), (std::vector<int>{0, 3, 13}));
  transport->outcome[Kind::readiness] = Attempt(Outcome::success, "");
  pass(10s);
  see(Life::running);
  pass(1s);
  EXPECT_EQ(transport->count(Kind::readiness), 4u);
}

TEST_F(ProbeManagerTest, AsksOnceMoreWhenItIsSeenDuringAnAttempt) {
  auto spec = container({Kind::readiness});
  spec.mutable_readinessprobe()->set_periodseconds(10);
  transport->outcome[Kind::readiness] = kFails;
  transport->takes = 500ms;
  watch(spec);
  see(Life::running);
  pass(100ms);
  for (int i = 0; i < 5; ++i) see(Life::running);
  pass(5s);
  EXPECT_EQ(transport->count(Kind::readiness), 2u);
  EXPECT_EQ(transport->asked[Kind::readiness][1], 500ms);
}

TEST_F(ProbeManagerTest, RestsAfterALivenessFailureUntilThereIsAnotherContainer) {
  transport->outcome[Kind::liveness] = kFails;
  watch(container({Kind::liveness}));
  see(Life::running);
  pass(10s);
  EXPECT_EQ(transport->seconds(Kind::liveness), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(heard, (std::vector<std::string>{"Liveness -"}));
  EXPECT_EQ(verdict(Kind::liveness), Verdict::failure);
  see(Life::ended);
  pass(5s);
  see(Life::running, "c2");
  EXPECT_EQ(verdict(Kind::liveness), Verdict::success);
  pass(5s);
  EXPECT_EQ(transport->count(Kind::liveness), 6u);
  EXPECT_EQ(heard, (std::vector<std::string>{"Liveness -", "Liveness -"}));
}

TEST_F(ProbeManagerTest, KnowsThatAnEndedContainerIsNotReady) {
  watch(container({Kind::readiness}));
  see(Life::running);
  pass(1s);
  EXPECT_EQ(verdict(Kind::readiness), Verdict::success);
  see(Life::ended);
  EXPECT_EQ(verdict(Kind::readiness), Verdict::failure);
  EXPECT_EQ(manager->workers(), 1u);
  see(Life::ended_for_good);
  EXPECT_EQ(manager->workers(), 0u);
  watch(container({Kind::readiness}));
  EXPECT_EQ(manager->workers(), 0u);
}

TEST_F(ProbeManagerTest, IgnoresWhatItHearsOfAContainerThatIsGone) {
  transport->takes = 500ms;
  transport->outcome[Kind::readiness] = Attempt(Outcome::success, "");
  watch(container({Kind::readiness}));
  see(Life::running);
  pass(100ms);
  see(Life::running, "c2");
  pass(410ms);  // the attempt at c1 has ended
  EXPECT_EQ(verdict(Kind::readiness), Verdict::failure);
  EXPECT_TRUE(heard.empty());
  pass(500ms);  // the one that was asked for meanwhile
  EXPECT_EQ(verdict(Kind::readiness), Verdict::success);
  EXPECT_EQ(std::get<ExecAction>(transport->last->action).container_id, "c2");
}

TEST_F(ProbeManagerTest, ThrowsErrorsAway) {
  transport->outcome[Kind::liveness] = kErrs;
  watch(container({Kind::liveness}));
  see(Life::running);
  pass(4500ms);
  EXPECT_EQ(transport->count(Kind::liveness), 15u);  // three tries each
  EXPECT_EQ(verdict(Kind::liveness), Verdict::success);
  EXPECT_EQ(events.size(), 5u);
  EXPECT_EQ(events.front(), "main Unhealthy: Liveness probe errored and resulted in unknown state: rpc error");
  EXPECT_TRUE(heard.empty());
}

TEST_F(ProbeManagerTest, SaysThatAPortIsNotThere) {
  auto spec = container({Kind::readiness});
  spec.mutable_readinessprobe()->clear_handler();
  *spec.mutable_readinessprobe()->mutable_handler()->mutable_tcpsocket()->mutable_port() = api::make_string("web");
  watch(spec);
  see(Life::running);
  pass(0s);
  EXPECT_EQ(events, (std::vector<std::string>{"main Unhealthy: Readiness probe errored and resulted in unknown state: "
                                              "strconv.Atoi: parsing \"web\": invalid syntax"}));
}

TEST_F(ProbeManagerTest, FollowsThePodsAddress) {
  auto spec = container({Kind::readiness});
  spec.mutable_readinessprobe()->clear_handler();
  *spec.mutable_readinessprobe()->mutable_handler()->mutable_tcpsocket()->mutable_port() = api::make_int(80);
  watch(spec);
  see(Life::running);
  pass(0s);
  EXPECT_EQ(std::get<TcpAction>(transport->last->action).host, "10.0.0.1");
  Sight sight;
  sight.life = Life::running;
  sight.container_id = "c1";
  sight.pod_ip = "10.0.0.2";
  manager->see("uid", "main", sight);
  pass(1s);
  EXPECT_EQ(std::get<TcpAction>(transport->last->action).host, "10.0.0.2");
}

TEST_F(ProbeManagerTest, KeepsOthersGoingWhenOneHangs) {
  transport->hangs = {"stuck"};
  watch(container({Kind::liveness}, "stuck"));
  watch(container({Kind::liveness}));
  see(Life::running, "s1", "stuck");
  see(Life::running);
  pass(9500ms);
  EXPECT_EQ(transport->count(Kind::liveness), 11u);
  EXPECT_EQ(manager->workers(), 2u);
}

TEST_F(ProbeManagerTest, MakesGoodOnceWhatALongAttemptMissed) {
  transport->takes = 2500ms;
  watch(container({Kind::liveness}));
  see(Life::running);
  pass(10s);
  std::vector<std::chrono::milliseconds> wanted = {0ms, 2500ms, 5000ms, 7500ms, 10000ms};
  EXPECT_EQ(transport->asked[Kind::liveness], wanted);
  transport->takes = 0s;
  pass(6s);  // and back to the times by the period
  EXPECT_EQ(transport->asked[Kind::liveness].back(), 16000ms);
}

TEST_F(ProbeManagerTest, KeepsTheSpecificationOfItsBeginning) {
  watch(container({Kind::liveness}));
  see(Life::running);
  auto changed = container({Kind::liveness});
  changed.mutable_livenessprobe()->set_periodseconds(100);
  watch(changed);
  pass(3s);
  EXPECT_EQ(transport->count(Kind::liveness), 4u);
  EXPECT_EQ(manager->workers(), 1u);
}

TEST_F(ProbeManagerTest, EndsWorkersAndKeepsWhatTheyFoundUntilForgotten) {
  watch(container({Kind::startup, Kind::liveness, Kind::readiness}));
  see_again_after_changes();
  see(Life::running);
  pass(1s);
  manager->end("uid", "main", Kind::liveness);
  manager->end("uid", "main", Kind::startup);
  const std::size_t before = transport->count(Kind::liveness);
  pass(5s);
  EXPECT_EQ(transport->count(Kind::liveness), before);
  EXPECT_GT(transport->count(Kind::readiness), 4u);
  EXPECT_EQ(verdict(Kind::startup), Verdict::success);
  manager->end_all("uid");
  EXPECT_EQ(manager->workers(), 0u);
  const std::size_t readiness = transport->count(Kind::readiness);
  pass(5s);
  EXPECT_EQ(transport->count(Kind::readiness), readiness);
  EXPECT_EQ(verdict(Kind::readiness), Verdict::success);
  manager->forget("uid");
  EXPECT_FALSE(manager->verdicts("uid", "main").has_value());
  manager->forget("uid");
  manager->end("other", "main", Kind::liveness);
  see(Life::running);
}

TEST_F(ProbeManagerTest, HeedsNoAttemptOfAWorkerThatHasEnded) {
  transport->takes = 500ms;
  transport->outcome[Kind::liveness] = kFails;
  auto spec = container({Kind::liveness});
  spec.mutable_livenessprobe()->set_failurethreshold(1);
  watch(spec);
  see(Life::running);
  pass(100ms);
  manager->forget("uid");
  pass(5s);
  EXPECT_TRUE(heard.empty());
  EXPECT_TRUE(events.empty());
}

TEST_F(ProbeManagerTest, AdoptsWhatAnEarlierAgentHasStarted) {
  struct Row {
    const char* what;
    base::Duration age;  // when the agent began
    bool started;
    std::optional<Verdict> startup;
    std::optional<Verdict> readiness;
  };
  const Row rows[] = {
      {"old and started", 1min, true, Verdict::success, std::nullopt},
      {"old, still starting", 1min, false, std::nullopt, std::nullopt},
      {"young", 10s, true, Verdict::unknown, Verdict::failure},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    make(0s);
    transport->outcome[Kind::readiness] = kFails;
    watch(container({Kind::startup, Kind::liveness, Kind::readiness}));
    Sight sight;
    sight.life = Life::running;
    sight.container_id = "c1";
    sight.started_at = agent_started - row.age;
    sight.started = row.started;
    manager->see("uid", "main", sight);
    EXPECT_EQ(verdict(Kind::startup), row.startup);
    EXPECT_EQ(verdict(Kind::readiness), row.readiness);
    EXPECT_EQ(verdict(Kind::liveness).has_value(), row.age == 10s);
    pass(999ms);
    EXPECT_EQ(transport->count(Kind::startup), row.startup == Verdict::success ? 0u : 1u);
    if (row.startup != Verdict::success) continue;
    EXPECT_EQ(transport->count(Kind::liveness), 1u);
    // Below its threshold a failing probe changes nothing.
    EXPECT_EQ(verdict(Kind::readiness), std::nullopt);
    pass(2s);
    EXPECT_EQ(verdict(Kind::readiness), Verdict::failure);
  }
}

TEST_F(ProbeManagerTest, CountsForTheMetricsPage) {
  watch(container({Kind::liveness, Kind::readiness}));
  see(Life::running);
  transport->takes = 30ms;
  pass(2500ms);
  transport->outcome[Kind::liveness] = kFails;
  transport->outcome[Kind::readiness] = kErrs;
  pass(1s);
  const auto all = manager->metrics();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].key, (ProbeKey{"uid", "main", Kind::liveness}));
  EXPECT_EQ(all[0].pod + " " + all[0].ns, "pod ns");
  EXPECT_EQ(all[0].successful, 3u);
  EXPECT_EQ(all[0].failed, 1u);
  EXPECT_EQ(all[0].duration.counts()[3], 3u);  // up to 50 ms
  EXPECT_NEAR(all[0].duration.sum(), 0.09, 1e-9);
  EXPECT_EQ(all[1].successful, 3u);
  EXPECT_EQ(all[1].failed, 0u);
  manager->end("uid", "main", Kind::liveness);
  EXPECT_EQ(manager->metrics().size(), 1u);
}

TEST_F(ProbeManagerTest, StopsInTheMiddleOfAttempts) {
  transport->hangs = {"main"};
  watch(container({Kind::liveness}));
  see(Life::running);
  pass(1s);
  stop();
  pass(10s);
  EXPECT_EQ(transport->count(Kind::liveness), 1u);
}

}  // namespace
}  // namespace keelson::probes::testing
