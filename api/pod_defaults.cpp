#include "api/pod_defaults.hpp"

#include "api/pod_resources.hpp"
#include "api/quantity.hpp"

namespace keelson::api {
namespace {

constexpr int32_t kFileMode = 0644;
constexpr int64_t kGracePeriodSeconds = 30;
constexpr int64_t kTokenSeconds = 3600;

// The API keeps no more than three decimals of a resource.
void round_up_to_milli(ResourceMessageMap& resources) {
  for (auto& [name, message] : resources) {
    const auto quantity = Quantity::of(message);
    const auto rounded = Quantity::from_milli(quantity.milli_value(), quantity.format());
    const bool finer = quantity.scaled(-9) % 1'000'000 != 0;
    if (finer) rounded.store(message);
  }
}

void round_resources(core::ResourceRequirements& resources) {
  round_up_to_milli(*resources.mutable_limits());
  round_up_to_milli(*resources.mutable_requests());
}

void default_field_ref(core::ObjectFieldSelector& selector) {
  if (selector.apiversion().empty()) selector.set_apiversion("v1");
}

void default_http_get(core::HTTPGetAction& http) {
  if (http.path().empty()) http.set_path("/");
  if (http.scheme().empty()) http.set_scheme("HTTP");
}

void default_probe(core::Probe& probe) {
  if (probe.timeoutseconds() == 0) probe.set_timeoutseconds(1);
  if (probe.periodseconds() == 0) probe.set_periodseconds(10);
  if (probe.successthreshold() == 0) probe.set_successthreshold(1);
  if (probe.failurethreshold() == 0) probe.set_failurethreshold(3);
  if (!probe.has_handler()) return;
  auto& handler = *probe.mutable_handler();
  if (handler.has_httpget()) default_http_get(*handler.mutable_httpget());
  if (handler.has_grpc() && !handler.grpc().has_service()) handler.mutable_grpc()->set_service("");
}

void default_hook(core::LifecycleHandler& hook) {
  if (hook.has_httpget()) default_http_get(*hook.mutable_httpget());
}

void default_env(core::EnvVar& variable) {
  if (!variable.has_valuefrom()) return;
  auto& from = *variable.mutable_valuefrom();
  if (from.has_fieldref()) default_field_ref(*from.mutable_fieldref());
  if (from.has_filekeyref() && !from.filekeyref().has_optional()) from.mutable_filekeyref()->set_optional(false);
}

void default_container(core::Container& container) {
  if (container.imagepullpolicy().empty()) container.set_imagepullpolicy(default_pull_policy(container.image()));
  if (container.terminationmessagepath().empty()) container.set_terminationmessagepath("/dev/termination-log");
  if (container.terminationmessagepolicy().empty()) container.set_terminationmessagepolicy("File");
  for (auto& port : *container.mutable_ports()) {
    if (port.protocol().empty()) port.set_protocol("TCP");
  }
  for (auto& variable : *container.mutable_env()) default_env(variable);
  if (container.has_resources()) round_resources(*container.mutable_resources());
  if (container.has_livenessprobe()) default_probe(*container.mutable_livenessprobe());
  if (container.has_readinessprobe()) default_probe(*container.mutable_readinessprobe());
  if (container.has_startupprobe()) default_probe(*container.mutable_startupprobe());
  if (container.lifecycle().has_poststart()) default_hook(*container.mutable_lifecycle()->mutable_poststart());
  if (container.lifecycle().has_prestop()) default_hook(*container.mutable_lifecycle()->mutable_prestop());
}

void default_ephemeral_container(core::EphemeralContainer& ephemeral) {
  // EphemeralContainerCommon has the field numbers of Container, by the API's own promise.
  core::Container container;
  container.ParseFromString(ephemeral.ephemeralcontainercommon().SerializeAsString());
  default_container(container);
  ephemeral.mutable_ephemeralcontainercommon()->ParseFromString(container.SerializeAsString());
}

void requests_from_limits(core::Container& container) {
  if (container.resources().limits().empty()) return;
  auto& resources = *container.mutable_resources();
  for (const auto& [name, limit] : resources.limits()) resources.mutable_requests()->insert({name, limit});
}

void host_ports(core::Container& container) {
  for (auto& port : *container.mutable_ports()) {
    if (port.hostport() == 0) port.set_hostport(port.containerport());
  }
}

bool has_pod_level(const ResourceMessageMap& resources) {
  for (const auto& [name, quantity] : resources) {
    if (is_pod_level_resource(name)) return true;
  }
  return false;
}

bool every_container_limits(const core::PodSpec& spec, const std::string& resource) {
  const auto limits = [&](const core::Container& container) {
    return container.resources().limits().count(resource) > 0;
  };
  for (const auto& container : spec.containers()) {
    if (!limits(container)) return false;
  }
  for (const auto& container : spec.initcontainers()) {
    if (!limits(container)) return false;
  }
  return true;
}

void add_missing(ResourceMessageMap& resources, const std::string& name, const Quantity& quantity) {
  if (resources.count(name) == 0) quantity.store(resources[name]);
}

// Pod-level resources are completed only where the pod already has some.
void default_pod_resources(core::PodSpec& spec) {
  if (!spec.has_resources()) return;
  auto& resources = *spec.mutable_resources();
  auto& limits = *resources.mutable_limits();
  auto& requests = *resources.mutable_requests();

  if (!limits.empty() || !requests.empty()) {
    for (const auto& [name, total] : aggregate_limits(spec)) {
      if (is_hugepages(name) && requests.count(name) == 0) add_missing(limits, name, total);
    }
  }
  if (!limits.empty()) {
    for (const auto& [name, total] : aggregate_requests(spec)) {
      if (is_pod_level_resource(name) && is_overcommit_allowed(name)) add_missing(requests, name, total);
    }
    for (const auto& [name, limit] : limits) {
      if (is_pod_level_resource(name)) requests.insert({name, limit});
    }
  }
  if (!has_pod_level(limits) && has_pod_level(requests)) {
    for (const auto& [name, total] : aggregate_limits(spec)) {
      if (!is_pod_level_resource(name) || !is_overcommit_allowed(name)) continue;
      if (every_container_limits(spec, name)) add_missing(limits, name, total);
    }
  }
  round_resources(resources);
}

template <class Source>
void default_mode(Source& source) {
  if (!source.has_defaultmode()) source.set_defaultmode(kFileMode);
}

template <class Items>
void default_downward_items(Items& items) {
  for (auto& item : items) {
    if (item.has_fieldref()) default_field_ref(*item.mutable_fieldref());
  }
}

void default_projected(core::ProjectedVolumeSource& projected) {
  default_mode(projected);
  for (auto& source : *projected.mutable_sources()) {
    if (source.has_downwardapi()) default_downward_items(*source.mutable_downwardapi()->mutable_items());
    if (source.has_serviceaccounttoken() && !source.serviceaccounttoken().has_expirationseconds()) {
      source.mutable_serviceaccounttoken()->set_expirationseconds(kTokenSeconds);
    }
  }
}

void default_iscsi(core::ISCSIVolumeSource& iscsi) {
  if (iscsi.iscsiinterface().empty()) iscsi.set_iscsiinterface("default");
}

void default_rbd(core::RBDVolumeSource& rbd) {
  if (rbd.pool().empty()) rbd.set_pool("rbd");
  if (rbd.user().empty()) rbd.set_user("admin");
  if (rbd.keyring().empty()) rbd.set_keyring("/etc/ceph/keyring");
}

void default_azure_disk(core::AzureDiskVolumeSource& disk) {
  if (!disk.has_cachingmode()) disk.set_cachingmode("ReadWrite");
  if (!disk.has_fstype()) disk.set_fstype("ext4");
  if (!disk.has_readonly()) disk.set_readonly(false);
  if (!disk.has_kind()) disk.set_kind("Shared");
}

void default_scaleio(core::ScaleIOVolumeSource& scaleio) {
  if (scaleio.storagemode().empty()) scaleio.set_storagemode("ThinProvisioned");
  if (scaleio.fstype().empty()) scaleio.set_fstype("xfs");
}

void default_claim_template(core::PersistentVolumeClaimTemplate& claim) {
  auto& spec = *claim.mutable_spec();
  if (!spec.has_volumemode()) spec.set_volumemode("Filesystem");
  if (!spec.has_resources()) return;
  round_up_to_milli(*spec.mutable_resources()->mutable_limits());
  round_up_to_milli(*spec.mutable_resources()->mutable_requests());
}

void default_volume(core::Volume& volume) {
  auto& source = *volume.mutable_volumesource();
  if (source.ByteSizeLong() == 0) source.mutable_emptydir();
  if (source.has_hostpath() && !source.hostpath().has_type()) source.mutable_hostpath()->set_type("");
  if (source.has_secret()) default_mode(*source.mutable_secret());
  if (source.has_configmap()) default_mode(*source.mutable_configmap());
  if (source.has_downwardapi()) {
    default_mode(*source.mutable_downwardapi());
    default_downward_items(*source.mutable_downwardapi()->mutable_items());
  }
  if (source.has_projected()) default_projected(*source.mutable_projected());
  if (source.has_iscsi()) default_iscsi(*source.mutable_iscsi());
  if (source.has_rbd()) default_rbd(*source.mutable_rbd());
  if (source.has_azuredisk()) default_azure_disk(*source.mutable_azuredisk());
  if (source.has_scaleio()) default_scaleio(*source.mutable_scaleio());
  if (source.ephemeral().has_volumeclaimtemplate()) {
    default_claim_template(*source.mutable_ephemeral()->mutable_volumeclaimtemplate());
  }
  if (source.has_image() && source.image().pullpolicy().empty()) {
    source.mutable_image()->set_pullpolicy(default_pull_policy(source.image().reference()));
  }
}

void default_spec(core::PodSpec& spec) {
  if (spec.dnspolicy().empty()) spec.set_dnspolicy("ClusterFirst");
  if (spec.restartpolicy().empty()) spec.set_restartpolicy("Always");
  if (spec.schedulername().empty()) spec.set_schedulername("default-scheduler");
  if (!spec.has_securitycontext()) spec.mutable_securitycontext();
  if (!spec.has_enableservicelinks()) spec.set_enableservicelinks(true);
  if (!spec.has_terminationgraceperiodseconds()) spec.set_terminationgraceperiodseconds(kGracePeriodSeconds);
  if (!spec.overhead().empty()) round_up_to_milli(*spec.mutable_overhead());
  // Both names of one field: the deprecated one follows, as conversion does.
  if (spec.serviceaccountname().empty()) {
    if (!spec.serviceaccount().empty()) spec.set_serviceaccountname(spec.serviceaccount());
  } else {
    spec.set_serviceaccount(spec.serviceaccountname());
  }
}

}  // namespace

void set_pod_defaults(core::Pod& pod) {
  auto& spec = *pod.mutable_spec();
  for (auto& container : *spec.mutable_containers()) requests_from_limits(container);
  for (auto& container : *spec.mutable_initcontainers()) requests_from_limits(container);
  default_pod_resources(spec);
  default_spec(spec);
  for (auto& volume : *spec.mutable_volumes()) default_volume(volume);
  for (auto& container : *spec.mutable_containers()) default_container(container);
  for (auto& container : *spec.mutable_initcontainers()) default_container(container);
  for (auto& container : *spec.mutable_ephemeralcontainers()) default_ephemeral_container(container);
  if (!spec.hostnetwork()) return;
  for (auto& container : *spec.mutable_containers()) host_ports(container);
  for (auto& container : *spec.mutable_initcontainers()) host_ports(container);
}

}  // namespace keelson::api
