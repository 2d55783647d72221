#include "agent/stats/batch.hpp"

#include <fcntl.h>
#include <sys/statfs.h>

#include <algorithm>

#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

FileSystemReading figures_of(const struct statfs& info) {
  const auto size = static_cast<std::uint64_t>(info.f_frsize > 0 ? info.f_frsize : info.f_bsize);
  FileSystemReading out;
  out.capacity = info.f_blocks * size;
  out.available = info.f_bavail * size;
  out.used = info.f_blocks > info.f_bfree ? (info.f_blocks - info.f_bfree) * size : 0;
  out.inodes = info.f_files;
  out.inodes_free = info.f_ffree;
  return out;
}

std::optional<FileSystemReading> file_system(const std::string& path) {
  struct statfs info {};
  if (path.empty() || ::statfs(path.c_str(), &info) != 0) return std::nullopt;
  return figures_of(info);
}

class Batch {
 public:
  Batch(const BatchOrder& order, const base::Clock& clock)
      : order_(order),
        clock_(clock),
        proc_(hold_directory(AT_FDCWD, order.proc)),
        memory_(parse_meminfo(files_.read(proc_.get(), "meminfo").value_or(""))),
        groups_(order.layout, order.proc, memory_, clock) {}

  Reading read() {
    read_node();
    out_.root = groups_.read("/", wanted(true));
    for (const std::string& path : order_.groups) {
      if (auto group = groups_.read(path, wanted(true))) out_.groups.emplace(path, std::move(*group));
    }
    out_.pods.reserve(order_.pods.size());
    for (const PodOrder& pod : order_.pods) out_.pods.push_back(read_pod(pod));
    if (order_.depth == Depth::summary) read_file_systems();
    return std::move(out_);
  }

 private:
  bool everything() const { return order_.depth == Depth::containers; }
  bool with_network() const { return order_.depth >= Depth::summary; }

  Wanted wanted(bool lasting) const {
    Wanted out;
    out.memory = order_.depth >= Depth::resources;
    out.pressures = order_.depth >= Depth::cpu_and_memory;
    out.processes = with_network();
    out.descriptors = everything();
    out.details = everything();
    out.made = lasting && order_.depth >= Depth::cpu_and_memory;
    return out;
  }

  void read_node() {
    NodeReading& node = out_.node;
    node.memory = memory_;
    if (order_.depth < Depth::cpu_and_memory) return;
    if (order_.started) node.started = started();
    if (!with_network()) return;
    node.network = network_of(1);
    if (everything()) return read_mounts();
    node.tasks = parse_tasks(files_.read(proc_.get(), "loadavg").value_or(""));
    const auto pids = files_.number(proc_.get(), "sys/kernel/pid_max");
    const auto threads = files_.number(proc_.get(), "sys/kernel/threads-max");
    if (pids || threads) node.max_pid = std::min(pids.value_or(unlimited), threads.value_or(unlimited));
  }

  std::optional<base::SystemTime> started() {
    const auto text = files_.read_to_end(proc_.get(), "stat");
    const auto seconds = text ? parse_boot_time(*text) : std::nullopt;
    if (!seconds) return std::nullopt;
    return base::SystemTime(std::chrono::seconds(*seconds));
  }

  std::optional<std::vector<Interface>> network_of(std::uint32_t pid) {
    if (pid == 0) return std::nullopt;
    const auto text = files_.read_to_end(proc_.get(), std::to_string(pid) + "/net/dev");
    if (!text) return std::nullopt;
    return parse_net_dev(*text);
  }

  void read_mounts() {
    NodeReading& node = out_.node;
    node.disks = parse_diskstats(files_.read_to_end(proc_.get(), "diskstats").value_or(""));
    const auto text = files_.read_to_end(proc_.get(), "self/mountinfo").value_or("");
    for (MountedSystem& mounted : parse_mounts(text, order_.pod_mounts)) {
      const auto figures = file_system(mounted.point);
      if (!figures) continue;
      MountReading one{std::move(mounted), *figures, {}};
      for (const Disk& disk : node.disks) {
        if (disk.major == one.mounted.major && disk.minor == one.mounted.minor) one.disk = disk;
      }
      node.mounts.push_back(std::move(one));
    }
  }

  PodReading read_pod(const PodOrder& order) {
    PodReading out;
    out.containers.resize(order.containers.size());
    if (order.logs) {
      out.logs = read_log_usage(*order.logs);
      out.logs->time = clock_.now();
    }
    if (order.cgroup.empty()) return out;
    out.group = groups_.read(order.cgroup, wanted(false));
    if (!out.group) return out;
    std::uint32_t process = 0;  // one in the pod's network namespace
    for (std::size_t i = 0; i < order.containers.size(); ++i) {
      read_container(order.cgroup, order.containers[i], out.containers[i]);
      const auto& group = out.containers[i].group;
      if (group && group->processes && group->processes->first != 0) process = group->processes->first;
    }
    if (!with_network()) return out;
    // The sandbox's own first: a runtime may do without one, and then any container's will do.
    if (const std::uint32_t first = read_sandbox(order, out.sandbox); first != 0) process = first;
    out.network = network_of(process);
    return out;
  }

  // Answers its first process.
  std::uint32_t read_sandbox(const PodOrder& order, ContainerReading& out) {
    if (everything()) {
      read_container(order.cgroup, order.sandbox, out);
      return out.group && out.group->processes ? out.group->processes->first : 0;
    }
    out.group_name = group_name(order.cgroup, order.sandbox);
    return out.group_name.empty() ? 0 : groups_.first_process(order.cgroup + "/" + out.group_name);
  }

  void read_container(const std::string& pod, const ContainerOrder& order, ContainerReading& out) {
    out.group_name = group_name(pod, order);
    if (!out.group_name.empty()) out.group = groups_.read(pod + "/" + out.group_name, wanted(false));
  }

  std::string group_name(const std::string& pod, const ContainerOrder& order) {
    return order.group_name.empty() ? groups_.group_of(pod, order.id) : order.group_name;
  }

  void read_file_systems() {
    for (const std::string& path : order_.file_systems) {
      if (const auto figures = file_system(path)) out_.file_systems.emplace(path, *figures);
    }
  }

  const BatchOrder& order_;
  const base::Clock& clock_;
  SmallFiles files_;
  base::UniqueFd proc_;
  Memory memory_;
  CgroupReader groups_;
  Reading out_;
};

}  // namespace

Reading read_batch(const BatchOrder& order, const base::Clock& clock) { return Batch(order, clock).read(); }

}  // namespace keelson::stats
