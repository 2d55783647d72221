#include "agent/stats/sampler.hpp"

#include <algorithm>
#include <utility>

#include "base/when_all.hpp"

namespace keelson::stats {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kBatchLimit = 10s;
constexpr base::Duration kWarmUp = 500ms;
constexpr base::Duration kLogPeriod = 1min;

bool has_rates(Depth depth) { return depth == Depth::cpu_and_memory || depth == Depth::summary; }

// A running container of which we could not read the cgroup: the runtime may know more.
bool lacks_readings(const Snapshot& snapshot) {
  return std::any_of(snapshot.pods.begin(), snapshot.pods.end(), [](const PodSnapshot& pod) {
    const auto& all = pod.reading.containers;
    return std::any_of(all.begin(), all.end(), [](const ContainerReading& one) { return !one.group; });
  });
}

std::function<Result<Reading>()> batch_of(BatchOrder order, const base::Clock& clock) {
  auto shared = std::make_shared<BatchOrder>(std::move(order));
  return [shared, &clock]() -> Result<Reading> { return read_batch(*shared, clock); };
}

}  // namespace

Sampler::Sampler(Base base, SamplerOptions options)
    : base_(std::move(base)), options_(std::move(options)), turn_(base_.loop, 1) {
  options_.container_mounts.push_back(options_.root_directory + "/pods/");
}

base::Task<Result<SnapshotPtr>> Sampler::take(Depth depth) {
  auto snapshot = std::make_shared<Snapshot>();
  if (has_rates(depth) && !history_.warm(base_.clock.steady_now())) {
    auto warm = co_await warm_up();
    if (!warm.ok()) co_return std::move(warm).error();
  }
  if (depth == Depth::summary) co_await ask_runtime(snapshot);
  auto done = co_await read(snapshot, depth);
  if (!done.ok()) co_return std::move(done).error();
  const bool runtime_knows_more = depth == Depth::resources || depth == Depth::cpu_and_memory;
  if (runtime_knows_more && lacks_readings(*snapshot)) co_await ask_container_stats(snapshot);
  set_runtime_rates(*snapshot);
  history_.prune(base_.clock.steady_now());
  co_return SnapshotPtr(std::move(snapshot));
}

base::Task<Status> Sampler::warm_up() {
  auto first = std::make_shared<Snapshot>();
  auto done = co_await read(first, Depth::cpu);
  if (!done.ok()) co_return std::move(done).error();
  co_await base_.clock.sleep_for(kWarmUp);
  co_return Ok{};
}

base::Task<Status> Sampler::read(Making snapshot, Depth depth) {
  const base::Semaphore::Permit turn = co_await turn_.acquire();
  // What there is now, not when the question came.
  gather(*snapshot, depth);
  BatchOrder order = order_of(*snapshot, depth);
  auto reading = co_await run(std::move(order));
  if (!reading.ok()) co_return std::move(reading).error();
  co_return take_in(*snapshot, std::move(*reading));
}

base::Task<Result<Reading>> Sampler::run(BatchOrder order) {
  auto batch = batch_of(std::move(order), base_.clock);
  auto reading = co_await base_.pool.run<Reading>("reading statistics", kBatchLimit, std::move(batch));
  co_return reading;
}

base::Task<void> Sampler::ask_runtime(Making snapshot) {
  std::vector<base::Task<void>> questions;
  questions.push_back(ask_container_stats(snapshot));
  questions.push_back(ask_image_fs(snapshot));
  co_await base::when_all(std::move(questions));
}

base::Task<void> Sampler::ask_container_stats(Making snapshot) {
  auto answer = co_await base_.source.container_stats();
  if (!answer.ok()) {
    base_.log.debug(2, "The runtime tells no statistics of containers", {{"err", answer.error()}});
    co_return;
  }
  for (cri::ContainerStats& one : *answer) {
    std::string id = one.id;
    snapshot->runtime.insert_or_assign(std::move(id), std::move(one));
  }
}

base::Task<void> Sampler::ask_image_fs(Making snapshot) {
  auto answer = co_await base_.source.image_fs_info();
  if (answer.ok()) {
    snapshot->image_fs = std::move(*answer);
  } else {
    base_.log.debug(2, "The runtime does not tell the size of its images", {{"err", answer.error()}});
  }
}

void Sampler::gather(Snapshot& snapshot, Depth depth) const {
  const StatsSource& source = base_.source;
  snapshot.time = base_.clock.now();
  snapshot.node_name = source.node_name();
  snapshot.root_directory = options_.root_directory;
  snapshot.split_image_fs = options_.split_image_fs;
  snapshot.system = source.system_containers();
  if (depth == Depth::containers) snapshot.tiers = source.tiers();
  snapshot.pods.clear();
  for (PodFacts& facts : source.pods()) {
    if (facts.containers.empty()) continue;
    PodSnapshot& pod = snapshot.pods.emplace_back();
    if (depth == Depth::summary) pod.volumes = volumes(facts.uid);
    pod.facts = std::move(facts);
  }
}

