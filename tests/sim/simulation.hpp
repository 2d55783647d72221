// Simulation: one run: a world, one agent after another, random inputs, and what must hold.
//
// play() lets inputs and time pass for so many steps, then ends all faults and waits until everything has settled; it
// answers what was violated, if anything. The same options give the same story, line by line. Owner: main() or a test.
// Thread: the caller's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/agent.hpp"
#include "tests/sim/inputs.hpp"
#include "tests/sim/invariant.hpp"
#include "tests/sim/ledger.hpp"
#include "tests/sim/world.hpp"

namespace keelson::sim {

struct Options {
  std::uint64_t seed = 1;
  int steps = 0;  // inputs; 0: by chance
  int fault_percent = 45;
  std::function<void(std::string_view)> print;  // set: gets the story as it happens
};

struct Outcome {
  std::string invariant;  // empty: all held
  std::string violation;
  std::string reason;
  std::uint64_t hash = 0;   // of the story
  std::uint64_t lines = 0;  // of it
  base::Duration virtual_time{};
  std::uint64_t handlers = 0;
  std::uint64_t agents = 0;
  std::vector<std::string> last;  // lines before the violation
};

class Simulation {
 public:
  explicit Simulation(Options options);
  ~Simulation();
  Outcome play();

 private:
  void listen();
  AgentControl control();
  void start_agent();
  void stop_agent();
  void crash_now(const std::string& how);

  // Lets one handler run: false when nothing is ready.
  bool turn();
  void run_for(base::Duration duration);
  // Runs until `condition` holds, at most so long; whether it came to hold.
  bool run_until(const std::function<bool()>& condition, base::Duration limit);
  bool failed() const { return !failure_.invariant.empty(); }
  void collect_violations();
  void fail(std::string_view invariant, std::string text, std::string_view reason = {});
  bool end_by_itself();
  void settle();
  void come_to_rest();
  bool changed_lately() const;
  bool lost_its_sandbox(const PodLife& pod) const;
  bool settled();
  std::string why_unsettled();

  Options options_;
  base::Random chance_;  // whose turn it is
  World& world_;
  Ledger ledger_;
  Inputs inputs_;
  std::vector<std::unique_ptr<Invariant>> invariants_;
  std::unique_ptr<SimAgent> agent_;
  int agents_ = 0;
  std::uint64_t handlers_ = 0;
  std::optional<std::size_t> crash_in_;
  bool faults_stopped_ = false;
  Outcome failure_;
};

}  // namespace keelson::sim
