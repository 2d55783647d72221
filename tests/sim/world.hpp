// World: all that outlives an agent: time, runtime, disk, API server, manifests.
//
// It has a loop of its own; agents reach it over Wires. It tells the story of what it sees and hands each happening to
// who listens (the ledger, from which invariants are checked). Owner: Simulation. Thread: the simulation's.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "probes/outcome.hpp"
#include "tests/sim/disk.hpp"
#include "tests/sim/pod_maker.hpp"
#include "tests/sim/runtime_wire.hpp"
#include "tests/sim/story.hpp"
#include "tests/sim/timeline.hpp"
#include "tests/sim/wire.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::sim {

inline constexpr char kNode[] = "node";
inline constexpr char kNamespace[] = "default";

class World {
 public:
  explicit World(std::uint64_t seed);

  // A manifest is there, has this text from now on, or is gone.
  void put_manifest(const std::string& name, const std::string& json);
  void remove_manifest(const std::string& name);
  // What an agent that reads the directory gets.
  std::vector<api::Pod> manifests() const;

  // The API server cannot be reached, or can be again; by every way that is registered.
  void set_api_down(bool down);
  bool api_down() const { return api_down_; }
  void add_way(fakes::FakeApiTransport* way);
  void remove_way(fakes::FakeApiTransport* way) { ways_.erase(way); }

  // Something is in the way of every pod: the agent, the runtime or the API server as a whole. `until` is when it is
  // over.
  void trouble_until(base::SteadyTime until) { trouble_until_ = std::max(trouble_until_, until); }
  void begin_trouble(const std::string& cause) { troubles_.insert(cause); }
  void end_trouble(const std::string& cause);
  // When the last trouble ended; SteadyTime::max() while there is some.
  base::SteadyTime calm_since() const;

  Timeline timeline;
  Story story{timeline};
  base::Loop loop;
  LoopClock clock{timeline, loop};
  base::Random random;
  base::Gate gate{loop};
  Outside outside{loop, clock, random, gate};
  fakes::FakeCri cri{loop, clock};
  fakes::FakeApi api{loop, clock};
  Disk disk{outside};
  EventFaults event_faults;
  Gates gates;
  base::SteadyTime events_lost{};                  // the last time that some may have been
  std::map<std::string, api::Pod> manifest_files;  // by file name

  // What a process answers to a probe of its.
  struct Answer {
    bool success = true;
    base::Duration takes = std::chrono::milliseconds(1);
  };
  std::function<Answer(const probes::ProbeKey& key)> answer = [](const probes::ProbeKey&) { return Answer(); };
  // Told as it happens: a probe has its answer; a command in a container (a hook) begins and ends, as its agent sees
  // it.
  std::function<void(const probes::ProbeKey& key, bool success)> probed;
  std::function<void(const std::string& container_id, const std::vector<std::string>& command, bool begins)> ran;

 private:
  bool api_down_ = false;
  std::set<std::string> troubles_;
  base::SteadyTime trouble_until_{};
  std::set<fakes::FakeApiTransport*> ways_;  // one at most: that of the living agent
};

}  // namespace keelson::sim
