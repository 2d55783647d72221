// Claims of the simulated cluster: each bound to a volume of its own, which a controller and the node make larger.
//
// A user asks for more, the controller makes the disk larger and raises the PersistentVolume, then hands the rest to
// the node by the claim's status; a controller of old says nothing there. They note what no agent may do: tell a claim
// of a size that its volume does not have, make it smaller, change what is the controller's. They outlive the agents.
// Owner: World. Thread: the simulation's. Source: contract 04 §24.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "volume/manager/cluster.hpp"

namespace keelson::sim {

inline constexpr std::array<const char*, 3> kClaims = {"a", "b", "c"};

// NAME of the volume that a claim leads to, and its device.
std::string pv_of(const std::string& claim);
std::string device_of(const std::string& pv);

class ClaimsOfCluster {
 public:
  using ClaimPtr = volume::VolumeSpec::ClaimPtr;
  using PvPtr = volume::VolumeSpec::PvPtr;
  ClaimsOfCluster();

  std::vector<std::string> violations;
  std::function<void(const std::string&)> tell = [](const std::string&) {};
  bool old_controller = false;

  // --- Users and the controller ---
  // By `gib` more than it asks for now.
  void ask_for_more(const std::string& claim, std::int64_t gib);
  // Does its part, and what the node gave up anew.
  void control(const std::string& claim);
  // Why the node has not done its part yet; empty: it has. For a volume that is mounted.
  std::string lacks(const std::string& claim) const;

  // --- What agents reach ---
  base::Task<Result<ClaimPtr>> claim(std::string ns, std::string name);
  base::Task<Result<PvPtr>> persistent_volume(std::string name);
  base::Task<Result<ClaimPtr>> patch_status(ClaimPtr now, api::core::PersistentVolumeClaim wanted, bool only_unchanged);
  // On the node: the file system gets this many bytes.
  base::Task<Status> expand(std::string pv, std::int64_t bytes);

 private:
  struct Bound {
    api::core::PersistentVolumeClaim claim;
    api::core::PersistentVolume pv;
    std::int64_t disk = 0;  // bytes
    std::int64_t here = 0;  // of the file system, bytes
  };
  static Bound make(const std::string& name);
  void touch(Bound& bound);
  void check(const Bound& bound, const api::core::PersistentVolumeClaim& wanted);

  std::map<std::string, Bound> bound_;  // by the claim's name
  std::uint64_t version_ = 0;
};

}  // namespace keelson::sim
