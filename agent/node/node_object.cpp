#include "agent/node/node_object.hpp"

#include "api/pod_resources.hpp"
#include "api/quantity.hpp"

namespace keelson::agent {
namespace {

using Quantities = google::protobuf::Map<std::string, k8s::resource::Quantity>;

constexpr char kAttachDetach[] = "volumes.kubernetes.io/controller-managed-attach-detach";

constexpr const char* kDefaultLabels[] = {
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
};

void add_taint(api::core::NodeSpec& spec, const config::Taint& taint) {
  for (const auto& known : spec.taints()) {
    if (known.key() == taint.key && known.effect() == taint.effect) return;
  }
  auto* added = spec.add_taints();
  added->set_key(taint.key);
  if (!taint.value.empty()) added->set_value(taint.value);
  added->set_effect(taint.effect);
}

void reconcile_annotations(const api::core::Node& wanted, api::core::Node& node) {
  const auto ours = wanted.metadata().annotations().find(kAttachDetach);
  if (ours != wanted.metadata().annotations().end()) {
    (*node.mutable_metadata()->mutable_annotations())[kAttachDetach] = ours->second;
  } else if (node.metadata().annotations().contains(kAttachDetach)) {
    node.mutable_metadata()->mutable_annotations()->erase(kAttachDetach);
  }
}

void reconcile_labels(const api::core::Node& wanted, api::core::Node& node) {
  auto& labels = *node.mutable_metadata()->mutable_labels();
  for (const char* label : kDefaultLabels) {
    const auto ours = wanted.metadata().labels().find(label);
    if (ours != wanted.metadata().labels().end()) labels[label] = ours->second;
    const auto now = labels.find(label);
    if (now != labels.end() && now->second.empty()) labels.erase(label);
  }
}

void reconcile_hugepages(const Quantities& wanted, Quantities& now) {
  std::vector<std::string> vanished;
  for (const auto& [resource, amount] : now) {
    if (api::is_hugepages(resource) && !wanted.contains(resource)) vanished.push_back(resource);
  }
  for (const auto& resource : vanished) now.erase(resource);
  for (const auto& [resource, amount] : wanted) {
    if (!api::is_hugepages(resource)) continue;
    const auto known = now.find(resource);
    if (known != now.end() && api::Quantity::of(known->second) == api::Quantity::of(amount)) continue;
    now[resource] = amount;
  }
}

void zero_devices(Quantities& now) {
  for (auto& [resource, amount] : now) {
    if (api::is_extended_resource(resource)) api::Quantity().store(amount);
  }
}

}  // namespace

NodeSettings node_settings(const config::Configuration& configuration, const std::string& name, const Machine& machine,
                           NodeCapacity capacity) {
  const auto& kubelet = configuration.kubelet;
  NodeSettings settings;
  settings.name = name;
  settings.machine = machine;
  settings.capacity = std::move(capacity);
  settings.addresses.node_name = name;
  settings.addresses.configured = configuration.node_ips;
  settings.addresses.external_cloud = configuration.flags.cloud_provider == "external";
  settings.labels = configuration.flags.node_labels;
  settings.taints = kubelet.register_with_taints;
  settings.provider_id = kubelet.provider_id;
  settings.version = configuration.reported_version;
  settings.port = kubelet.port;
  settings.max_images = kubelet.node_status_max_images;
  settings.attach_detach = kubelet.enable_controller_attach_detach;
  settings.local_storage = kubelet.local_storage_capacity_isolation;
  settings.register_node = kubelet.register_node;
  settings.get_only_when_it_exists = configuration.gates.enabled("KubeletRegistrationGetOnExistsOnly");
  settings.update_frequency = kubelet.node_status_update_frequency;
  settings.report_frequency = kubelet.node_status_report_frequency;
  settings.gates = configuration.gates;
  return settings;
}

api::core::Node new_node(const NodeSettings& settings) {
  api::core::Node node;
  auto& metadata = *node.mutable_metadata();
  metadata.set_name(settings.name);
  auto& labels = *metadata.mutable_labels();
  labels["kubernetes.io/hostname"] = settings.name;
  labels["kubernetes.io/os"] = "linux";
  labels["beta.kubernetes.io/os"] = "linux";
  labels["kubernetes.io/arch"] = settings.machine.architecture;
  labels["beta.kubernetes.io/arch"] = settings.machine.architecture;
  for (const auto& [key, value] : settings.labels) labels[key] = value;
  if (settings.attach_detach) (*metadata.mutable_annotations())[kAttachDetach] = "true";
  for (const auto& taint : settings.taints) add_taint(*node.mutable_spec(), taint);
  if (settings.addresses.external_cloud) {
    const config::Taint taint{"node.cloudprovider.kubernetes.io/uninitialized", "true", "NoSchedule", std::nullopt};
    add_taint(*node.mutable_spec(), taint);
  }
  if (!settings.provider_id.empty()) node.mutable_spec()->set_providerid(settings.provider_id);
  return node;
}

api::core::Node reconciled(const api::core::Node& existing, const api::core::Node& wanted, bool reset_devices) {
  api::core::Node node = existing;
  reconcile_annotations(wanted, node);
  reconcile_labels(wanted, node);
  auto& status = *node.mutable_status();
  if (status.capacity().empty()) *status.mutable_capacity() = wanted.status().capacity();
  if (status.allocatable().empty()) *status.mutable_allocatable() = wanted.status().allocatable();
  reconcile_hugepages(wanted.status().capacity(), *status.mutable_capacity());
  reconcile_hugepages(wanted.status().allocatable(), *status.mutable_allocatable());
  if (reset_devices) {
    zero_devices(*status.mutable_capacity());
    zero_devices(*status.mutable_allocatable());
  }
  return node;
}

std::string pod_cidrs(const api::core::Node& node) {
  std::string out;
  for (const auto& cidr : node.spec().podcidrs()) out += (out.empty() ? "" : ",") + cidr;
  return out;
}

}  // namespace keelson::agent
