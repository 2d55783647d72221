#include "tests/golden/recordings.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>

#include "agent/pod_config/log_paths.hpp"
#include "agent/pod_config/mounts.hpp"
#include "agent/pod_config/qos.hpp"
#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "cgroup-manager/names.hpp"

namespace keelson::golden {
namespace {

const std::string kData = KEELSON_SOURCE_DIR "/tests/golden/data/";
const std::string kRoot = "<ROOT>";

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << why << '\n';
  std::exit(1);
}

api::Pod parse_pod(const std::string& name, const json& live) {
  api::Pod pod;
  const std::string text = live.dump();
  const auto node = api::parse_json(text);
  if (!node.ok()) give_up(name + ": " + node.error().to_string());
  const Status status = api::decode(node.value(), pod);
  if (!status.ok()) give_up(name + ": " + status.error().to_string());
  return pod;
}

Recording load_recording(const std::string& file) {
  Recording recording;
  recording.name = std::filesystem::path(file).stem();
  recording.data = load("pods/" + file);
  recording.pod = parse_pod(recording.name, recording.data.at("live"));
  auto& annotations = *recording.pod.mutable_metadata()->mutable_annotations();
  annotations["kubernetes.io/config.source"] = "api";
  const auto& sandboxes = recording.data.at("sandboxes");
  if (!sandboxes.empty()) {
    const auto& recorded = sandboxes[0].at("config").at("annotations");
    annotations["kubernetes.io/config.seen"] = recorded.at("kubernetes.io/config.seen").get<std::string>();
  }
  recording.pod.clear_status();
  return recording;
}

// The objects in the namespace of the recorded pods.
class RecordedObjects final : public agent::ObjectResolver {
 public:
  RecordedObjects() {
    (*map_.mutable_data())["k1"] = "v1";
    (*map_.mutable_data())["k2"] = "v2\n";
    (*map_.mutable_binarydata())["bin"] = std::string("\0\1\2", 3);
    (*secret_.mutable_data())["user"] = "admin";
    (*secret_.mutable_data())["pass"] = "s3cret";
  }
  Result<const api::core::ConfigMap*> config_map(const std::string&, const std::string& name) const override {
    if (name == "cm") return &map_;
    return Error(ErrorKind::not_found, "configmap \"" + name + "\" not found");
  }
  Result<const api::core::Secret*> secret(const std::string&, const std::string& name) const override {
    if (name == "sec") return &secret_;
    return Error(ErrorKind::not_found, "secret \"" + name + "\" not found");
  }

 private:
  api::core::ConfigMap map_;
  api::core::Secret secret_;
};

agent::ResolvedVolume resolve(const api::Pod& pod, const api::core::Volume& volume) {
  const auto& source = volume.volumesource();
  const auto in_pod = [&](const std::string& plugin, bool read_only) {
    return agent::ResolvedVolume{
        kRoot + "/pods/" + pod.metadata().uid() + "/volumes/kubernetes.io~" + plugin + "/" + volume.name(), read_only,
        false, std::nullopt};
  };
  if (source.has_emptydir()) return in_pod("empty-dir", false);
  if (source.has_configmap()) return in_pod("configmap", true);
  if (source.has_secret()) return in_pod("secret", true);
  if (source.has_downwardapi()) return in_pod("downward-api", true);
  if (source.has_projected()) return in_pod("projected", true);
  return {source.hostpath().path(), false, false, std::nullopt};
}

// The eight hex digits of the termination file among the recorded mounts.
std::uint32_t termination_number(const json& config) {
  for (const auto& mount : config.at("mounts")) {
    const std::string path = mount.at("host_path");
    std::smatch match;
    if (std::regex_search(path, match, std::regex("/containers/[^/]+/([0-9a-f]{8})$"))) {
      return static_cast<std::uint32_t>(std::stoul(match[1], nullptr, 16));
    }
  }
  return 0;
}

json sorted_by_dump(json list) {
  std::sort(list.begin(), list.end(), [](const json& a, const json& b) { return a.dump() < b.dump(); });
  return list;
}

// Orders that the contract leaves open.
void put_in_order(json& config) {
  if (config.contains("envs")) config["envs"] = sorted_by_dump(config["envs"]);
  if (config.contains("dns_config") && config["dns_config"].contains("options")) {
    config["dns_config"]["options"] = sorted_by_dump(config["dns_config"]["options"]);
  }
}

}  // namespace

json load(const std::string& path) {
  std::ifstream file(kData + path);
  if (!file) give_up("cannot open " + kData + path);
  json parsed = json::parse(file, nullptr, false);
  if (parsed.is_discarded()) give_up(kData + path + " is no JSON");
  return parsed;
}

std::vector<std::string> Recording::pod_ips() const {
  std::vector<std::string> ips;
  for (const auto& ip : data.at("live").at("status").value("podIPs", json::array())) ips.push_back(ip.at("ip"));
  return ips;
}

