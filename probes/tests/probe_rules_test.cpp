#include "probes/probe_rules.hpp"

#include <gtest/gtest.h>

namespace keelson::probes {
namespace {

using namespace std::chrono_literals;
using Life = Sight::Life;

const base::SystemTime kAgent(1000s);

Sight sight(Life life, bool started = false, base::SystemTime started_at = kAgent) {
  Sight out;
  out.life = life;
  out.container_id = life == Life::none ? "" : "c1";
  out.started_at = started_at;
  out.started = started;
  return out;
}

TEST(ProbeRules, HoldAtFirstWhatTheKubeletDoes) {
  struct Row {
    const char* what;
    Kind kind;
    Sight sight;
    std::optional<Verdict> verdict;
  };
  const Sight fresh = sight(Life::running);
  const Sight young = sight(Life::running, true, kAgent - 10s);
  const Sight old = sight(Life::running, false, kAgent - 11s);
  const Sight old_started = sight(Life::running, true, kAgent - 11s);
  const Row rows[] = {
      {"new", Kind::liveness, fresh, Verdict::success},
      {"new", Kind::readiness, fresh, Verdict::failure},
      {"new", Kind::startup, fresh, Verdict::unknown},
      {"created", Kind::readiness, sight(Life::waiting, false, {}), Verdict::failure},
      {"not old enough", Kind::readiness, young, Verdict::failure},
      {"not old enough", Kind::startup, young, Verdict::unknown},
      {"adopted", Kind::liveness, old, std::nullopt},
      {"adopted", Kind::readiness, old, std::nullopt},
      {"adopted", Kind::startup, old, std::nullopt},
      {"adopted and started", Kind::readiness, old_started, std::nullopt},
      {"adopted and started", Kind::startup, old_started, Verdict::success},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(first_verdict(row.kind, row.sight, kAgent), row.verdict) << row.what << " " << to_string(row.kind);
  }
}

TEST(ProbeRules, SayWhenAProbeMayRun) {
  struct Row {
    const char* what;
    Kind kind;
    Sight sight;
    base::Duration running_for;
    bool started;
    bool may;
  };
  const Sight running = sight(Life::running);
  const Row rows[] = {
      {"no container", Kind::liveness, sight(Life::none), 1h, true, false},
      {"created only", Kind::liveness, sight(Life::waiting), 1h, true, false},
      {"ended", Kind::readiness, sight(Life::ended), 1h, true, false},
      {"running", Kind::liveness, running, 5s, true, true},
      {"running", Kind::readiness, running, 5s, true, true},
      {"before its initial delay, in whole seconds", Kind::liveness, running, 4999ms, true, false},
      {"not started", Kind::liveness, running, 1h, false, false},
      {"not started", Kind::readiness, running, 1h, false, false},
      {"not started", Kind::startup, running, 1h, false, true},
      {"started", Kind::startup, running, 1h, true, false},
  };
  api::core::Probe probe;
  probe.set_initialdelayseconds(5);
  for (const Row& row : rows) {
    EXPECT_EQ(ProbeState(probe).may_run(row.kind, row.sight, row.running_for, row.started), row.may)
        << row.what << " " << to_string(row.kind);
  }
}

TEST(ProbeRules, CountResultsInARow) {
  struct Row {
    const char* what;
    Kind kind;
    int success;
    int failure;
    const char* results;   // + success, - failure, n another container
    const char* verdicts;  // of each: + - or . for none, and | once the probe is on hold
  };
  const Row rows[] = {
      {"at once", Kind::readiness, 1, 1, "+-+", "+-+"},
      {"thresholds", Kind::readiness, 2, 3, "+-++---+--+-++", "...+..-......+"},
      {"below the threshold nothing changes", Kind::readiness, 1, 3, "+--+--+", "+..+..+"},
      {"liveness goes on hold when it failed", Kind::liveness, 1, 2, "+--", "+.-|"},
      {"and not when it succeeded", Kind::liveness, 1, 2, "++", "++"},
      {"startup goes on hold at its first success", Kind::startup, 1, 2, "+", "+|"},
      {"and at its failure", Kind::startup, 1, 2, "--", ".-|"},
      {
          "another container begins anew",
          Kind::liveness,
          1,
          3,
          "--n--",
          ".....",
      },
      {"also after a hold", Kind::startup, 1, 2, "--n-+", ".-|..+|"},
  };
  const Sight running = sight(Life::running);
  for (const Row& row : rows) {
    api::core::Probe probe;
    probe.set_successthreshold(row.success);
    probe.set_failurethreshold(row.failure);
    ProbeState state(probe);
    std::string verdicts;
    for (const char result : std::string(row.results)) {
      if (result == 'n') {
        state.begin();
        verdicts += '.';
        continue;
      }
      const auto verdict = state.take(row.kind, result == '+');
      verdicts += !verdict ? '.' : *verdict == Verdict::success ? '+' : '-';
      if (!state.may_run(row.kind, running, 1h, row.kind != Kind::startup)) verdicts += '|';
    }
    EXPECT_EQ(verdicts, row.verdicts) << row.what;
  }
}

}  // namespace
}  // namespace keelson::probes
