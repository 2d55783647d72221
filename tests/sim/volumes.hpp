// Volumes of the simulated node: what is mounted there, and the real volume manager of one agent over it.
//
// VolumesOnNode outlives the agents. It notes what no agent may do: mount a volume for a pod that is not staged, take a
// device away from under a pod. SimVolumes is an agent's PodVolumes: VolumeManager with plugins whose operations are
// calls to the world, which take their time, fail, hang, or take effect and lose their answer. Owner: World; an agent's
// shell. Thread: the simulation's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/sync/events.hpp"
#include "agent/sync/pod_resources.hpp"
#include "tests/sim/claims.hpp"
#include "tests/sim/wire.hpp"
#include "volume/manager/manager.hpp"

namespace keelson::sim {

class Disk;

class VolumesOnNode {
 public:
  // By UID and NAME: the device that it shows, empty when it is the pod's own.
  std::map<std::string, std::map<std::string, std::string>> mounts;
  std::set<std::string> staged;       // devices
  std::map<std::string, int> sweeps;  // by UID: how often all of its files went
  std::uint64_t losses = 0;           // mounts that went
  std::vector<std::string> violations;
  std::function<void(const std::string&)> tell = [](const std::string&) {};

  bool any_of(const std::string& uid) const { return mounts.count(uid) > 0; }
  // All that the pod's containers use.
  bool all_of(const api::Pod& pod) const;
  bool shows(const std::string& device) const;

  base::Task<Status> set_up(std::string uid, std::string name, std::string device);
  base::Task<Status> tear_down(std::string uid, std::string name);
  base::Task<Status> stage(std::string device);
  base::Task<Status> unstage(std::string device);
  // Takes off what is the pod's own; anything else is an error.
  base::Task<Status> sweep(std::string uid);
  base::Task<Result<volume::FoundVolumes>> find();
  base::Task<Result<std::vector<volume::DeviceOrder>>> find_devices();
};

class SimVolumes final : public agent::PodVolumes {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    Wire& wire;
    Disk& disk;
    base::Logger log;
  };
  explicit SimVolumes(Base base);
  ~SimVolumes() override;

  // Once the agent's parts are there; they outlive stop().
  void start(base::Gate& gate, agent::EventRecorder& events);
  base::Task<void> stop();
  // All sources of pods have spoken.
  void pods_known();

  base::Task<Result<agent::ResolvedVolumes>> mount(api::PodPtr pod) override;
  base::Task<Status> prepare_sub_path(api::PodPtr pod, agent::SubPathRequest request) override;
  base::Task<Status> unmount(std::string uid) override;

 private:
  class Claims;
  class OnDisk;

  Wire& wire_;
  Disk& disk_;
  agent::EventRecorder* events_ = nullptr;
  std::unique_ptr<Claims> claims_;
  std::unique_ptr<OnDisk> on_disk_;
  std::unique_ptr<volume::VolumeManager> manager_;
};

}  // namespace keelson::sim
