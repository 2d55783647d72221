#include "agent/status/resources_status.hpp"

#include "agent/pod_config/qos.hpp"
#include "api/quantity.hpp"
#include "cgroup-manager/formulas.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;
using Resources = google::protobuf::Map<std::string, k8s::resource::Quantity>;

// The kernel's smallest values: they stand for "less than that", so what was asked for is shown.
constexpr std::int64_t kLeastLimitMilli = 10;
constexpr std::int64_t kLeastRequestMilli = 2;

void put(Resources& resources, const char* name, const Quantity& value) { value.store(resources[name]); }

void store(const ResourceList& from, Resources& to) {
  for (const auto& [name, quantity] : from) quantity.store(to[name]);
}

// Replaces a value that is there; where nothing was asked for, nothing is shown.
void correct(Resources& resources, const char* name, const Quantity& actual) {
  const auto found = resources.find(name);
  if (found != resources.end()) actual.store(found->second);
}

void correct_from_runtime(const cri::LinuxContainerResources& actual, api::core::ResourceRequirements& out) {
  const std::int64_t limit = cgroups::milli_from_quota(actual.cpu_quota, actual.cpu_period);
  if (limit > kLeastLimitMilli) correct(*out.mutable_limits(), "cpu", Quantity::from_milli(limit));
  if (actual.memory_limit_in_bytes > 0) {
    correct(*out.mutable_limits(), "memory", Quantity::bytes(actual.memory_limit_in_bytes));
  }
  const std::int64_t request = cgroups::milli_from_shares(actual.cpu_shares);
  if (request > kLeastRequestMilli) correct(*out.mutable_requests(), "cpu", Quantity::from_milli(request));
}

void keep_reported(const Resources& before, const char* name, Resources& out) {
  const auto found = before.find(name);
  if (found != before.end()) out[name] = found->second;
}

// Of a running pod: what its cgroup says, the rest only where the pod as a whole asks for it.
void fill_from_cgroup(const StatusInput& input, api::core::ResourceRequirements& out) {
  const PodCgroupValues& actual = *input.pod_cgroup;
  const auto& before = input.before.resources();
  const ResourceList requests = effective_requests(input.pod, {.overhead = false});
  out = input.pod.spec().resources();
  out.mutable_requests()->erase("cpu");
  if (const auto memory = requests.find("memory"); memory != requests.end()) {
    put(*out.mutable_requests(), "memory", memory->second);
  }
  if (actual.cpu_shares) {
    const std::int64_t milli = cgroups::milli_from_shares(*actual.cpu_shares);
    if (milli > kLeastRequestMilli) put(*out.mutable_requests(), "cpu", Quantity::from_milli(milli));
  } else {
    keep_reported(before.requests(), "cpu", *out.mutable_requests());
  }
  if (actual.cpu_quota_us && actual.cpu_period_us && *actual.cpu_quota_us > 0) {
    put(*out.mutable_limits(), "cpu",
        Quantity::from_milli(cgroups::milli_from_quota(*actual.cpu_quota_us, *actual.cpu_period_us)));
  } else {
    keep_reported(before.limits(), "cpu", *out.mutable_limits());
  }
  if (actual.memory_limit_bytes) {
    put(*out.mutable_limits(), "memory", Quantity::bytes(*actual.memory_limit_bytes));
  } else {
    keep_reported(before.limits(), "memory", *out.mutable_limits());
  }
}

}  // namespace

void fill_container_resources(const api::core::Container& spec, const cri::ContainerStatus& newest,
                              api::core::ContainerStatus& out) {
  auto& resources = *out.mutable_resources();
  resources = spec.resources();
  if (newest.state == cri::ContainerState::running && newest.resources) {
    correct_from_runtime(*newest.resources, resources);
  }
  *out.mutable_allocatedresources() = spec.resources().requests();
}

void fill_pod_resources(const StatusInput& input, api::core::PodStatus& out) {
  const ResourceList requests = effective_requests(input.pod, {.overhead = false});
  store(requests, *out.mutable_allocatedresources());
  auto& resources = *out.mutable_resources();
  if (input.pod_cgroup && input.pod.status().phase() == "Running") {
    fill_from_cgroup(input, resources);
    return;
  }
  store(requests, *resources.mutable_requests());
  store(effective_limits(input.pod, {.overhead = false}), *resources.mutable_limits());
}

}  // namespace keelson::agent
