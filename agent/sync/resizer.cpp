#include "agent/sync/resizer.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "agent/pod_config/go_text.hpp"
#include "agent/pod_config/resources.hpp"
#include "agent/sync/containers.hpp"
#include "cgroup-manager/formulas.hpp"

namespace keelson::agent {
namespace {

using api::core::ResourceRequirements;

// The kernel rounds a limit to pages of up to this size; such a difference is no other limit.
constexpr std::int64_t kPageBytes = 64 << 10;
// cgroup v1 shows "no limit" as a number near the end of its range.
constexpr std::int64_t kUnlimitedBytes = std::int64_t{1} << 62;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

enum class Way { none, up, down };

Way way(std::int64_t now, std::int64_t wanted) {
  return now == wanted ? Way::none : wanted > now ? Way::up : Way::down;
}

std::int64_t memory_limit(const PodCgroupValues& values) {
  const std::int64_t limit = values.memory_limit_bytes.value_or(kUnlimited);
  return limit <= 0 || limit >= kUnlimitedBytes ? kUnlimited : limit;
}

// In millionths of a core, so that a new period alone is no other limit.
std::int64_t cpu_limit(const PodCgroupValues& values) {
  const std::int64_t quota = values.cpu_quota_us.value_or(-1);
  const std::int64_t period = values.cpu_period_us.value_or(0);
  if (quota <= 0 || period <= 0) return kUnlimited;
  return static_cast<std::int64_t>(static_cast<__int128>(quota) * 1'000'000 / period);
}

// What the pod's cgroup has to hold; what is not set here stays as it is, so a limit is never taken away.
PodCgroupValues wanted_values(const api::Pod& pod, const NodeInfo& node) {
  const cgroups::Limits limits = pod_cgroup_limits(pod, node, 0, false);
  PodCgroupValues out;
  out.cpu_shares = limits.cpu_shares;
  out.cpu_quota_us = limits.cpu_quota;
  out.cpu_period_us = limits.cpu_period;
  if (limits.memory.value_or(0) > 0) out.memory_limit_bytes = limits.memory;
  return out;
}

void take_cpu(const api::ResourceMessageMap& from, api::ResourceMessageMap& to) {
  to.erase("cpu");
  if (const auto found = from.find("cpu"); found != from.end()) to["cpu"] = found->second;
}

void take_cpu(const ResourceRequirements& from, ResourceRequirements& to) {
  take_cpu(from.requests(), *to.mutable_requests());
  take_cpu(from.limits(), *to.mutable_limits());
}

// The pod between the two halves of a resize: new memory, old CPU.
api::PodPtr with_old_cpu(const api::PodPtr& pod, const PodAllocation& actuated) {
  auto out = std::make_shared<api::Pod>(*pod);
  auto& spec = *out->mutable_spec();
  for (auto* list : {spec.mutable_initcontainers(), spec.mutable_containers()}) {
    for (auto& container : *list) {
      const auto record = actuated.containers.find(container.name());
      if (record != actuated.containers.end()) take_cpu(record->second, *container.mutable_resources());
    }
  }
  if (actuated.pod && spec.has_resources()) take_cpu(*actuated.pod, *spec.mutable_resources());
  return out;
}

// Of the sandbox's resources what belongs to `change`; they are without the pod's overhead, which is told apart.
void take_changed(const PodCgroupValues& change, const cri::LinuxContainerResources& from,
                  cri::LinuxContainerResources& to) {
  if (change.cpu_shares) to.cpu_shares = from.cpu_shares;
  if (change.cpu_quota_us) {
    to.cpu_quota = from.cpu_quota;
    to.cpu_period = from.cpu_period;
  }
  if (change.memory_limit_bytes) to.memory_limit_in_bytes = from.memory_limit_in_bytes;
}

// The runtime does not know the call, or says that it does nothing with it.
bool not_implemented(const Error& error) {
  return error.kind() == ErrorKind::unimplemented || error.message().find("not implemented") != std::string::npos;
}

std::string below_usage(const std::string& what, std::int64_t limit, std::int64_t usage) {
  return "attempting to set " + what + " memory limit (" + std::to_string(limit) + ") below current usage (" +
         std::to_string(usage) + ")";
}

Error cannot_decrease(const std::vector<std::string>& reasons) {
  std::string text;
  for (const std::string& reason : reasons) text += (text.empty() ? "" : ", ") + reason;
  if (reasons.size() > 1) text = "[" + text + "]";
  return Error(ErrorKind::invalid, "cannot decrease memory limits: " + text);
}

}  // namespace

// What one resize works with. Shared, since its coroutines are named functions that take values.
struct Resizer::Run {
  api::PodPtr pod;
  api::PodPtr halfway;  // new memory, old CPU
  std::string sandbox_id;
  ResizePod step;
  std::optional<PodCgroupValues> kernel;  // of the pod's cgroup; none where the pod has no cgroup of ours
  PodCgroupValues wanted;
  cri::LinuxContainerResources sandbox;  // as the runtime was told last
  cri::LinuxContainerResources target;   // what it is to be told in the end
  bool cgroup_v2 = false;

