#include "agent/stats/tests/recorded_summary.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "agent/stats/text.hpp"
#include "base/duration.hpp"

namespace keelson::stats {
namespace {

using nlohmann::json;

constexpr const char* kImages = "/images";  // where the runtime's file system is
constexpr const char* kRoot = "/root";

base::SystemTime time_in(const json& object, const char* key = "time") {
  return base::parse_rfc3339(object.at(key).get<std::string>()).value();
}
std::uint64_t number(const json& object, const char* key) { return object.at(key).get<std::uint64_t>(); }
std::optional<std::uint64_t> maybe(const json& object, const char* key) {
  if (!object.contains(key)) return std::nullopt;
  return number(object, key);
}

CgroupReading group_of(const json& object) {
  const json& memory = object.at("memory");
  const json& swap = object.at("swap");
  CgroupReading out;
  out.time = time_in(object.at("cpu"));
  out.cpu_ns = number(object.at("cpu"), "usageCoreNanoSeconds");
  out.nano_cores = number(object.at("cpu"), "usageNanoCores");
  MemoryReading& into = out.memory.emplace();
  into.usage = number(memory, "usageBytes");
  into.working_set = number(memory, "workingSetBytes");
  into.stat.rss = number(memory, "rssBytes");
  into.stat.page_faults = number(memory, "pageFaults");
  into.stat.major_page_faults = number(memory, "majorPageFaults");
  const auto available = maybe(memory, "availableBytes");
  into.limit = available ? *available + into.working_set : 9223372036854771712u;
  into.swap = number(swap, "swapUsageBytes");
  const auto swap_available = maybe(swap, "swapAvailableBytes");
  into.swap_limit = swap_available ? *swap_available + into.swap : unlimited;
  return out;
}

FileSystemReading file_system_of(const json& fs) {
  FileSystemReading out;
  out.capacity = number(fs, "capacityBytes");
  out.available = number(fs, "availableBytes");
  out.used = number(fs, "usedBytes");
  out.inodes = number(fs, "inodes");
  out.inodes_free = number(fs, "inodesFree");
  return out;
}

cri::FilesystemUsage usage_of(const json& fs) {
  cri::FilesystemUsage out;
  out.timestamp = std::chrono::nanoseconds(time_in(fs).time_since_epoch()).count();
  out.mountpoint = kImages;
  out.used_bytes = number(fs, "usedBytes");
  out.inodes_used = number(fs, "inodesUsed");
  return out;
}

// What the runtime says of a container: the recorded kubelet did not know the cgroups of containers.
cri::ContainerStats runtime_stats(const json& container, const std::string& id) {
  cri::ContainerStats out;
  const std::int64_t time = std::chrono::nanoseconds(time_in(container.at("cpu")).time_since_epoch()).count();
  out.id = id;
  out.cpu.emplace();
  out.cpu->timestamp = time;
  out.cpu->usage_nano_cores = maybe(container.at("cpu"), "usageNanoCores");
  out.cpu->usage_core_nano_seconds = maybe(container.at("cpu"), "usageCoreNanoSeconds");
  const json& memory = container.at("memory");
  out.memory.emplace();
  out.memory->timestamp = time;
  out.memory->available_bytes = maybe(memory, "availableBytes");
  out.memory->usage_bytes = maybe(memory, "usageBytes");
  out.memory->working_set_bytes = maybe(memory, "workingSetBytes");
  out.memory->rss_bytes = maybe(memory, "rssBytes");
  out.memory->page_faults = maybe(memory, "pageFaults");
  out.memory->major_page_faults = maybe(memory, "majorPageFaults");
  out.writable_layer = usage_of(container.at("rootfs"));
  return out;
}

// What is neither of a container's layer nor of its log is of /etc/hosts: the recorded pods have nothing else.
LogReading logs_of(const json& pod) {
  LogReading out;
  out.time = time_in(pod.at("ephemeral-storage"));
  FileUsage rest{number(pod.at("ephemeral-storage"), "usedBytes"), number(pod.at("ephemeral-storage"), "inodesUsed")};
  for (const json& container : pod.at("containers")) {
    const json& logs = container.at("logs");
    out.containers[container.at("name")] = {number(logs, "usedBytes"), number(logs, "inodesUsed")};
    rest.bytes -= number(logs, "usedBytes") + number(container.at("rootfs"), "usedBytes");
    rest.inodes -= number(logs, "inodesUsed") + number(container.at("rootfs"), "inodesUsed");
  }
  out.hosts_file = rest;
  return out;
}

PodSnapshot pod_of(const json& pod, Snapshot& snapshot) {
  PodSnapshot out;
  out.facts.name = pod.at("podRef").at("name");
  out.facts.ns = pod.at("podRef").at("namespace");
  out.facts.uid = pod.at("podRef").at("uid");
  out.facts.sandbox.created = time_in(pod, "startTime");
  out.reading.group = group_of(pod);
  out.reading.logs = logs_of(pod);
  for (const json& container : pod.at("containers")) {
    ContainerFacts facts;
    facts.name = container.at("name");
    facts.id = out.facts.uid + "/" + facts.name;
    facts.created = time_in(container, "startTime");
    snapshot.runtime[facts.id] = runtime_stats(container, facts.id);
    out.facts.containers.push_back(facts);
  }
  out.reading.containers.resize(out.facts.containers.size());
  return out;
}

}  // namespace

std::string recorded(const std::string& name) {
  std::ifstream file(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/http/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

Snapshot snapshot_of(const json& summary) {
  const json& node = summary.at("node");
  Snapshot out;
  out.time = time_in(node.at("rlimit"));
  out.node_name = node.at("nodeName");
  out.root_directory = kRoot;
  for (const json& one : node.at("systemContainers")) {
    const std::string path = "/" + one.at("name").get<std::string>();
    out.system.push_back({one.at("name"), path});
    out.groups[path] = group_of(one);
    out.groups[path].made = time_in(one, "startTime");
  }
  out.root = group_of(node);
  out.node.started = time_in(node, "startTime");
  out.node.max_pid = number(node.at("rlimit"), "maxpid");
  out.node.tasks = number(node.at("rlimit"), "curproc");
  out.node.network.emplace();
  for (const json& one : node.at("network").at("interfaces")) {
    Interface interface;
    interface.name = one.at("name");
    interface.received.bytes = number(one, "rxBytes");
    interface.received.errors = number(one, "rxErrors");
    interface.sent.bytes = number(one, "txBytes");
    interface.sent.errors = number(one, "txErrors");
    out.node.network->push_back(interface);
  }
  out.file_systems[kRoot] = file_system_of(node.at("fs"));
  out.file_systems[kImages] = file_system_of(node.at("runtime").at("imageFs"));
  out.image_fs.emplace();
  out.image_fs->image_filesystems.push_back(usage_of(node.at("runtime").at("imageFs")));
  for (const json& pod : summary.at("pods")) out.pods.push_back(pod_of(pod, out));
  return out;
}

}  // namespace keelson::stats
