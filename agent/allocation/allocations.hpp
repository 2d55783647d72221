// Allocations: what every pod of this node was allocated, and what was last put in force for it.
//
// Two tables, each with its checkpoint in ROOT. Changes are in memory at once and on the disk soon: one write at a
// time, which takes along whatever was noted meanwhile; saved() waits for it. No container is created and no resize is
// told before its record is on the disk, so that after a crash at any moment the checkpoints say what runs. A
// checkpoint that cannot be read is put aside and its table begins empty: what runs is recorded again from the API's
// copies and from the runtime (allocate(), adopt()). Owner: PodEngine. Thread: the loop. Stops: stop(); what is not on
// the disk by then is as after a crash. What fails: saved(), when the disk takes no writes. Source: contract 02 §8,
// §10.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "agent/allocation/allocation_files.hpp"
#include "agent/allocation/checkpoint.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

class Allocations {
 public:
  // Reads the checkpoints. `plain_init`: see allocation_of().
  Allocations(base::Loop& loop, base::Clock& clock, AllocationFiles& files, bool plain_init, base::Logger log);
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;

  // Null when nothing is recorded.
  const PodAllocation* allocated(const std::string& uid) const { return find(allocated_, uid); }
  const PodAllocation* actuated(const std::string& uid) const { return find(actuated_, uid); }
  bool is_actuated(const std::string& uid, const std::string& container) const;
  // The pod as it is run: with what was allocated to it.
  api::PodPtr allocated_pod(api::PodPtr pod) const;
  // What the pod asks for, as far as it is subject to allocation.
  PodAllocation wanted_by(const api::Pod& pod) const { return allocation_of(pod, plain_init_); }

  // A pod is admitted for the first time since this agent runs: what the checkpoint holds stays; without an entry, what
  // its status says that its containers have (the checkpoint was lost), else what it asks for.
  void admit(const api::Pod& pod);
  void set_allocated(const std::string& uid, PodAllocation allocation);
  // Nothing of the pod runs yet: all of it gets what was allocated. Noted this early, it is on the disk when it must
  // be.
  void set_actuated(const api::Pod& pod);
  // A container of the pod, as it is run, gets these resources now.
  void set_actuated(const api::Pod& pod, const std::string& container, api::core::ResourceRequirements resources);
  // The same for the pod as a whole.
  void set_actuated_pod_level(const api::Pod& pod);
  // A container that runs without a record has what was allocated, corrected by what the runtime says.
  void adopt(const api::Pod& pod, const api::core::Container& container, const cri::ContainerStatus& status);
  // Pods that are not among these are gone.
  void keep_only(const std::set<std::string>& uids);

  // All that was noted until now is on the disk, or why it is not; a failure is tried again with the next call.
  base::Task<Status> saved();
  base::Task<void> stop();

 private:
  struct Table {
    std::string file;
    AllocationTable entries;
    std::uint64_t version = 0;  // of the entries
    std::uint64_t tried = 0;    // by the last write that ended
    std::uint64_t on_disk = 0;  // by the last write that succeeded
    Status problem;             // of the last write
  };

  static const PodAllocation* find(const Table& table, const std::string& uid);
  void load(Table& table);
  void changed(Table& table);
  void write_soon();
  void forget_gone(Table& table, const std::set<std::string>& uids);
  base::Task<void> write_all();
  base::Task<void> write(Table* table);
  base::Task<Status> saved(Table* table);
  base::Task<void> write_later();

  base::Clock& clock_;
  AllocationFiles& files_;
  bool plain_init_;
  base::Logger log_;
  Table allocated_{"allocated_pods_state", {}, 0, 0, 0, {}};
  Table actuated_{"actuated_pods_state", {}, 0, 0, 0, {}};
  bool writing_ = false;
  bool lingering_ = false;
  base::Notification written_;
  base::Gate gate_;
};

}  // namespace keelson::agent
