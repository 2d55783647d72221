#include "agent/stats/summary.hpp"

#include <algorithm>

#include "agent/stats/summary_values.hpp"

namespace keelson::stats {
namespace {

const FileSystemReading* file_system(const Snapshot& snapshot, const std::string& path) {
  const auto found = snapshot.file_systems.find(path);
  return found == snapshot.file_systems.end() ? nullptr : &found->second;
}

std::optional<std::uint64_t> sum_of(std::optional<std::uint64_t> a, std::optional<std::uint64_t> b) {
  if (!a && !b) return std::nullopt;
  return a.value_or(0) + b.value_or(0);
}

// --- node ---

GroupStats system_container(const SystemContainer& which, const CgroupReading& group, bool all) {
  GroupStats out;
  out.name = which.name;
  out.start_time = group.made.value_or(group.time);
  out.cpu = cpu_of(group);
  out.memory = memory_of(group);
  if (all) out.io = io_of(group);
  out.swap = swap_of(group);
  return out;
}

std::optional<FsStats> node_fs(const Snapshot& snapshot) {
  const FileSystemReading* system = file_system(snapshot, snapshot.root_directory);
  if (system == nullptr) return std::nullopt;
  FsStats out = room_of(system, snapshot.root.time);
  out.used_bytes = system->used;
  out.inodes_used = system->inodes > system->inodes_free ? system->inodes - system->inodes_free : 0;
  return out;
}

FsStats usage_of(const Snapshot& snapshot, const cri::FilesystemUsage& usage) {
  FsStats out = room_of(file_system(snapshot, usage.mountpoint), time_of(usage.timestamp));
  out.used_bytes = usage.used_bytes;
  out.inodes_used = usage.inodes_used;
  return out;
}

void add_image_fs(const Snapshot& snapshot, NodeStats& node) {
  if (!snapshot.image_fs || snapshot.image_fs->image_filesystems.empty()) return;
  node.image_fs = usage_of(snapshot, snapshot.image_fs->image_filesystems.front());
  node.container_fs = node.image_fs;
  const auto& second = snapshot.image_fs->container_filesystems;
  if (snapshot.split_image_fs && !second.empty()) node.container_fs = usage_of(snapshot, second.front());
}

NodeStats node_of(const Snapshot& snapshot, bool all) {
  NodeStats out;
  out.name = snapshot.node_name;
  for (const SystemContainer& one : snapshot.system) {
    const auto group = snapshot.groups.find(one.cgroup);
    if (group != snapshot.groups.end()) out.system_containers.push_back(system_container(one, group->second, all));
  }
  out.start_time = snapshot.node.started.value_or(base::SystemTime());
  out.cpu = cpu_of(snapshot.root);
  out.memory = memory_of(snapshot.root);
  out.swap = swap_of(snapshot.root);
  if (!all) return out;
  out.io = io_of(snapshot.root);
  if (snapshot.node.network) out.network = network_of(*snapshot.node.network, snapshot.root.time);
  out.fs = node_fs(snapshot);
  add_image_fs(snapshot, out);
  out.rlimit.emplace();
  out.rlimit->time = snapshot.time;
  out.rlimit->max_pid = snapshot.node.max_pid;
  out.rlimit->running = snapshot.node.tasks;
  return out;
}

// --- containers ---

std::optional<FsStats> logs_of(const Snapshot& snapshot, const PodSnapshot& pod, const std::string& container) {
  if (!pod.reading.logs) return std::nullopt;
  const auto usage = pod.reading.logs->containers.find(container);
  if (usage == pod.reading.logs->containers.end()) return std::nullopt;
  FsStats out = room_of(file_system(snapshot, snapshot.root_directory), pod.reading.logs->time);
  out.used_bytes = usage->second.bytes;
  out.inodes_used = usage->second.inodes;
  return out;
}

// Nothing when neither a cgroup nor the runtime knows it any more.
std::optional<ContainerStats> container_of(const Snapshot& snapshot, const PodSnapshot& pod, std::size_t index,
                                           bool all) {
  const ContainerFacts& facts = pod.facts.containers[index];
  const auto known = snapshot.runtime.find(facts.id);
  const cri::ContainerStats* runtime = known == snapshot.runtime.end() ? nullptr : &known->second;
  const CgroupReading* group = nullptr;
  if (const auto& reading = pod.reading.containers[index].group) group = &*reading;
  if (group == nullptr && runtime == nullptr) return std::nullopt;
  ContainerStats out;
  out.name = facts.name;
  out.start_time = facts.created;
  out.cpu = group != nullptr ? cpu_of(*group) : cpu_of(*runtime, snapshot.time);
  out.memory = group != nullptr ? memory_of(*group) : memory_of(*runtime, snapshot.time);
  out.swap = group != nullptr ? swap_of(*group) : swap_of(*runtime, snapshot.time);
  if (!all) return out;
  out.io = group != nullptr ? io_of(*group) : io_of(*runtime, snapshot.time);
  if (runtime != nullptr && runtime->writable_layer) out.rootfs = usage_of(snapshot, *runtime->writable_layer);
  out.logs = logs_of(snapshot, pod, facts.name);
  return out;
}

// --- pods ---

// A pod without a cgroup of its own is what its containers are.
void add_sums(PodStats& pod, const ContainerStats& container, bool all) {
  if (!pod.cpu) pod.cpu.emplace();
  pod.cpu->time = container.cpu->time;
  pod.cpu->usage_nano_cores = sum_of(pod.cpu->usage_nano_cores, container.cpu->usage_nano_cores);
  pod.cpu->usage_core_nano_seconds = sum_of(pod.cpu->usage_core_nano_seconds, container.cpu->usage_core_nano_seconds);
  if (!pod.memory) pod.memory.emplace();
  MemoryStats& memory = *pod.memory;
  memory.time = container.memory->time;
  memory.available_bytes = sum_of(memory.available_bytes, container.memory->available_bytes);
  memory.usage_bytes = sum_of(memory.usage_bytes, container.memory->usage_bytes);
  memory.working_set_bytes = sum_of(memory.working_set_bytes, container.memory->working_set_bytes);
  memory.rss_bytes = sum_of(memory.rss_bytes, container.memory->rss_bytes);
  memory.page_faults = sum_of(memory.page_faults, container.memory->page_faults);
  memory.major_page_faults = sum_of(memory.major_page_faults, container.memory->major_page_faults);
  if (!pod.swap) pod.swap.emplace();
  pod.swap->time = container.swap->time;
  pod.swap->available_bytes = sum_of(pod.swap->available_bytes, container.swap->available_bytes);
  pod.swap->usage_bytes = sum_of(pod.swap->usage_bytes, container.swap->usage_bytes);
  if (!all) return;
  if (!pod.io) pod.io.emplace();
  pod.io->time = container.io->time;
}

void set_group(PodStats& pod, const CgroupReading& group, bool all) {
  pod.cpu = cpu_of(group);
  pod.memory = memory_of(group);
  pod.swap = swap_of(group);
  if (all) pod.io = io_of(group);
}

// Those of containers whose cgroup we know, as the kubelet counts.
std::optional<std::uint64_t> processes_of(const PodReading& pod) {
  std::optional<std::uint64_t> count;
  for (const ContainerReading& one : pod.containers) {
    if (one.group && one.group->processes) count = count.value_or(0) + one.group->processes->count;
  }
  return count;
}

VolumeStats volume_of(const volume::VolumeUsage& usage) {
  const volume::VolumeFigures& figures = usage.measured.figures;
  VolumeStats out;
  out.name = usage.name;
  out.claim = usage.claim;
  out.abnormal = usage.measured.abnormal;
  out.fs.time = usage.time;
  out.fs.available_bytes = static_cast<std::uint64_t>(figures.available);
  out.fs.capacity_bytes = static_cast<std::uint64_t>(figures.capacity);
  out.fs.used_bytes = static_cast<std::uint64_t>(figures.used);
  out.fs.inodes_free = static_cast<std::uint64_t>(figures.inodes_free);
  out.fs.inodes = static_cast<std::uint64_t>(figures.inodes);
  out.fs.inodes_used = static_cast<std::uint64_t>(figures.inodes_used);
  return out;
}

// Ephemeral ones first.
std::vector<VolumeStats> volumes_of(const PodSnapshot& pod) {
  std::vector<VolumeStats> out;
  if (!pod.volumes) return out;
  for (const bool ephemeral : {true, false}) {
    for (const volume::VolumeUsage& one : pod.volumes->volumes) {
      if (one.local_ephemeral == ephemeral) out.push_back(volume_of(one));
    }
  }
  return out;
}

FsStats ephemeral_storage(const Snapshot& snapshot, const PodSnapshot& pod, const PodStats& stats) {
  FsStats out = room_of(file_system(snapshot, snapshot.root_directory), snapshot.root.time);
  const auto add = [&out](const std::optional<FsStats>& one) {
    if (one) add_usage(out, one->used_bytes, one->inodes_used, one->time);
  };
  for (const ContainerStats& container : stats.containers) {
    add(container.rootfs);
    add(container.logs);
  }
  if (pod.volumes) {
    for (const volume::VolumeUsage& one : pod.volumes->volumes) {
      const auto& figures = one.measured.figures;
      if (!one.local_ephemeral) continue;
      add_usage(out, static_cast<std::uint64_t>(figures.used), static_cast<std::uint64_t>(figures.inodes_used),
                one.time);
    }
  }
  if (const auto& logs = pod.reading.logs) {
    add_usage(out, logs->pod.bytes, logs->pod.inodes, logs->time);
    if (logs->hosts_file) add_usage(out, logs->hosts_file->bytes, logs->hosts_file->inodes, logs->time);
  }
  return out;
}

// Nothing when none of its containers is known any more.
std::optional<PodStats> pod_of(const Snapshot& snapshot, const PodSnapshot& pod, bool all) {
  PodStats out;
  for (std::size_t i = 0; i < pod.facts.containers.size(); ++i) {
    if (auto container = container_of(snapshot, pod, i, all)) out.containers.push_back(std::move(*container));
  }
  if (out.containers.empty()) return std::nullopt;
  out.name = pod.facts.name;
  out.ns = pod.facts.ns;
  out.uid = pod.facts.uid;
  out.start_time = pod.facts.sandbox.created;
  if (pod.reading.group) {
    set_group(out, *pod.reading.group, all);
  } else {
    for (const ContainerStats& one : out.containers) add_sums(out, one, all);
  }
  if (!all) return out;
  if (pod.reading.network) out.network = network_of(*pod.reading.network, out.cpu->time);
  out.volumes = volumes_of(pod);
  out.ephemeral_storage = ephemeral_storage(snapshot, pod, out);
  out.process_count = processes_of(pod.reading);
  return out;
}

}  // namespace

Summary make_summary(const Snapshot& snapshot, bool only_cpu_and_memory) {
  Summary out;
  out.node = node_of(snapshot, !only_cpu_and_memory);
  out.pods.reserve(snapshot.pods.size());
  for (const PodSnapshot& pod : snapshot.pods) {
    if (auto stats = pod_of(snapshot, pod, !only_cpu_and_memory)) out.pods.push_back(std::move(*stats));
  }
  return out;
}

}  // namespace keelson::stats
