#include "agent/sync/tests/world.hpp"

#include <gtest/gtest.h>

#include "agent/pod_config/resources.hpp"

#include <algorithm>

namespace keelson::agent::testing {

using base::Task;

// --- Files ---

Task<Status> FakePodFiles::make_pod_directories(std::string uid) {
  if (!pod_directories_fail.ok()) co_return pod_directories_fail;
  pods.insert(uid);
  co_return Status();
}

Task<Status> FakePodFiles::make_log_directory(std::string) { co_return log_directory_fails; }

Task<Status> FakePodFiles::prepare_container(ContainerFiles wanted) {
  prepared.push_back(wanted);
  if (!prepare_fails.ok()) co_return prepare_fails;
  logs[wanted.log_directory];
  co_return Status();
}

Task<std::vector<std::string>> FakePodFiles::log_names(std::string directory) {
  const auto found = logs.find(directory);
  if (found == logs.end()) co_return std::vector<std::string>();
  co_return std::vector<std::string>(found->second.begin(), found->second.end());
}

Task<Status> FakePodFiles::link_log(std::string link, std::string target) {
  const auto slash = target.find_last_of('/');
  logs[target.substr(0, slash)].insert(target.substr(slash + 1));
  links[link] = target;
  co_return Status();
}

Task<std::string> FakePodFiles::termination_message(std::string path) {
  const auto found = termination_texts.find(path);
  co_return found == termination_texts.end() ? std::string() : found->second;
}

Task<std::string> FakePodFiles::log_tail(std::string path) {
  const auto found = log_texts.find(path);
  co_return found == log_texts.end() ? std::string() : found->second;
}

Task<Result<std::string>> FakePodFiles::read_host_file(std::string path) {
  const auto found = host_files.find(path);
  if (found == host_files.end()) co_return Error(ErrorKind::not_found, "open " + path + ": no such file");
  co_return found->second;
}

Task<Result<std::string>> FakePodFiles::read_volume_file(std::string volume, std::string path) {
  return read_host_file(volume + "/" + path);
}

Task<Status> FakePodFiles::write_pod_file(std::string uid, std::string name, std::string content) {
  if (!pod_file_fails.ok()) co_return pod_file_fails;
  pod_texts[{uid, name}] = std::move(content);
  co_return Status();
}

Task<Status> FakePodFiles::remove_pod_file(std::string uid, std::string name) {
  if (!pod_file_fails.ok()) co_return pod_file_fails;
  pod_texts.erase({uid, name});
  co_return Status();
}

Task<Result<PodFileTexts>> FakePodFiles::pod_files(std::string name) {
  if (!pod_file_fails.ok()) co_return pod_file_fails.error();
  PodFileTexts texts;
  for (const auto& [key, text] : pod_texts) {
    if (key.second == name) texts.emplace(key.first, text);
  }
  co_return texts;
}

Task<Status> FakePodFiles::remove_pod_directory(std::string uid) {
  pods.erase(uid);
  std::erase_if(pod_texts, [&](const auto& entry) { return entry.first.first == uid; });
  co_return Status();
}

Task<Result<std::vector<std::string>>> FakePodFiles::pod_directories() {
  co_return std::vector<std::string>(pods.begin(), pods.end());
}

Task<Status> FakePodFiles::remove_container_logs(std::string log_path, std::string link) {
  const auto slash = log_path.find_last_of('/');
  if (slash != std::string::npos) logs[log_path.substr(0, slash)].erase(log_path.substr(slash + 1));
  links.erase(link);
  co_return Status();
}

Task<Status> FakePodFiles::remove_orphan_logs(LogsInUse in_use) {
  std::erase_if(logs, [&](const auto& entry) {
    const std::string pod = entry.first.substr(0, entry.first.find_last_of('/'));
    return in_use.pods.count(pod.substr(pod.find_last_of('_') + 1)) == 0;
  });
  std::erase_if(links, [&](const auto& entry) {
    const auto log = logs.find(entry.second.substr(0, entry.second.find_last_of('/')));
    return log == logs.end() || log->second.count(entry.second.substr(entry.second.find_last_of('/') + 1)) == 0;
  });
  co_return Status();
}

bool FakePodFiles::knows(const std::string& uid) const {
  const auto about = [&](const auto& entry) { return entry.first.find("_" + uid + "/") != std::string::npos; };
  return pods.count(uid) > 0 || std::any_of(logs.begin(), logs.end(), about);
}

// --- Volumes and cgroups ---

Task<Result<ResolvedVolumes>> FakePodVolumes::mount(api::PodPtr pod) {
  const std::string& uid = pod->metadata().uid();
  if (const auto failure = mount_fails.find(uid); failure != mount_fails.end()) {
    if (events == nullptr) co_return failure->second;
    events->record(*pod, {true, "FailedMount", failure->second.to_string(), ""});
    co_return Error(ErrorKind::deadline_exceeded, "context deadline exceeded");
  }
  mounted.insert(uid);
  ResolvedVolumes resolved;
  for (const auto& volume : pod->spec().volumes()) {
    resolved[volume.name()].host_path = "/volumes/" + volume.name();
    resolved[volume.name()].group = group;
  }
  co_return resolved;
}

Task<Status> FakePodVolumes::prepare_sub_path(api::PodPtr, SubPathRequest request) {
  sub_paths.push_back(std::move(request));
  co_return sub_path_fails;
}

Task<Status> FakePodVolumes::unmount(std::string uid) {
  // As the real ones: the loop goes on meanwhile.
  co_await base::asio::post(base::asio::use_awaitable);
  if (const auto failure = unmount_fails.find(uid); failure != unmount_fails.end()) co_return failure->second;
  mounted.erase(uid);
  ++unmounts[uid];
  co_return Status();
}

Task<bool> FakePodCgroups::exists(api::PodPtr pod) { co_return groups.count(pod->metadata().uid()) > 0; }

Task<Status> FakePodCgroups::ensure(api::PodPtr pod) {
  const std::string& uid = pod->metadata().uid();
  if (const auto failure = ensure_fails.find(uid); failure != ensure_fails.end()) co_return failure->second;
  if (groups.insert(uid).second) {
    const cgroups::Limits limits = pod_cgroup_limits(*pod, NodeInfo(), 0, false);
    in_force[uid] = {limits.cpu_shares, limits.cpu_quota, limits.cpu_period, limits.memory};
  }
  co_return Status();
}

Task<Status> FakePodCgroups::set(api::PodPtr pod, PodCgroupValues values) {
  PodCgroupValues& now = in_force[pod->metadata().uid()];
  std::string what;
  std::string text;
  if (values.cpu_shares) {
    what = "cpu.shares";
    text = std::to_string(*values.cpu_shares);
  } else if (values.cpu_quota_us) {
    what = "cpu.quota";
    text = std::to_string(*values.cpu_quota_us) + "/" + std::to_string(values.cpu_period_us.value_or(0));
  } else if (values.memory_limit_bytes) {
    what = "memory.limit";
    text = std::to_string(*values.memory_limit_bytes);
  }
  if (on_set) on_set(what + "=" + text);
  if (const auto failure = set_fails.find(what); failure != set_fails.end()) co_return failure->second;
  if (values.cpu_shares) now.cpu_shares = values.cpu_shares;
  if (values.cpu_quota_us) now.cpu_quota_us = values.cpu_quota_us;
  if (values.cpu_period_us) now.cpu_period_us = values.cpu_period_us;
  if (values.memory_limit_bytes) now.memory_limit_bytes = values.memory_limit_bytes;
  co_return Status();
}

Task<Result<PodMemoryUsage>> FakePodCgroups::memory_usage(api::PodPtr, std::vector<std::string>) { co_return usage; }

Task<Status> FakePodCgroups::remove(std::string uid) {
  if (const auto failure = remove_fails.find(uid); failure != remove_fails.end()) co_return failure->second;
  groups.erase(uid);
  in_force.erase(uid);
  co_return Status();
}

Task<Status> FakePodCgroups::lower(std::string uid) {
  lowered.push_back(uid);
  co_return Status();
}

Task<std::optional<PodCgroupValues>> FakePodCgroups::values(api::PodPtr pod) {
  if (groups.count(pod->metadata().uid()) == 0) co_return std::nullopt;
  co_return shown ? *shown : in_force[pod->metadata().uid()];
}

Task<Result<std::vector<std::string>>> FakePodCgroups::list() {
  co_return std::vector<std::string>(groups.begin(), groups.end());
}

// --- Events ---

std::vector<std::string> FakeEvents::texts() const {
  std::vector<std::string> out;
  for (const Entry& entry : all) {
    out.push_back((entry.event.warning ? "W " : "N ") + entry.event.reason +
                  (entry.event.field_path.empty() ? "" : " " + entry.event.field_path) + ": " + entry.event.message);
  }
  return out;
}

std::vector<std::string> FakeEvents::texts(const std::string& reason) const {
  std::vector<std::string> out;
  const std::vector<std::string> every = texts();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].event.reason == reason) out.push_back(every[i]);
  }
  return out;
}

