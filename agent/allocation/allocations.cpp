#include "agent/allocation/allocations.hpp"

#include <algorithm>
#include <cstdlib>

#include "agent/status/resources_status.hpp"
#include "agent/sync/containers.hpp"
#include "api/quantity.hpp"

namespace keelson::agent {
namespace {

using api::core::ResourceRequirements;

// Entries of pods that are gone harm nobody: their removal waits for company.
constexpr auto kLinger = std::chrono::seconds(1);
// The kernel rounds a limit to pages of up to this size; such a difference is no other limit.
constexpr std::int64_t kPageBytes = 64 << 10;

template <class Statuses>
void take_reported(const Statuses& statuses, PodAllocation& allocation) {
  for (const auto& status : statuses) {
    const auto entry = allocation.containers.find(status.name());
    if (entry == allocation.containers.end() || !status.state().has_running() || !status.has_resources()) continue;
    entry->second = status.resources();
  }
}

void ignore_rounding(const ResourceRequirements& wanted, ResourceRequirements& seen) {
  const auto before = wanted.limits().find("memory");
  const auto now = seen.limits().find("memory");
  if (before == wanted.limits().end() || now == seen.limits().end()) return;
  const std::int64_t difference = api::Quantity::of(before->second).value() - api::Quantity::of(now->second).value();
  if (std::abs(difference) < kPageBytes) (*seen.mutable_limits())["memory"] = before->second;
}

}  // namespace

Allocations::Allocations(base::Loop& loop, base::Clock& clock, AllocationFiles& files, bool plain_init,
                         base::Logger log)
    : clock_(clock), files_(files), plain_init_(plain_init), log_(std::move(log)), written_(loop), gate_(loop) {
  load(allocated_);
  load(actuated_);
}

void Allocations::load(Table& table) {
  auto text = files_.load(table.file);
  if (!text.ok() && text.error().kind() == ErrorKind::not_found) return;
  auto entries = text.ok() ? decode_checkpoint(*text) : Result<AllocationTable>(text.error());
  if (entries.ok()) {
    table.entries = std::move(*entries);
    return;
  }
  files_.set_aside(table.file);
  log_.error("A checkpoint of pod resources cannot be read; it is put aside, and what runs is recorded anew",
             {{"file", table.file}, {"err", entries.error()}});
}

const PodAllocation* Allocations::find(const Table& table, const std::string& uid) {
  const auto found = table.entries.find(uid);
  return found == table.entries.end() ? nullptr : &found->second;
}

bool Allocations::is_actuated(const std::string& uid, const std::string& container) const {
  const PodAllocation* record = actuated(uid);
  return record != nullptr && record->containers.count(container) > 0;
}

api::PodPtr Allocations::allocated_pod(api::PodPtr pod) const {
  const PodAllocation* allocation = allocated(pod->metadata().uid());
  return allocation == nullptr ? std::move(pod) : with_allocation(std::move(pod), *allocation);
}

void Allocations::admit(const api::Pod& pod) {
  const std::string& uid = pod.metadata().uid();
  if (allocated(uid) != nullptr) return;
  PodAllocation allocation = wanted_by(pod);
  if (const PodAllocation* running = actuated(uid); running != nullptr) {
    for (const auto& [name, resources] : running->containers) allocation.containers[name] = resources;
    allocation.pod = running->pod;
  } else {
    take_reported(pod.status().containerstatuses(), allocation);
    take_reported(pod.status().initcontainerstatuses(), allocation);
  }
  set_allocated(uid, std::move(allocation));
}

void Allocations::set_allocated(const std::string& uid, PodAllocation allocation) {
  const PodAllocation* before = allocated(uid);
  if (before != nullptr && same_allocation(*before, allocation)) return;
  allocated_.entries[uid] = std::move(allocation);
  changed(allocated_);
}

void Allocations::set_actuated(const api::Pod& pod) {
  PodAllocation allocation = wanted_by(pod);
  const PodAllocation* before = actuated(pod.metadata().uid());
  if (before != nullptr && same_allocation(*before, allocation)) return;
  actuated_.entries[pod.metadata().uid()] = std::move(allocation);
  changed(actuated_);
}

void Allocations::set_actuated(const api::Pod& pod, const std::string& container, ResourceRequirements resources) {
  const std::string& uid = pod.metadata().uid();
  // The pod's cgroup was made for the pod as it is run.
  if (actuated(uid) == nullptr) set_actuated_pod_level(pod);
  auto& containers = actuated_.entries[uid].containers;
  const auto before = containers.find(container);
  if (before != containers.end() && same_resources(before->second, resources)) return;
  containers[container] = std::move(resources);
  changed(actuated_);
}

void Allocations::set_actuated_pod_level(const api::Pod& pod) {
  PodAllocation level;
  if (pod.spec().has_resources()) level.pod = pod.spec().resources();
  const PodAllocation* before = actuated(pod.metadata().uid());
  if (before != nullptr && same_pod_level(*before, level)) return;
  actuated_.entries[pod.metadata().uid()].pod = std::move(level.pod);
  changed(actuated_);
}

void Allocations::adopt(const api::Pod& pod, const api::core::Container& container,
                        const cri::ContainerStatus& status) {
  ResourceRequirements seen = resources_in_force(container.resources(), status);
  ignore_rounding(container.resources(), seen);
  set_actuated(pod, container.name(), std::move(seen));
}

void Allocations::keep_only(const std::set<std::string>& uids) {
  forget_gone(allocated_, uids);
  forget_gone(actuated_, uids);
}

void Allocations::forget_gone(Table& table, const std::set<std::string>& uids) {
  const auto gone = std::erase_if(table.entries, [&](const auto& entry) { return uids.count(entry.first) == 0; });
  // What could not be written is written now, or with the next look: nobody may come to need it for long.
  if (gone == 0 && table.problem.ok()) return;
  ++table.version;
  if (writing_ || lingering_ || gate_.stopping()) return;
  lingering_ = true;
  base::spawn(gate_, "checkpoints of pods that are gone", write_later());
}

void Allocations::changed(Table& table) {
  ++table.version;
  write_soon();
}

void Allocations::write_soon() {
  if (writing_ || gate_.stopping()) return;
  writing_ = true;
  base::spawn(gate_, "checkpoints", write_all());
}

base::Task<void> Allocations::write_later() {
  co_await clock_.sleep_for(kLinger);
  lingering_ = false;
  write_soon();
}

base::Task<void> Allocations::write_all() {
  // One that failed is not tried again before somebody needs it.
  while (allocated_.tried < allocated_.version || actuated_.tried < actuated_.version) {
    if (allocated_.tried < allocated_.version) co_await write(&allocated_);
    if (actuated_.tried < actuated_.version) co_await write(&actuated_);
  }
  writing_ = false;
}

base::Task<void> Allocations::write(Table* table) {
  const std::uint64_t version = table->version;
  Status done = co_await files_.save(table->file, encode_checkpoint(table->entries));
  if (!done.ok() && table->problem.ok()) {
    log_.error("The resources of pods cannot be recorded", {{"file", table->file}, {"err", done.error()}});
  }
  table->tried = version;
  if (done.ok()) table->on_disk = version;
  table->problem = std::move(done);
  written_.notify();
}

base::Task<Status> Allocations::saved() {
  KEELSON_CO_TRY(co_await saved(&allocated_));
  co_return co_await saved(&actuated_);
}

base::Task<Status> Allocations::saved(Table* table) {
  const std::uint64_t wanted = table->version;
  if (table->on_disk == wanted) co_return Status();
  // The last try failed: one more.
  if (!writing_ && table->tried == wanted) --table->tried;
  write_soon();
  while (table->tried < wanted) co_await written_.wait();
  if (table->on_disk >= wanted) co_return Status();
  co_return table->problem.error().wrap("while recording the resources of pods");
}

base::Task<void> Allocations::stop() { co_await gate_.stop(); }

}  // namespace keelson::agent
