// Snapshot: all that one answer is made of: what the agent knows, what was read, what the runtime said.
//
// A value, shared read-only once it was taken; any thread. Source: contract 05 §10.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/stats/reading.hpp"
#include "agent/stats/source.hpp"

namespace keelson::stats {

struct PodSnapshot {
  PodFacts facts;
  PodReading reading;  // `containers` are in the order of the facts'
  std::optional<volume::PodUsage> volumes;
};

struct Snapshot {
  base::SystemTime time;  // when it was taken
  std::string node_name;
  std::string root_directory;  // ROOT, a key of node.file_systems
  std::vector<SystemContainer> system;
  std::vector<std::string> tiers;
  std::vector<PodSnapshot> pods;

  NodeReading node;
  CgroupReading root;
  std::map<std::string, CgroupReading> groups;  // by path: of system containers and tiers
  std::map<std::string, FileSystemReading> file_systems;

  // What the runtime says; empty when it was not asked or did not answer.
  std::map<std::string, cri::ContainerStats> runtime;  // by container ID
  std::optional<cri::ImageFsInfo> image_fs;
  bool split_image_fs = false;  // the runtime's second file system is not that of its images
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace keelson::stats
