// Runner: many lives, each in a process of its own, several at once.
//
// A life begins in a process in which nothing lives yet, and one that aborts ends nobody else. Blocks until all are
// over. Owner: main() or a test. Thread: the caller's, which must be the only one of its process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/simulation.hpp"

namespace keelson::sim {

struct Range {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};

struct Failure {
  std::uint64_t seed;
  std::string text;
};

struct Plan {
  Range seeds;
  int jobs = 1;
  int steps = 0;  // 0: by chance
  int fault_percent = 45;
  bool twice = false;                                                      // each life twice: the stories must be equal
  bool keep_going = false;                                                 // after a failure
  std::function<void(std::uint64_t seed, const Outcome& outcome)> played;  // of those that ended by themselves
  std::function<void(const Failure& failure)> failed;                      // as soon as it is known
};

// The failures, in the order in which they came.
std::vector<Failure> play_all(const Plan& plan);

}  // namespace keelson::sim