std::vector<std::string> Recording::container_names() const {
  std::vector<std::string> names;
  for (const auto& container : pod.spec().initcontainers()) names.push_back(container.name());
  for (const auto& container : pod.spec().containers()) names.push_back(container.name());
  return names;
}

std::size_t Recording::termination_files(const std::string& container) const {
  std::size_t count = 0;
  const std::regex file("containers/" + container + "/[0-9a-f]{8}");
  for (const auto& entry : data.at("pod_dir")) count += std::regex_match(entry.at("path").get<std::string>(), file);
  return count;
}

std::string Recording::event(const std::string& reason) const {
  for (const auto& event : data.at("events")) {
    if (event.at("reason") == reason) return event.at("message");
  }
  return "";
}

const std::vector<Recording>& recordings() {
  static const std::vector<Recording> all = [] {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(kData + "pods")) {
      files.push_back(entry.path().filename());
    }
    std::sort(files.begin(), files.end());
    std::vector<Recording> loaded;
    for (const auto& file : files) loaded.push_back(load_recording(file));
    return loaded;
  }();
  return all;
}

const Recording& recording(const std::string& name) {
  const auto it = std::find_if(recordings().begin(), recordings().end(),
                               [&](const Recording& recording) { return recording.name == name; });
  if (it == recordings().end()) give_up("no recording " + name);
  return *it;
}

const agent::ObjectResolver& recorded_objects() {
  static const RecordedObjects objects;
  return objects;
}

std::vector<agent::ServiceInfo> recorded_services() {
  return {{"default", "kubernetes", "10.96.0.1", {{"https", "TCP", 443}}},
          {"golden", "svc-a", "10.96.95.7", {{"web", "TCP", 80}, {"dns", "UDP", 53}}},
          {"elsewhere", "svc-b", "10.96.1.1", {{"", "TCP", 1}}}};
}

agent::NodeInfo recorded_node() {
  const json status = load("objects/node.json").at("status");
  agent::NodeInfo node;
  const auto quantity = [](const json& text) { return api::Quantity::parse(text.get<std::string>()).value(); };
  node.memory_bytes = quantity(status.at("capacity").at("memory")).value();
  for (const auto& [name, text] : status.at("allocatable").items()) node.allocatable[name] = quantity(text);
  node.hugepage_sizes = {"2MB", "1GB"};
  node.swap_controller = true;
  node.root_dir = kRoot;
  node.cluster_dns = {"10.96.0.10"};
  node.cluster_domain = "cluster.local";
  node.node_ips = {"192.0.2.10"};
  return node;
}

agent::SandboxInputs sandbox_inputs(const Recording& recording) {
  agent::SandboxInputs inputs;
  inputs.node = recorded_node();
  inputs.cgroup_parent =
      cgroups::cgroupfs_path(cgroups::pod({}, agent::qos_class(recording.pod), recording.pod.metadata().uid()));
  inputs.resolv_conf = "nameserver 10.255.255.53\n";
  return inputs;
}

agent::ContainerInputs container_inputs(const Recording& recording, const api::core::Container& container,
                                        const json& config) {
  agent::ContainerInputs inputs;
  inputs.node = recorded_node();
  inputs.restart_count = config.at("metadata").value("attempt", 0u);
  inputs.image_ref = config.at("image").at("image");
  inputs.environment.objects = &recorded_objects();
  inputs.environment.services = recorded_services();
  inputs.environment.services_synced = true;
  inputs.environment.host_ip = "192.0.2.10";
  inputs.environment.host_ips = {"192.0.2.10"};
  inputs.environment.pod_ips = recording.pod_ips();
  inputs.environment.allocatable = inputs.node.allocatable;
  for (const auto& volume : recording.pod.spec().volumes()) {
    inputs.volumes[volume.name()] = resolve(recording.pod, volume);
  }
  const auto requests = agent::sub_path_requests(recording.pod, container, {}, inputs.volumes, inputs.node);
  for (const auto& request : requests.value()) inputs.sub_paths[request.index] = request.target;
  inputs.termination_file =
      agent::termination_file_path(kRoot, recording.pod.metadata().uid(), container.name(), termination_number(config));
  return inputs;
}

const api::core::Container& find_container(const api::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec().initcontainers(), &pod.spec().containers()}) {
    for (const auto& container : *list) {
      if (container.name() == name) return container;
    }
  }
  give_up("no container " + name);
}

std::string differences(const json& recorded, json ours, const std::vector<std::string>& left_out) {
  json expected = recorded;
  put_in_order(expected);
  put_in_order(ours);
  std::string text;
  for (const auto& change : json::diff(expected, ours)) {
    const std::string path = change.at("path");
    const bool added = change.at("op") == "add";
    if (added && std::find(left_out.begin(), left_out.end(), path) != left_out.end()) continue;
    text += path + ": recorded ";
    const json::json_pointer at(path);
    text += expected.contains(at) ? expected.at(at).dump() : "nothing";
    text += ", ours " + (change.contains("value") ? change.at("value").dump() : std::string("nothing")) + "\n";
  }
  return text;
}

}  // namespace keelson::golden