// --- Probes ---

Task<probes::Attempt> FakeProbes::attempt(std::shared_ptr<const probes::Errand> errand) {
  if (const auto* command = std::get_if<probes::ExecAction>(&errand->action)) {
    probes::Attempt attempt = co_await probes::attempt_command(commands_, *command);
    co_return attempt;
  }
  if (answer) co_return answer(*errand);
  co_return probes::Attempt(probes::Outcome::success, "");
}

// --- Hooks ---

Task<probes::HttpOutcome> FakeHookHttp::get(probes::HttpGet request) {
  asked.push_back(request);
  co_await clock_.sleep_for(takes);
  if (answer) co_return answer(request);
  probes::HttpOutcome fine;
  fine.kind = probes::HttpOutcome::Kind::answered;
  fine.status = 200;
  co_return fine;
}

// --- World ---

namespace {
Task<void> mark_done(Task<void> task, std::shared_ptr<bool> done) {
  co_await std::move(task);
  *done = true;
}
}  // namespace

void World::run(Task<void> task) {
  auto done = std::make_shared<bool>(false);
  base::Gate gate(loop);
  base::spawn(gate, "test", mark_done(std::move(task), done));
  const bool ended = until([&] { return *done; }, 24h, 1s);
  EXPECT_TRUE(ended) << "the task did not end";
  if (ended) {
    while (gate.tasks() > 0) loop.poll();
    return;
  }
  auto stopped = std::make_shared<bool>(false);
  base::Gate closing(loop);
  base::spawn(closing, "stop", mark_done(gate.stop(), stopped));
  while (closing.tasks() > 0) loop.poll();
}