  Way memory_way() const {
    if (!kernel || !wanted.memory_limit_bytes) return Way::none;
    const std::int64_t now = memory_limit(*kernel);
    if (now != kUnlimited && std::abs(*wanted.memory_limit_bytes - now) < kPageBytes) return Way::none;
    return way(now, *wanted.memory_limit_bytes);
  }
  Way cpu_way() const {
    if (!kernel || !wanted.cpu_quota_us) return Way::none;
    return way(cpu_limit(*kernel), cpu_limit(wanted));
  }
  Way shares_way() const {
    if (!kernel || !kernel->cpu_shares || !wanted.cpu_shares) return Way::none;
    if (!cgroup_v2) return way(*kernel->cpu_shares, *wanted.cpu_shares);
    // Many shares are one weight, which the kernel's side has been through.
    return way(*kernel->cpu_shares, cgroups::shares_from_weight(cgroups::weight_from_shares(*wanted.cpu_shares)));
  }
  PodCgroupValues limit_change(Resource resource) const {
    PodCgroupValues change;
    if (resource == Resource::memory) {
      change.memory_limit_bytes = wanted.memory_limit_bytes;
    } else {
      change.cpu_quota_us = wanted.cpu_quota_us;
      change.cpu_period_us = wanted.cpu_period_us;
    }
    return change;
  }
  PodCgroupValues request_change() const {
    PodCgroupValues change;
    change.cpu_shares = wanted.cpu_shares;
    return change;
  }
  // Of what is in force already the runtime was told, if not in this resize then in one that failed later.
  void settle_sandbox() {
    if (memory_way() == Way::none) take_changed(limit_change(Resource::memory), target, sandbox);
    if (cpu_way() == Way::none) take_changed(limit_change(Resource::cpu), target, sandbox);
    if (shares_way() == Way::none) take_changed(request_change(), target, sandbox);
  }
};

base::Task<Status> Resizer::resize(api::PodPtr pod, std::string sandbox_id, ResizePod step) {
  auto run = std::make_shared<Run>();
  run->pod = pod;
  run->sandbox_id = std::move(sandbox_id);
  run->step = std::move(step);
  run->cgroup_v2 = facts_.info.cgroup_v2;
  run->wanted = wanted_values(*pod, facts_.info);
  const PodAllocation actuated = allocations_.actuated(pod->metadata().uid()) == nullptr
                                     ? allocation_of(*pod)
                                     : *allocations_.actuated(pod->metadata().uid());
  run->halfway = with_old_cpu(pod, actuated);
  run->sandbox = sandbox_resources(*with_allocation(pod, actuated), facts_.info, false);
  run->target = sandbox_resources(*pod, facts_.info, false);
  // Nothing is put in force that a crash could take back.
  KEELSON_CO_TRY(co_await allocations_.saved());
  run->kernel = co_await cgroups_.values(pod);
  // Where its sandbox has a parent the pod has a cgroup: without knowing what that holds its containers are not
  // touched.
  if (!run->kernel && !cgroups_.parent_of(*pod).empty()) {
    co_return Error(ErrorKind::unavailable, "the values of the pod's cgroup cannot be read");
  }
  run->settle_sandbox();
  KEELSON_CO_TRY(co_await check_memory(run));
  KEELSON_CO_TRY(co_await do_resource(run, Resource::memory));
  KEELSON_CO_TRY(co_await do_resource(run, Resource::cpu));
  allocations_.set_actuated_pod_level(*pod);
  co_return co_await allocations_.saved();
}

base::Task<Status> Resizer::check_memory(std::shared_ptr<Run> run) {
  const bool pod_lowers = run->memory_way() == Way::down;
  std::vector<std::string> ids;
  for (const ContainerResize& container : run->step.memory) {
    if (container.lower_memory_limit > 0) ids.push_back(container.id);
  }
  if (!pod_lowers && ids.empty()) co_return Status();
  auto usage = co_await cgroups_.memory_usage(run->pod, std::move(ids));
  if (!usage.ok()) {
    co_return usage.error().wrap("unable to read memory usage to make resize decision for pod " +
                                 go_quote(run->pod->metadata().name()));
  }
  std::vector<std::string> reasons;
  if (pod_lowers && usage->pod >= *run->wanted.memory_limit_bytes) {
    reasons.push_back(below_usage("pod", *run->wanted.memory_limit_bytes, usage->pod));
  }
  for (const ContainerResize& container : run->step.memory) {
    if (container.lower_memory_limit == 0) continue;
    const auto used = usage->containers.find(container.id);
    const std::string what = "container " + go_quote(container.name);
    if (used == usage->containers.end()) {
      reasons.push_back("missing " + what + " memory usage");
    } else if (used->second >= container.lower_memory_limit) {
      reasons.push_back(below_usage(what, container.lower_memory_limit, used->second));
    }
  }
  if (reasons.empty()) co_return Status();
  co_return cannot_decrease(reasons);
}

base::Task<Status> Resizer::do_resource(std::shared_ptr<Run> run, Resource resource) {
  const Way limit = resource == Resource::memory ? run->memory_way() : run->cpu_way();
  // Requests of memory are in no cgroup.
  const Way request = resource == Resource::memory ? Way::none : run->shares_way();
  const auto& containers = resource == Resource::memory ? run->step.memory : run->step.cpu;
  if (limit == Way::up) KEELSON_CO_TRY(co_await write_pod(run, run->limit_change(resource)));
  if (request == Way::up) KEELSON_CO_TRY(co_await write_pod(run, run->request_change()));
  for (std::size_t i = 0; i < containers.size(); ++i) {
    KEELSON_CO_TRY(co_await update_container(run, resource, &containers[i]));
  }
  if (request == Way::down) KEELSON_CO_TRY(co_await write_pod(run, run->request_change()));
  if (limit == Way::down) KEELSON_CO_TRY(co_await write_pod(run, run->limit_change(resource)));
  co_return Status();
}

base::Task<Status> Resizer::write_pod(std::shared_ptr<Run> run, PodCgroupValues change) {
  const cri::LinuxContainerResources before = run->sandbox;
  take_changed(change, run->target, run->sandbox);
  KEELSON_CO_TRY(co_await tell_sandbox(run, run->sandbox));
  auto written = co_await cgroups_.set(run->pod, change);
  if (written.ok()) co_return Status();
  // The runtime must not believe what did not come to be; what it says to that changes nothing any more.
  run->sandbox = before;
  (void)co_await tell_sandbox(run, before);
  co_return written.error().wrap("failed to set the cgroup values of the pod");
}

base::Task<Status> Resizer::tell_sandbox(std::shared_ptr<Run> run, cri::LinuxContainerResources resources) {
  if (run->sandbox_id.empty()) co_return Status();
  const cri::LinuxContainerResources overhead = overhead_resources(*run->pod, facts_.info);
  auto told = co_await runtime_.update_pod_sandbox_resources(run->sandbox_id, overhead, std::move(resources));
  if (told.ok() || not_implemented(told.error())) co_return Status();
  co_return told.error().wrap("the runtime refused the new resources of the pod's sandbox");
}

base::Task<Status> Resizer::update_container(std::shared_ptr<Run> run, Resource resource,
                                             const ContainerResize* resize) {
  const api::PodPtr pod = resource == Resource::memory ? run->halfway : run->pod;
  const auto ref = find_container(*pod, resize->name);
  const api::core::Container container = container_of(*pod, *ref);
  cri::LinuxContainerResources wanted = container_resources(*pod, container, facts_.info, false);
  auto updated = co_await runtime_.update_container_resources(resize->id, std::move(wanted));
  if (!updated.ok()) co_return updated.error().wrap("while updating the resources of container " + resize->name);
  allocations_.set_actuated(*run->pod, resize->name, container.resources());
  co_return Status();
}

}  // namespace keelson::agent
