#include "cgroup-manager/cgroupfs.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <map>
#include <string_view>

namespace keelson::cgroups {
namespace {

// The order in which v1 groups are made (contract 03 §3.1).
constexpr std::array<std::string_view, 15> kV1Order{"cpuset",     "devices", "memory",  "cpu",          "cpuacct",
                                                    "pids",       "blkio",   "hugetlb", "net_cls",      "net_prio",
                                                    "perf_event", "freezer", "rdma",    "name=systemd", "misc"};
// Where a group must be present to count as existing, as far as mounted.
constexpr std::array<std::string_view, 7> kV1Present{"cpu",          "cpuacct", "cpuset", "memory",
                                                     "name=systemd", "pids",    "hugetlb"};
constexpr std::array<std::string_view, 5> kV2Present{"cpu", "cpuset", "memory", "hugetlb", "pids"};
constexpr std::array<QosClass, 3> kQosClasses{QosClass::guaranteed, QosClass::burstable, QosClass::best_effort};
constexpr int kRemoveTries = 10;
constexpr int kKillRounds = 5;

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (auto at = text.find_first_not_of(" \n"); at != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(" \n", at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(" \n", end);
  }
  return words;
}

CgroupName parent_of(CgroupName name) {
  name.pop_back();
  return name;
}

}  // namespace

std::vector<std::string> CgroupfsDriver::mounts() const {
  if (layout_.version == Version::v2) return {layout_.unified};
  std::vector<std::string> result;
  for (const auto controller : kV1Order) {
    const auto it = layout_.controllers.find(std::string(controller));
    if (it == layout_.controllers.end()) continue;
    // Controllers that are mounted together are one directory.
    if (std::find(result.begin(), result.end(), it->second) == result.end()) result.push_back(it->second);
  }
  return result;
}

std::string CgroupfsDriver::directory(const std::string& controller, const CgroupName& name) const {
  if (layout_.version == Version::v2) return layout_.unified + cgroupfs_path(name);
  const auto it = layout_.controllers.find(controller);
  return it == layout_.controllers.end() ? "" : it->second + cgroupfs_path(name);
}

Result<Ensured> CgroupfsDriver::ensure(const CgroupName& name, const Limits& limits) {
  KEELSON_CHECK(!name.empty());
  if (exists(name)) return Ensured{};
  const Status made = layout_.version == Version::v2 ? create_v2(name) : create_v1(name);
  if (!made.ok()) return made.error().wrap("while creating cgroup " + path(name));
  return Ensured{true, write_limits(name, limits)};
}

Status CgroupfsDriver::update(const CgroupName& name, const Limits& limits) {
  if (!exists(name)) return Error(ErrorKind::not_found, "cgroup " + path(name) + " does not exist");
  const auto failures = write_limits(name, limits);
  if (failures.empty()) return {};
  return failures.front().wrap("while updating cgroup " + path(name));
}

Status CgroupfsDriver::create_v1(const CgroupName& name) {
  const auto cpuset = layout_.controllers.find("cpuset");
  for (const auto& mount : mounts()) {
    std::string directory = mount;
    CgroupName level;
    for (const auto& component : name) {
      level.push_back(component);
      directory += "/" + component;
      KEELSON_TRY(files_.make_directory(directory));
      // A group without CPUs or memory nodes takes no process.
      if (cpuset != layout_.controllers.end() && cpuset->second == mount) KEELSON_TRY(fill_cpuset(mount, level));
    }
  }
  return {};
}

Status CgroupfsDriver::fill_cpuset(const std::string& mount, const CgroupName& name) {
  const std::string own = mount + cgroupfs_path(name);
  const std::string parent = mount + (name.size() == 1 ? "" : cgroupfs_path(parent_of(name)));
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    auto value = files_.read(own + file);
    if (!value.ok()) return value.error();
    if (!value.value().empty()) continue;
    value = files_.read(parent + file);
    if (!value.ok()) return value.error();
    KEELSON_TRY(files_.write(own + file, value.value()));
  }
  return {};
}

