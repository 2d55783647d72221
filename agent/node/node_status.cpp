#include "agent/node/node_status.hpp"

#include <algorithm>

#include "agent/node/declared_features.hpp"
#include "api/envelope.hpp"
#include "api/json_codec.hpp"
#include "api/patch.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;
using Quantities = google::protobuf::Map<std::string, k8s::resource::Quantity>;

// An equal amount keeps the text it has.
void put(Quantities& all, const std::string& resource, const Quantity& amount) {
  const auto known = all.find(resource);
  if (known == all.end() || Quantity::of(known->second) != amount) amount.store(all[resource]);
}

void set_capacity(const NodeSettings& settings, const DeviceResources& devices, api::core::NodeStatus& status) {
  auto& capacity = *status.mutable_capacity();
  for (const auto& [resource, amount] : settings.capacity.capacity) put(capacity, resource, amount);
  for (const auto& [resource, amount] : devices.capacity) put(capacity, resource, amount);
  for (const auto& resource : devices.removed) put(capacity, resource, Quantity());

  auto& allocatable = *status.mutable_allocatable();
  std::vector<std::string> vanished;
  for (const auto& [resource, amount] : allocatable) {
    if (!capacity.contains(resource) && api::is_extended_resource(resource)) vanished.push_back(resource);
  }
  for (const auto& resource : vanished) allocatable.erase(resource);
  ResourceMap left = allocatable_of(api::to_resource_map(capacity), settings.capacity.reservation);
  for (const auto& [resource, amount] : devices.allocatable) left[resource] = amount;
  for (const auto& [resource, amount] : left) put(allocatable, resource, amount);
}

std::vector<std::string> missing_capacity(const NodeSettings& settings, const api::core::NodeStatus& status) {
  std::vector<std::string> missing;
  for (const char* resource : {"cpu", "memory", "pods", "ephemeral-storage"}) {
    if (!settings.local_storage && resource == std::string_view("ephemeral-storage")) continue;
    if (!status.capacity().contains(resource)) missing.emplace_back(resource);
  }
  return missing;
}

void set_node_info(const NodeSettings& settings, const RuntimeFacts& runtime, api::core::NodeStatus& status) {
  const Machine& machine = settings.machine;
  auto& info = *status.mutable_nodeinfo();
  info.set_machineid(machine.machine_id);
  info.set_systemuuid(machine.system_uuid);
  info.set_bootid(machine.boot_id);
  info.set_kernelversion(machine.kernel_version);
  info.set_osimage(machine.os_image);
  info.set_containerruntimeversion(runtime.version);
  info.set_kubeletversion(settings.version);
  info.clear_kubeproxyversion();
  info.set_operatingsystem("linux");
  info.set_architecture(machine.architecture);
  if (machine.swap_bytes > 0) {
    info.mutable_swap()->set_capacity(static_cast<std::int64_t>(machine.swap_bytes));
  } else {
    info.clear_swap();  // the API refuses 0
  }
}

