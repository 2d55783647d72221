// Lives of a node, played by the hundred: what must hold, holds. KEELSON_SIM_SEEDS says how many (counted from 1),
// KEELSON_SIM_JOBS how many at once.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "tests/sim/runner.hpp"

namespace keelson::sim {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Simulation, HoldsWhateverHappens) {
  Plan plan;
  plan.seeds = {1, number_from("KEELSON_SIM_SEEDS", 100)};
  plan.jobs = static_cast<int>(number_from("KEELSON_SIM_JOBS", std::max(1u, std::thread::hardware_concurrency())));
  plan.keep_going = true;
  for (const Failure& failure : play_all(plan)) {
    ADD_FAILURE() << failure.text << "\n  play it again: keelson-sim --seed " << failure.seed;
  }
}

TEST(Simulation, PlaysOneSeedAlwaysAlike) {
  Plan plan;
  plan.seeds = {1, 5};
  plan.jobs = 2;
  plan.twice = true;
  std::map<std::uint64_t, std::uint64_t> hashes;
  plan.played = [&](std::uint64_t seed, const Outcome& outcome) { hashes[seed] = outcome.hash; };
  EXPECT_TRUE(play_all(plan).empty());
  // Another process has its memory elsewhere: no order may depend on addresses.
  std::map<std::uint64_t, std::uint64_t> again;
  plan.twice = false;
  plan.played = [&](std::uint64_t seed, const Outcome& outcome) { again[seed] = outcome.hash; };
  EXPECT_TRUE(play_all(plan).empty());
  EXPECT_EQ(hashes, again);
  EXPECT_EQ(hashes.size(), 5u);
}

}  // namespace
}  // namespace keelson::sim