Status CgroupfsDriver::create_v2(const CgroupName& name) {
  std::string directory = layout_.unified;
  for (const auto& component : name) {
    KEELSON_TRY(delegate_controllers(directory));
    directory += "/" + component;
    KEELSON_TRY(files_.make_directory(directory));
  }
  const auto type = files_.read(directory + "/cgroup.type");
  if (type.ok() && type.value() != "domain") {
    return Error(ErrorKind::invalid, "cgroup " + directory + " is of type \"" + type.value() +
                                         "\", expected \"domain\": controllers such as memory need it");
  }
  return {};
}

// Lets the children of `directory` have all controllers of the root: in one write, else one by one as far as it goes.
Status CgroupfsDriver::delegate_controllers(const std::string& directory) {
  const auto controllers = files_.read(layout_.unified + "/cgroup.controllers");
  if (!controllers.ok()) return controllers.error();
  const auto names = words_of(controllers.value());
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "+" : " +") + name;
  if (all.empty()) return {};
  const std::string file = directory + "/cgroup.subtree_control";
  if (files_.write(file, all).ok()) return {};
  for (const auto& name : names) (void)files_.write(file, "+" + name);
  return {};
}

bool CgroupfsDriver::exists(const CgroupName& name) {
  if (layout_.version == Version::v2) return exists_v2(name);
  return std::all_of(kV1Present.begin(), kV1Present.end(), [&](std::string_view controller) {
    const std::string path = directory(std::string(controller), name);
    return path.empty() || files_.is_directory(path);
  });
}

bool CgroupfsDriver::exists_v2(const CgroupName& name) {
  const std::string directory = layout_.unified + cgroupfs_path(name);
  if (!files_.is_directory(directory)) return false;
  const auto offered = words_of(files_.read(layout_.unified + "/cgroup.controllers").value_or(""));
  const auto present = words_of(files_.read(directory + "/cgroup.controllers").value_or(""));
  const auto has = [](const std::vector<std::string>& list, std::string_view what) {
    return std::find(list.begin(), list.end(), what) != list.end();
  };
  return std::all_of(kV2Present.begin(), kV2Present.end(), [&](std::string_view controller) {
    return !has(offered, controller) || has(present, controller);
  });
}

std::vector<Error> CgroupfsDriver::write_limits(const CgroupName& name, const Limits& limits) {
  std::vector<Error> failures;
  const auto keep = [&](Status status) {
    if (!status.ok()) failures.push_back(std::move(status).error());
  };
  const auto writes = limit_writes(limits, layout_.version);
  for (auto it = writes.begin(); it != writes.end(); ++it) {
    const auto next = it + 1;
    if (it->file == "cpu.cfs_period_us" && next != writes.end() && next->file == "cpu.cfs_quota_us") {
      keep(write_period_and_quota(name, *it, *next));
      it = next;
    } else {
      keep(write_limit(name, *it));
    }
  }
  return failures;
}

// The kernel refuses a period under which the old quota would be too much; it then takes the quota first.
Status CgroupfsDriver::write_period_and_quota(const CgroupName& name, const LimitWrite& period,
                                              const LimitWrite& quota) {
  const Status first = write_limit(name, period);
  if (!first.ok() && first.error().code() != EINVAL) return first;
  KEELSON_TRY(write_limit(name, quota));
  return first.ok() ? Status() : write_limit(name, period);
}

Status CgroupfsDriver::write_limit(const CgroupName& name, const LimitWrite& limit) {
  const std::string directory = this->directory(limit.controller, name);
  if (directory.empty()) {
    // A hugepage limit of 0 where the kernel counts no hugepages at all is met.
    if (limit.if_present) return {};
    return Error(ErrorKind::unavailable, "no hierarchy of controller " + limit.controller + " for " + limit.file);
  }
  const std::string file = directory + "/" + limit.file;
  if (limit.if_present && !files_.read(file).ok()) return {};
  KEELSON_TRY(files_.write(file, limit.value));
  if (!limit.read_back) return {};
  const auto now = files_.read(file);
  if (!now.ok()) return now.error();
  if (now.value() == limit.value) return {};
  return Error(ErrorKind::invalid, "the kernel made " + now.value() + " of " + limit.value + " written to " + file);
}

