// SimAgent: one life of the agent: the real parts, from the informers to the status writer, on a loop of their own.
//
// It is wired like agent/wiring/agent.cpp; what differs is only what it is given: wires into the World instead of
// sockets and disks. kill() is SIGKILL: the loop never runs again, and nothing of the agent is destroyed, for a killed
// process runs no destructors; its memory stays until the run's process ends. stop() is SIGTERM. Owner: Simulation.
// Thread: the simulation's.
#pragma once

#include <memory>
#include <string>

#include "agent/wiring/admission_gate.hpp"
#include "agent/wiring/cluster.hpp"
#include "agent/wiring/pod_engine.hpp"
#include "tests/sim/api_wire.hpp"
#include "tests/sim/disk.hpp"
#include "tests/sim/probe_wire.hpp"
#include "tests/sim/runtime_wire.hpp"
#include "tests/sim/world.hpp"

namespace keelson::sim {

class SimAgent {
 public:
  SimAgent(World& world, int number);
  ~SimAgent();

  void start();
  void stop();
  bool stopped() const { return stopped_; }
  static void kill(std::unique_ptr<SimAgent> agent);
  // What has stopped is destroyed; only the shell stays, for calls that still go on in the world.
  static void bury(std::unique_ptr<SimAgent> agent);

  // inotify tells of the manifests.
  void manifests_changed();
  // Lets one handler of its loop run; false when none is ready.
  bool turn() { return sim::turn(loop_); }
  // The text of a failure after which the real agent would have ended itself; empty while there is none.
  const std::string& fatal() const { return fatal_; }

  const std::string& name() const { return name_; }
  // Only while it lives.
  agent::PodEngine& engine() { return *engine_; }
  agent::Cluster& cluster() { return *cluster_; }

 private:
  void build();
  void leave();
  base::Task<void> bring_up();
  base::Task<void> shake_hands();
  base::Task<void> watch_sources();
  base::Task<void> read_manifests(base::Duration delay);
  base::Task<void> shut_down();
  std::unique_ptr<agent::AdmissionGate> make_admission();
  agent::Cluster::Hooks hooks();

  World& world_;
  std::string name_;
  base::Loop loop_;
  LoopClock clock_;
  base::Random random_;
  base::Logger log_;
  Wire wire_;
  RuntimeWire runtime_;
  FilesWire files_;
  CgroupsWire cgroups_;
  AllocationsWire allocations_;
  ImageFilesWire image_files_;
  ProbeWire probes_;
  HookWire hook_http_;
  fakes::FakeApiTransport far_transport_;
  TransportWire transport_;
  std::string fatal_;
  bool stopped_ = false;

  // The agent proper.
  agent::NodeFacts facts_;
  std::unique_ptr<base::Gate> gate_;
  std::unique_ptr<agent::Cluster> cluster_;
  std::unique_ptr<SimVolumes> volumes_;
  std::unique_ptr<agent::RuntimeHooks> lifecycle_;
  std::unique_ptr<agent::PodEngine> engine_;
  std::unique_ptr<agent::AdmissionGate> admission_;
};

}  // namespace keelson::sim
