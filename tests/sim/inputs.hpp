// Inputs: what befalls a node, chosen at random: what users ask for, what processes do, what breaks.
//
// act() does one thing out of a table of things with weights; end_faults() takes every fault away for good. Each life
// has a mood of its own: it knows only some of the things, and some lives know only faults that are aimed at single
// pods, so that the control pod can be held to its promises. A new kind of input is a row in the table of inputs.cpp
// and a method here (tests/sim/README.md). Owner: Simulation. Thread: the simulation's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "tests/sim/agent.hpp"
#include "tests/sim/ledger.hpp"
#include "tests/sim/world.hpp"

namespace keelson::sim {

// What inputs do to the agent as a whole.
struct AgentControl {
  std::function<SimAgent*()> agent;                    // null while none lives
  std::function<void(std::size_t handlers)> crash_in;  // SIGKILL after so many of its handlers
  std::function<void()> stop;                          // SIGTERM
  std::function<void()> start;
  std::function<void(base::Duration)> pass;  // lets time pass
};

class Inputs {
 public:
  Inputs(World& world, Ledger& ledger, AgentControl control, std::uint64_t seed, int fault_percent);

  void begin();  // what is there from the start
  void act();
  void end_faults();
  // The controller of disks does its part.
  void control_claims();
  // How long until the next act.
  base::Duration pause();

 private:
  struct Row;
  static const Row kRows[];

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }
  void tell(const std::string& text) { world_.story.tell("user", text); }
  // A call of the runtime that has just begun.
  void on_call(base::Duration takes);
  void fill_image(int number);
  std::optional<api::Pod> some_api_pod();
  std::string some_name();
  fakes::ApiFault some_api_fault();
  // A pod that faults may be aimed at; null when there is none.
  PodLife* some_pod();
  fakes::FakeRun run(const std::string& uid, const std::string& name);
  fakes::FakeExec hook(const std::string& about, const std::vector<std::string>& command);
  World::Answer answer(const probes::ProbeKey& key);

  // Users, inputs_users.cpp.
  void create_pod();
  void delete_pod();
  void delete_again();
  void force_delete_pod();
  void edit_pod();
  void resize_pod();
  void debug_pod();
  void set_gate();
  void write_config_map();
  void remove_config_map();
  void write_login();
  void remove_login();
  void grow_claim();
  void write_manifest();
  void write_manifest_again(const std::string& file);
  void remove_manifest();
  void rewrite_same_manifest();
  void control_pod();
  void late_pod();
  void end_control();
  // Processes, the runtime, the disk, inputs.cpp.
  void end_process();
  void runtime_fault();
  void runtime_list_fault();
  void disk_fault();
  void disk_full();
  void clear_faults();
  void runtime_goes();
  void runtime_comes();
  void network_goes();
  void lose_events();
  void note_lost_events();
  void cut_events();
  void probe_trouble();
  void probes_recover();
  void break_sandbox();
  void forget_container();
  void forget_sandbox();
  void image_fault();
  // The API server.
  void api_goes();
  void api_comes();
  void api_fault();
  void api_pod_fault();
  void mirror_conflict();
  void cut_watches();
  void expire_watches();
  // The node.
  void jump_clock();
  void crash_agent();
  void restart_agent();
  void reboot();

  World& world_;
  Ledger& ledger_;
  AgentControl control_;
  base::Random random_;
  int fault_percent_;
  bool quiet_ = false;
  std::vector<const Row*> rows_;  // those that this life knows
  // Probes in trouble: by UID, container and kind; true for those that hang.
  std::map<std::tuple<std::string, std::string, int>, bool> sick_;
};

}  // namespace keelson::sim
