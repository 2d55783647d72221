// Ledger: what has become of every pod of a simulation, as the world saw it.
//
// It is written by the inputs (what a user asked for), by the runtime's happenings and by the API server's changes, and
// read by the invariants. Nothing in it comes from the agent. Owner: Simulation. Thread: the simulation's.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/clock.hpp"
#include "probes/outcome.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::sim {

// The commands of hooks.
inline constexpr char kPostStart[] = "post-start";
inline constexpr char kPreStop[] = "pre-stop";

// One instance of a container.
struct Instance {
  std::string id;
  std::string name;
  std::string sandbox_id;
  std::uint32_t attempt = 0;
  std::string image;
  std::string hash;  // of the definition that it was made from
  int agent = 0;     // number of the agent that made it
  std::optional<base::SteadyTime> created;
  std::optional<base::SteadyTime> started;
  std::optional<base::SteadyTime> exited;
  std::optional<base::SteadyTime> removed;
  std::optional<base::SteadyTime> stop_asked;  // the first SIGTERM
  std::int64_t grace = 0;                      // of the shortest stop that was asked for
  bool stop_tried = false;                     // a StopContainer was sent, whatever became of it
  bool killed = false;                         // by SIGKILL at the end of a grace period, or with its sandbox
  bool forgotten = false;                      // the runtime lost it, by an input
  bool startup_succeeded = false;              // its startup probe, once at least
  bool readiness_succeeded = false;            // likewise
  int exit_code = 0;
  std::string reason;

  bool running() const { return started && !exited && !removed; }
};

// One pod, by UID.
struct PodLife {
  std::string uid;
  std::string name;
  bool is_static = false;
  bool control = false;                         // no fault is aimed at it
  bool late = false;                            // nor at this one, whose pull hangs: only its deadline ends it
  std::optional<base::SteadyTime> start_shown;  // since when the API has its startTime
  std::optional<base::SteadyTime> edited;       // its deadline, the last time
  bool resized = false;                         // once at least
  api::Pod pod;                                 // as the API, or the manifest, has or last had it
  base::SteadyTime since{};                     // wanted from now on
  std::optional<base::SteadyTime> deletion_asked;
  std::int64_t grace = 30;                      // that it has at most, in seconds, once its end was asked for
  std::int64_t first_grace = 0;                 // of the first request to delete it: watches tell of it before the next
  std::optional<base::SteadyTime> gone;         // from its source
  std::optional<base::SteadyTime> left;         // the same, the last time, even if its manifest was put back since
  std::optional<base::SteadyTime> came_back{};  // the last time that its manifest was put back
  bool forced = false;                          // removed from the API by force, while it may still run
  std::optional<base::SteadyTime> ended;        // the API shows a terminal phase
  std::vector<Instance> instances;              // in the order of their creation
  std::map<std::string, bool> sandboxes;        // id -> ready
  std::optional<base::SteadyTime> kill_begun;   // of what runs now
  int post_starts = 0;                          // hooks that the living agent waits for
  bool told_final = false;  // its deletion came after its end was shown: the API server removed it at once

  bool wanted() const { return !gone && !deletion_asked; }
  bool any_running() const;
  // The container in the pod as it is wanted; nullptr when there is none.
  const api::core::Container* container(const std::string& name) const;
  // The runtime forgot a container of a pod whose containers may end for good. It is started anew, even if it had
  // ended; the API does not take a status that shows that (contract 02 §6.4, §15.1).
  bool cannot_be_told() const;
  // A rule of one of its containers may begin all of them anew.
  bool may_restart_all() const;
  bool is_init(const std::string& name) const;  // a plain one
  bool is_sidecar(const std::string& name) const;
  Instance* instance(const std::string& id);
  // The newest of that name; nullptr when there is none.
  const Instance* newest(const std::string& name) const;
  // The one before that.
  const Instance* before(const Instance& instance) const;
};

class Ledger {
 public:
  explicit Ledger(const base::Clock& clock) : clock_(clock) {}

  PodLife& pod(const std::string& uid) { return pods_[uid]; }
  PodLife* find(const std::string& uid);
  const std::map<std::string, PodLife>& pods() const { return pods_; }
  std::map<std::string, PodLife>& pods() { return pods_; }
  // Those that a source wants to run, by name.
  std::vector<PodLife*> wanted();

  void on_runtime(const fakes::FakeCri::Happening& happening);
  void on_api_pod(const std::string& type, const api::Pod& pod);
  void on_manifest(const api::Pod& pod);
  void on_manifest_gone(const std::string& uid);
  // A StopContainer was sent.
  void on_stop_sent(const std::string& container_id);
  // The agent asks what the runtime has.
  void on_listing();
  void on_probed(const probes::ProbeKey& key, bool success);
  // A command of a hook begins or ends, as its agent sees it.
  void on_hook(const std::string& container_id, const std::vector<std::string>& command, bool begins);
  // The runtime is about to lose the pod's containers of that name; empty: all.
  void expect_forgotten(const std::string& uid, const std::string& name);

  void on_agent_started(int number);

  int agents = 0;                                         // that have been started
  std::optional<base::SteadyTime> agent_started;          // the last one
  std::optional<base::SteadyTime> first_listing;          // of the last one
  std::optional<base::SteadyTime> clock_jumped;           // the last time
  std::map<std::string, std::string> pods_of_containers;  // UID by container id

 private:
  const base::Clock& clock_;
  std::map<std::string, PodLife> pods_;
};

bool is_mirror(const api::Pod& pod);
bool is_terminal(const api::Pod& pod);

}  // namespace keelson::sim
