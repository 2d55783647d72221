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

std::int64_t milli_of(const Resources& resources, const char* name) {
  const auto found = resources.find(name);
  return found == resources.end() ? 0 : Quantity::of(found->second).milli_value();
}

// Replaces a value that is there; where nothing was asked for, nothing is shown.
void correct(Resources& resources, const char* name, const Quantity& actual) {
  const auto found = resources.find(name);
  if (found != resources.end()) actual.store(found->second);
}

// The kernel cannot tell apart what is at or below `least`: then what was asked for is shown.
void correct_cpu(Resources& resources, std::int64_t actual_milli, std::int64_t least) {
  if (actual_milli <= 0 || (actual_milli <= least && milli_of(resources, "cpu") <= least)) return;
  correct(resources, "cpu", Quantity::from_milli(actual_milli));
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

api::core::ResourceRequirements resources_in_force(const api::core::ResourceRequirements& allocated,
                                                   const cri::ContainerStatus& newest) {
  api::core::ResourceRequirements out = allocated;
  if (newest.state != cri::ContainerState::running || !newest.resources) return out;
  const cri::LinuxContainerResources& actual = *newest.resources;
  correct_cpu(*out.mutable_limits(), cgroups::milli_from_quota(actual.cpu_quota, actual.cpu_period), kLeastLimitMilli);
  correct_cpu(*out.mutable_requests(), cgroups::milli_from_shares(actual.cpu_shares), kLeastRequestMilli);
  if (actual.memory_limit_in_bytes > 0) {
    correct(*out.mutable_limits(), "memory", Quantity::bytes(actual.memory_limit_in_bytes));
  }
  return out;
}

void fill_container_resources(const StatusInput& input, const api::core::Container& spec,
                              const cri::ContainerStatus& newest, api::core::ContainerStatus& out) {
  *out.mutable_resources() = resources_in_force(spec.resources(), newest);
  *out.mutable_allocatedresources() = spec.resources().requests();
  if (newest.state != cri::ContainerState::running || input.actuated == nullptr) return;
  // No cgroup holds a memory request: what was last put in force is the one that counts.
  const auto record = input.actuated->containers.find(spec.name());
  if (record == input.actuated->containers.end()) return;
  const auto memory = record->second.requests().find("memory");
  if (memory == record->second.requests().end()) return;
  correct(*out.mutable_resources()->mutable_requests(), "memory", Quantity::of(memory->second));
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