Status CgroupfsDriver::destroy(const CgroupName& name) {
  KEELSON_CHECK(!name.empty());
  // All hierarchies are tried, so that one that is stuck does not keep the others.
  Status result;
  for (const auto& mount : mounts()) {
    Status removed = remove_tree(mount + cgroupfs_path(name));
    if (!removed.ok() && result.ok()) result = std::move(removed);
  }
  // runc makes its groups in a hybrid machine's cgroup2 tree too, the pod's group with them; nobody else removes that.
  if (layout_.version == Version::v1 && !layout_.unified.empty()) {
    Status removed = remove_tree(layout_.unified + cgroupfs_path(name));
    if (!removed.ok() && result.ok()) result = std::move(removed);
  }
  return std::move(result).wrap("while removing cgroup " + path(name));
}

Status CgroupfsDriver::remove_tree(const std::string& directory) {
  Status removed = files_.remove_directory(directory);
  if (removed.ok()) return removed;
  if (const auto children = files_.directories(directory); children.ok()) {
    for (const auto& child : children.value()) KEELSON_TRY(remove_tree(directory + "/" + child));
  }
  // Processes that were just killed keep the group busy for a moment.
  std::chrono::milliseconds wait{1};
  for (int i = 0; i < kRemoveTries; ++i, wait *= 2) {
    removed = files_.remove_directory(directory);
    if (removed.ok() || removed.error().code() != EBUSY) return removed;
    if (i + 1 < kRemoveTries) files_.pause(wait);
  }
  return removed;
}

Status CgroupfsDriver::kill(const CgroupName& name) {
  KEELSON_CHECK(!name.empty());
  std::chrono::milliseconds wait{1};
  for (int round = 0; round <= kKillRounds; ++round, wait *= 2) {
    std::set<pid_t> pids;
    for (const auto& mount : mounts()) collect_processes(mount + cgroupfs_path(name), pids);
    if (pids.empty()) return {};
    if (round == kKillRounds) break;
    for (const pid_t pid : pids) KEELSON_TRY(files_.kill_process(pid));
    files_.pause(wait);
  }
  return Error(ErrorKind::unavailable,
               "processes in cgroup " + path(name) + " are still there after five rounds of SIGKILL");
}

void CgroupfsDriver::collect_processes(const std::string& directory, std::set<pid_t>& pids) {
  for (const auto& word : words_of(files_.read(directory + "/cgroup.procs").value_or(""))) {
    pid_t pid = 0;
    std::from_chars(word.data(), word.data() + word.size(), pid);
    // 0 is a process of another PID namespace, which this one cannot signal.
    if (pid > 0) pids.insert(pid);
  }
  const auto children = files_.directories(directory);
  if (!children.ok()) return;
  for (const auto& child : children.value()) collect_processes(directory + "/" + child, pids);
}

Result<std::vector<FoundPod>> CgroupfsDriver::list_pods(const CgroupName& root) {
  std::map<std::string, QosClass> found;
  for (const QosClass qos : kQosClasses) {
    for (const auto& mount : mounts()) {
      const std::string directory = mount + cgroupfs_path(tier(root, qos));
      if (!files_.is_directory(directory)) continue;
      const auto names = files_.directories(directory);
      if (!names.ok()) return names.error();
      for (const auto& name : names.value()) {
        if (auto uid = pod_uid(name)) found.emplace(std::move(*uid), qos);
      }
    }
  }
  std::vector<FoundPod> pods;
  for (auto& [uid, qos] : found) pods.push_back({uid, qos});
  return pods;
}

}  // namespace keelson::cgroups
