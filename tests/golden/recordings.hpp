// The recorded pods of data/pods as tests use them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_config/container_config.hpp"
#include "agent/pod_config/sandbox_config.hpp"
#include "api/objects.hpp"

namespace keelson::golden {

using nlohmann::json;

// data/PATH, parsed. A missing or broken file fails the test run at once.
json load(const std::string& path);

struct Recording {
  std::string name;  // of the file, without .json
  json data;
  // `live` as the agent held it: with the annotations config.source and config.seen, without a status.
  api::Pod pod;

  std::vector<std::string> pod_ips() const;
  // Names of all containers in the spec, init containers first.
  std::vector<std::string> container_names() const;
  // How many termination message files the container had: one for each try to create it.
  std::size_t termination_files(const std::string& container) const;
  // The message of the first event with this reason; "" when there is none.
  std::string event(const std::string& reason) const;
};
// All of data/pods, sorted by name.
const std::vector<Recording>& recordings();
const Recording& recording(const std::string& name);

// The ConfigMap `cm`, the Secret `sec` and the services in the namespace of the recorded pods.
const agent::ObjectResolver& recorded_objects();
std::vector<agent::ServiceInfo> recorded_services();

// The machine and the configuration that were recorded.
agent::NodeInfo recorded_node();
agent::SandboxInputs sandbox_inputs(const Recording& recording);
// Inputs of a container of which `config` was recorded (its restart count, image and termination file).
agent::ContainerInputs container_inputs(const Recording& recording, const api::core::Container& container,
                                        const json& config);
// The container of that name, init or regular.
const api::core::Container& find_container(const api::Pod& pod, const std::string& name);

// What differs, one line per path; empty when equal. `ours` may hold members that `left_out` names (JSON pointers, `*`
// for any index) and the recording does not.
std::string differences(const json& recorded, json ours, const std::vector<std::string>& left_out);

}  // namespace keelson::golden