bool World::until(const std::function<bool()>& condition, base::Duration limit, base::Duration step) {
  const base::SteadyTime end = clock.steady_now() + limit;
  while (loop.poll() > 0) {
  }
  while (!condition()) {
    if (clock.steady_now() >= end) return false;
    // To the next thing that happens, so that long waits are quick and short ones exact.
    const auto next = clock.next_deadline();
    base::Duration ahead = step;
    if (next != base::SteadyTime::max()) {
      ahead = std::clamp<base::Duration>(next - clock.steady_now(), base::Duration(0), step);
    }
    clock.advance(std::min<base::Duration>(ahead, end - clock.steady_now()));
  }
  return true;
}

// --- Brain ---

constexpr base::Duration kHousekeeping = 1s;

NodeFacts make_facts(base::SystemTime now) {
  NodeFacts facts;
  facts.agent_started = now;
  facts.node_name = "node";
  facts.info.node_ips = {"192.0.2.10"};
  facts.info.memory_bytes = 8ll << 30;
  facts.info.cluster_domain = "cluster.local";
  facts.runtime_name = "fake";
  return facts;
}

Brain::Brain(World& given, base::Duration backoff_cap, StatusSink* sink, PodObjects* objects)
    : world(given),
      facts(make_facts(given.clock.now())),
      engine(
          {world.loop, world.clock, world.random, facts, world.cri, world.cri, world.files, world.volumes,
           world.cgroups, objects == nullptr ? world.objects : *objects, world.lifecycle, world.probes,
           world.allocations, world.events, sink == nullptr ? world.sink : *sink, base::Logger(), &world.image_files},
          {{}, {}, world.starts, kHousekeeping, {}, {}, {}}),
      workers(&engine.workers()) {
  facts.restart_backoff_cap = backoff_cap;
  workers->expect_source("file");
}

Brain::~Brain() {
  if (!stopped) stop();
}

void Brain::start() { world.run(engine.start()); }

void Brain::stop() {
  stopped = true;
  world.run(engine.stop());
}

void Brain::set_pods(const std::vector<api::Pod>& pods, const std::string& source) {
  std::vector<api::PodPtr> given;
  given.reserve(pods.size());
  for (const api::Pod& pod : pods) given.push_back(std::make_shared<const api::Pod>(pod));
  workers->set_pods(source, std::move(given));
}

std::string Brain::phase(const std::string& uid) const {
  const PodWorker* found = worker(uid);
  return found == nullptr ? "" : found->status().phase();
}

const api::core::ContainerStatus* Brain::container(const std::string& uid, const std::string& name) const {
  const PodWorker* found = worker(uid);
  if (found == nullptr) return nullptr;
  for (const auto& status : found->status().containerstatuses()) {
    if (status.name() == name) return &status;
  }
  for (const auto& status : found->status().initcontainerstatuses()) {
    if (status.name() == name) return &status;
  }
  return nullptr;
}

std::string Brain::state(const std::string& uid, const std::string& name) const {
  const auto* status = container(uid, name);
  if (status == nullptr) return "";
  if (status->state().has_running()) return "running";
  if (status->state().has_terminated()) {
    return "terminated " + status->state().terminated().reason() + " " +
           std::to_string(status->state().terminated().exitcode());
  }
  return "waiting " + status->state().waiting().reason();
}

api::Pod make_wanted(const std::string& uid, const std::vector<std::string>& containers,
                     const std::string& restart_policy) {
  api::Pod pod;
  auto& meta = *pod.mutable_metadata();
  meta.set_name("pod-" + uid);
  meta.set_namespace_("ns");
  meta.set_uid(uid);
  (*meta.mutable_annotations())["kubernetes.io/config.source"] = "file";
  auto& spec = *pod.mutable_spec();
  spec.set_restartpolicy(restart_policy);
  spec.set_dnspolicy("Default");
  spec.set_enableservicelinks(true);
  spec.set_terminationgraceperiodseconds(30);
  for (const std::string& name : containers) {
    auto& container = *spec.add_containers();
    container.set_name(name);
    container.set_image("image:1");
    container.set_imagepullpolicy("IfNotPresent");
    container.set_terminationmessagepath("/dev/termination-log");
    container.set_terminationmessagepolicy("File");
  }
  return pod;
}

}  // namespace keelson::agent::testing