std::optional<volume::PodUsage> Sampler::volumes(const std::string& uid) const {
  auto usage = base_.source.volumes(uid);
  if (usage && !options_.volume_health) {
    for (volume::VolumeUsage& one : usage->volumes) one.measured.abnormal.reset();
  }
  return usage;
}

BatchOrder Sampler::order_of(const Snapshot& snapshot, Depth depth) const {
  BatchOrder order;
  order.depth = depth;
  order.layout = options_.layout;
  order.proc = options_.proc;
  order.started = !started_;
  order.pod_mounts = options_.container_mounts;
  for (const SystemContainer& one : snapshot.system) order.groups.push_back(one.cgroup);
  for (const std::string& tier : snapshot.tiers) order.groups.push_back(tier);
  for (const PodSnapshot& pod : snapshot.pods) order.pods.push_back(pod_order(pod.facts, depth));
  if (depth != Depth::summary) return order;
  std::set<std::string> systems{snapshot.root_directory};
  for (const auto& [id, stats] : snapshot.runtime) {
    if (stats.writable_layer) systems.insert(stats.writable_layer->mountpoint);
  }
  if (snapshot.image_fs) {
    for (const auto& system : snapshot.image_fs->image_filesystems) systems.insert(system.mountpoint);
    for (const auto& system : snapshot.image_fs->container_filesystems) systems.insert(system.mountpoint);
  }
  order.file_systems.assign(systems.begin(), systems.end());
  return order;
}

PodOrder Sampler::pod_order(const PodFacts& pod, Depth depth) const {
  const auto container = [this](const ContainerFacts& facts) {
    const auto known = group_names_.find(facts.id);
    return ContainerOrder{facts.id, known == group_names_.end() ? std::string() : known->second};
  };
  PodOrder order;
  order.cgroup = pod.cgroup;
  order.sandbox = container(pod.sandbox);
  for (const ContainerFacts& one : pod.containers) order.containers.push_back(container(one));
  if (depth != Depth::summary || !logs_are_due(pod)) return order;
  order.logs = log_order(pod);
  return order;
}

LogOrder Sampler::log_order(const PodFacts& pod) const {
  LogOrder order;
  order.directory = pod.log_directory;
  order.hosts_file = pod.hosts_file;
  for (const ContainerFacts& one : pod.containers) order.containers.push_back(one.name);
  return order;
}

bool Sampler::logs_are_due(const PodFacts& pod) const {
  const auto known = logs_.find(pod.uid);
  if (known == logs_.end() || known->second.due <= base_.clock.steady_now()) return true;
  const auto& measured = known->second.containers;
  return std::any_of(pod.containers.begin(), pod.containers.end(), [&measured](const ContainerFacts& one) {
    return std::find(measured.begin(), measured.end(), one.name) == measured.end();
  });
}

Status Sampler::take_in(Snapshot& snapshot, Reading reading) {
  if (!reading.root) {
    return Error(ErrorKind::unavailable, "failed to get root cgroup stats: the root cgroup cannot be read");
  }
  snapshot.node = std::move(reading.node);
  if (snapshot.node.started) started_ = snapshot.node.started;
  snapshot.node.started = started_;
  snapshot.root = std::move(*reading.root);
  snapshot.groups = std::move(reading.groups);
  snapshot.file_systems = std::move(reading.file_systems);
  set_rate("/", snapshot.root);
  for (auto& [path, group] : snapshot.groups) set_rate(path, group);
  for (std::size_t i = 0; i < snapshot.pods.size(); ++i) take_in_pod(snapshot.pods[i], std::move(reading.pods[i]));
  forget_gone(snapshot.pods);
  return {};
}

void Sampler::take_in_pod(PodSnapshot& pod, PodReading reading) {
  pod.reading = std::move(reading);
  if (pod.reading.group) set_rate(pod.facts.cgroup, *pod.reading.group);
  for (ContainerReading& one : pod.reading.containers) {
    if (one.group) set_rate(pod.facts.cgroup + "/" + one.group_name, *one.group);
  }
  remember(pod);
  const auto known = logs_.find(pod.facts.uid);
  if (known != logs_.end()) pod.reading.logs = known->second.last;
}

void Sampler::remember(const PodSnapshot& pod) {
  const auto keep = [this](const ContainerFacts& facts, const ContainerReading& reading) {
    if (!reading.group_name.empty()) group_names_.insert_or_assign(facts.id, reading.group_name);
  };
  for (std::size_t i = 0; i < pod.reading.containers.size(); ++i) {
    keep(pod.facts.containers[i], pod.reading.containers[i]);
  }
  keep(pod.facts.sandbox, pod.reading.sandbox);
  if (pod.reading.logs) remember(pod.facts, *pod.reading.logs);
}

