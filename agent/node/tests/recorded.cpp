#include "agent/node/tests/recorded.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>

#include "api/envelope.hpp"
#include "base/duration.hpp"

namespace keelson::agent::testing {
namespace {

const std::string kData = KEELSON_SOURCE_DIR "/tests/golden/data/";

std::ifstream open_data(const std::string& path) {
  std::ifstream file(kData + path);
  if (!file) {
    std::cerr << "no recording " << path << '\n';
    std::exit(1);
  }
  return file;
}

}  // namespace

// The recorded kubelet had a feature that this agent does not say it has (declared_features.cpp).
void drop_undeclared(json& value) {
  static const std::set<std::string> kUndeclared = {"ExtendWebSocketsToKubelet"};
  if (value.is_object() && value.contains("declaredFeatures") && value["declaredFeatures"].is_array()) {
    json kept = json::array();
    for (const auto& feature : value["declaredFeatures"]) {
      if (kUndeclared.count(feature.get<std::string>()) == 0) kept.push_back(feature);
    }
    value["declaredFeatures"] = kept;
  }
  if (!value.is_structured()) return;
  for (auto& child : value) drop_undeclared(child);
}

json recorded_json(const std::string& path) {
  auto file = open_data(path);
  json recorded = json::parse(file);
  drop_undeclared(recorded);
  return recorded;
}

std::vector<json> recorded_requests(const std::string& verb, const std::string& uri) {
  auto file = open_data("requests/start.jsonl");
  std::vector<json> out;
  for (std::string line; std::getline(file, line);) {
    json request = json::parse(line);
    drop_undeclared(request);
    if (request["verb"] == verb && request["uri"].get<std::string>().rfind(uri, 0) == 0) {
      out.push_back(std::move(request));
    }
  }
  return out;
}

Machine recorded_machine() {
  Machine machine;
  machine.cpus = 2;
  machine.memory_bytes = 24684092ULL * 1024;
  machine.hugepage_sizes = {"2MB", "1GB"};
  machine.hugepages = {{2u << 20, 0}, {1u << 30, 0}};
  machine.kernel_version = "6.18.44-fc-v657";
  machine.os_image = "Debian GNU/Linux 12 (bookworm)";
  machine.machine_id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
  machine.system_uuid = machine.machine_id;
  machine.boot_id = "c723d12b-eead-4eef-a5e6-d9168f3c1adc";
  machine.architecture = "amd64";
  return machine;
}

std::uint64_t recorded_root_bytes() { return 264212084ULL * 1024; }

config::Configuration recorded_configuration() {
  config::Configuration configuration;
  auto& kubelet = configuration.kubelet;
  kubelet.max_pods = 250;
  kubelet.eviction_hard = {{"memory.available", "100Mi"}, {"nodefs.available", "1%"}, {"imagefs.available", "1%"}};
  kubelet.local_storage_capacity_isolation = true;
  kubelet.enable_controller_attach_detach = true;
  kubelet.register_node = true;
  kubelet.port = 10250;
  kubelet.node_status_max_images = 50;
  kubelet.node_status_update_frequency = std::chrono::seconds(10);
  kubelet.node_status_report_frequency = std::chrono::minutes(5);
  configuration.reported_version = "v1.36.2";
  configuration.node_ips = {"192.0.2.10"};
  return configuration;
}

NodeSettings recorded_settings() {
  const auto configuration = recorded_configuration();
  auto capacity = make_capacity(configuration, recorded_machine(), recorded_root_bytes());
  return node_settings(configuration, "tb-node", recorded_machine(), std::move(capacity).value());
}

StatusInputs recorded_inputs() {
  StatusInputs inputs;
  inputs.runtime.version = "containerd://1.6.20";
  std::vector<cri::Image> images;
  const json node = recorded_json("objects/node.json");
  for (const auto& image : node["status"]["images"]) {
    cri::Image entry;
    entry.repo_tags = image["names"].get<std::vector<std::string>>();
    entry.size = image["sizeBytes"].get<std::uint64_t>();
    images.insert(images.begin(), std::move(entry));  // not the order they come out in
  }
  inputs.images = std::make_shared<const NodeImages>(node_images(std::move(images), 50));
  AddressFacts facts;
  facts.local = {{"lo", "127.0.0.1"}, {"eth0", "192.0.2.10"}};
  inputs.addresses = facts;
  return inputs;
}

api::core::Node node_from(const json& object) {
  api::core::Node node;
  const Status read = api::decode_json_into(object.dump(), node);
  if (!read.ok()) {
    std::cerr << "not a Node: " << read.error().to_string() << '\n';
    std::exit(1);
  }
  return node;
}

json to_json_of(const google::protobuf::Message& message) { return json::parse(api::encode_json(message)); }

base::SystemTime time_of(const std::string& rfc3339) { return base::parse_rfc3339(rfc3339).value(); }

}  // namespace keelson::agent::testing