void set_runtime(const NodeSettings& settings, const RuntimeFacts& runtime, api::core::NodeStatus& status) {
  std::vector<cri::RuntimeHandler> handlers = runtime.handlers;
  std::sort(handlers.begin(), handlers.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  status.clear_runtimehandlers();
  for (const auto& handler : handlers) {
    auto* entry = status.add_runtimehandlers();
    if (!handler.name.empty()) entry->set_name(handler.name);
    entry->mutable_features()->set_recursivereadonlymounts(handler.recursive_read_only_mounts);
    entry->mutable_features()->set_usernamespaces(handler.user_namespaces);
  }
  status.clear_features();
  if (runtime.supplemental_groups_policy) {
    status.mutable_features()->set_supplementalgroupspolicy(*runtime.supplemental_groups_policy);
  }
  status.clear_declaredfeatures();
  for (auto& feature : declared_features(settings.gates, runtime.user_namespaces_host_network)) {
    status.add_declaredfeatures(std::move(feature));
  }
}

void set_lists(const StatusInputs& inputs, api::core::NodeStatus& status) {
  if (inputs.images != nullptr) status.mutable_images()->Assign(inputs.images->begin(), inputs.images->end());
  if (!inputs.volumes_in_use) return;
  std::vector<std::string> volumes = *inputs.volumes_in_use;
  std::sort(volumes.begin(), volumes.end());
  volumes.erase(std::unique(volumes.begin(), volumes.end()), volumes.end());
  status.mutable_volumesinuse()->Assign(volumes.begin(), volumes.end());
}

// Others may have taken them away.
void set_platform_labels(const NodeSettings& settings, api::core::Node& node) {
  auto& labels = *node.mutable_metadata()->mutable_labels();
  labels["kubernetes.io/os"] = "linux";
  labels["kubernetes.io/arch"] = settings.machine.architecture;
}

bool same_addresses(const api::core::NodeStatus& a, const api::core::NodeStatus& b) {
  const auto equal = [](const auto& x, const auto& y) { return x.type() == y.type() && x.address() == y.address(); };
  return std::equal(a.addresses().begin(), a.addresses().end(), b.addresses().begin(), b.addresses().end(), equal);
}

api::Node map_node() { return api::Node(api::Node::Kind::map); }

api::Node text_node(std::string text) {
  api::Node node(api::Node::Kind::string);
  node.text = std::move(text);
  return node;
}

void put_entry(api::Node& map, std::string key, api::Node value) {
  api::Node::Entry entry;
  entry.key = std::move(key);
  entry.value = std::move(value);
  map.entries.push_back(std::move(entry));
}

api::Node& child(api::Node& map, std::string_view key) {
  for (auto& entry : map.entries) {
    if (entry.key == key) return entry.value;
  }
  put_entry(map, std::string(key), map_node());
  return map.entries.back().value;
}

// The API merges addresses by type, which cannot say what we mean: the whole list, to replace the old one.
void replace_addresses(const api::core::NodeStatus& status, api::Node& patch) {
  api::Node list(api::Node::Kind::list);
  for (const auto& address : status.addresses()) list.items.push_back(api::encode_node(address));
  api::Node directive = map_node();
  put_entry(directive, "$patch", text_node("replace"));
  list.items.push_back(std::move(directive));
  api::Node& target = child(patch, "status");
  std::erase_if(target.entries, [](const api::Node::Entry& entry) { return entry.key == "addresses"; });
  put_entry(target, "addresses", std::move(list));
}

}  // namespace

NextStatus next_status(const NodeSettings& settings, const StatusInputs& inputs, const api::core::Node& existing,
                       base::SystemTime now) {
  NextStatus next;
  next.node = existing;
  api::core::Node& node = next.node;
  auto& status = *node.mutable_status();
  set_platform_labels(settings, node);
  if (inputs.addresses) next.addresses = set_addresses(settings.addresses, *inputs.addresses, node);
  const std::string& boot_id = existing.status().nodeinfo().bootid();
  next.rebooted = !boot_id.empty() && boot_id != settings.machine.boot_id;
  set_capacity(settings, inputs.devices, status);
  set_node_info(settings, inputs.runtime, status);
  status.mutable_daemonendpoints()->mutable_kubeletendpoint()->set_port(settings.port);
  set_lists(inputs, status);
  set_runtime(settings, inputs.runtime, status);
  ReadyCauses causes = inputs.causes;
  causes.missing_capacity = missing_capacity(settings, status);
  next.events = update_conditions(inputs.pressures, causes, now, node);
  return next;
}

NextStatus first_node(const NodeSettings& settings, const StatusInputs& inputs, base::SystemTime now) {
  return next_status(settings, inputs, new_node(settings), now);
}

bool status_differs(const api::core::Node& before, const api::core::Node& after) {
  api::core::Node quiet = after;
  for (auto& condition : *quiet.mutable_status()->mutable_conditions()) {
    const auto* known = find_condition(before, condition.type());
    if (known == nullptr) return true;
    *condition.mutable_lastheartbeattime() = known->lastheartbeattime();
    if (!known->has_lastheartbeattime()) condition.clear_lastheartbeattime();
  }
  return !api::same(before, quiet);
}

std::string status_patch(const api::core::Node& before, const api::core::Node& after) {
  api::core::Node to = after;
  if (before.has_spec()) {
    *to.mutable_spec() = before.spec();
  } else {
    to.clear_spec();
  }
  const bool replaces = before.status().addresses_size() > 0 && !same_addresses(before.status(), after.status());
  if (replaces) *to.mutable_status()->mutable_addresses() = before.status().addresses();
  const api::Node old_tree = api::encode_node(before);
  const api::Node new_tree = api::encode_node(to);
  api::Node patch = api::strategic_merge_diff(old_tree, new_tree, api::core::Node::descriptor());
  if (!patch.is_map()) patch = map_node();
  if (replaces) replace_addresses(after.status(), patch);
  return api::to_json(patch);
}

base::Duration ReportTimes::spread(base::Duration frequency, base::Random& random) {
  std::uniform_real_distribution<double> part(-0.5, 0.5);
  return base::Duration(static_cast<base::Duration::rep>(static_cast<double>(frequency.count()) * part(random)));
}

}  // namespace keelson::agent