void Sampler::remember(const PodFacts& pod, LogReading reading) {
  KnownLogs& logs = logs_[pod.uid];
  logs.due = base_.clock.after(kLogPeriod);
  logs.last = std::move(reading);
  logs.containers.clear();
  for (const ContainerFacts& one : pod.containers) logs.containers.push_back(one.name);
}

base::Task<Result<std::vector<LogUse>>> Sampler::log_use() {
  std::vector<PodFacts> pods = base_.source.pods();
  std::erase_if(pods, [](const PodFacts& pod) { return pod.containers.empty(); });
  auto measured = co_await measure_due(&pods);
  if (!measured.ok()) co_return std::move(measured).error();
  std::vector<LogUse> out;
  for (const PodFacts& pod : pods) {
    const auto known = logs_.find(pod.uid);
    if (known == logs_.end()) continue;  // it has gone meanwhile
    for (const ContainerFacts& one : pod.containers) {
      const auto& sizes = known->second.last.containers;
      const auto found = sizes.find(one.name);
      if (found != sizes.end()) out.push_back({pod.uid, pod.ns, pod.name, one.name, found->second.bytes});
    }
  }
  co_return out;
}

base::Task<Status> Sampler::measure_due(const std::vector<PodFacts>* pods) {
  std::set<std::string_view> uids;
  for (const PodFacts& pod : *pods) uids.insert(pod.uid);
  keep_logs_of(uids);
  std::vector<LogOrder> orders;
  std::vector<std::size_t> due;
  for (std::size_t i = 0; i < pods->size(); ++i) {
    if (!logs_are_due((*pods)[i])) continue;
    due.push_back(i);
    orders.push_back(log_order((*pods)[i]));
  }
  if (due.empty()) co_return Status();
  if (base_.clock.steady_now() < next_try_)
    co_return Error(ErrorKind::unavailable, "logs could not be measured lately");
  auto measured = co_await measure(std::move(orders));
  if (!measured.ok()) {
    next_try_ = base_.clock.after(kLogPeriod);
    co_return std::move(measured).error();
  }
  for (std::size_t i = 0; i < due.size(); ++i) remember((*pods)[due[i]], std::move((*measured)[i]));
  co_return Status();
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<std::vector<LogReading>>> Sampler::measure(std::vector<LogOrder> orders) {
  auto work = [token = in_flight_.enter("logs"), orders = std::move(orders),
               now = base_.clock.now()]() -> Result<std::vector<LogReading>> {
    if (token == nullptr) return Error(ErrorKind::exhausted, "an earlier measurement still hangs in the kernel");
    std::vector<LogReading> out;
    for (const LogOrder& order : orders) {
      out.push_back(read_log_usage(order));
      out.back().time = now;
    }
    return out;
  };
  return base_.pool.run<std::vector<LogReading>>("measuring logs", kBatchLimit, std::move(work));
}

void Sampler::keep_logs_of(const std::set<std::string_view>& uids) {
  std::erase_if(logs_, [&uids](const auto& entry) { return !uids.contains(entry.first); });
}

void Sampler::forget_gone(const std::vector<PodSnapshot>& pods) {
  std::set<std::string_view> uids;
  std::set<std::string_view> ids;
  for (const PodSnapshot& pod : pods) {
    uids.insert(pod.facts.uid);
    ids.insert(pod.facts.sandbox.id);
    for (const ContainerFacts& one : pod.facts.containers) ids.insert(one.id);
  }
  keep_logs_of(uids);
  std::erase_if(group_names_, [&ids](const auto& entry) { return !ids.contains(entry.first); });
}

void Sampler::set_rate(const std::string& path, CgroupReading& group) {
  const CpuHistory::Sample sample{group.steady.time_since_epoch(), group.cpu_ns};
  group.nano_cores = history_.add(path, sample, base_.clock.steady_now()).value_or(0);
}

// Older runtimes tell the counter alone.
void Sampler::set_runtime_rates(Snapshot& snapshot) {
  for (auto& [id, stats] : snapshot.runtime) {
    if (!stats.cpu || !stats.cpu->usage_core_nano_seconds) continue;
    const CpuHistory::Sample sample{base::Duration(stats.cpu->timestamp), *stats.cpu->usage_core_nano_seconds};
    const auto rate = history_.add("runtime:" + id, sample, base_.clock.steady_now());
    if (!stats.cpu->usage_nano_cores && rate) stats.cpu->usage_nano_cores = rate;
  }
}

}  // namespace keelson::stats
