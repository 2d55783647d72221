#include "agent/wiring/pod_stats.hpp"

#include <utility>

namespace keelson::agent {
namespace {

base::SystemTime time_of(std::int64_t nanoseconds) {
  return base::SystemTime(
      std::chrono::duration_cast<base::SystemTime::duration>(std::chrono::nanoseconds(nanoseconds)));
}

// Sandboxes are newest first.
stats::ContainerFacts sandbox_of(const ObservedPod& observed) {
  const cri::PodSandboxStatus* chosen = nullptr;
  for (const auto& sandbox : observed.sandboxes) {
    if (chosen == nullptr || (sandbox.state == cri::SandboxState::ready && chosen->state != cri::SandboxState::ready)) {
      chosen = &sandbox;
    }
  }
  stats::ContainerFacts out;
  if (chosen == nullptr) return out;
  out.id = chosen->id;
  out.created = time_of(chosen->created_at);
  return out;
}

std::vector<stats::ContainerFacts> running_of(const ObservedPod& observed) {
  std::vector<stats::ContainerFacts> out;
  for (const auto& container : observed.containers) {
    if (container.state != cri::ContainerState::running) continue;
    stats::ContainerFacts facts;
    facts.name = container.metadata.name;
    facts.id = container.id;
    facts.image = container.image.image;
    facts.created = time_of(container.created_at);
    out.push_back(std::move(facts));
  }
  return out;
}

}  // namespace

std::vector<stats::PodFacts> PodStats::pods() const {
  std::vector<stats::PodFacts> out;
  out.reserve(base_.workers.workers().size());
  for (const auto& [uid, worker] : base_.workers.workers()) {
    if (worker->observed() == nullptr) continue;
    const api::Pod& pod = *worker->pod();
    stats::PodFacts facts;
    facts.uid = uid;
    facts.ns = pod.metadata().namespace_();
    facts.name = pod.metadata().name();
    facts.cgroup = base_.cgroups.parent_of(pod);
    facts.sandbox = sandbox_of(*worker->observed());
    facts.containers = running_of(*worker->observed());
    facts.log_directory = base_.facts.paths.pod_logs(pod);
    facts.hosts_file = base_.facts.paths.pod_hosts(uid);
    out.push_back(std::move(facts));
  }
  return out;
}

std::vector<stats::SystemContainer> PodStats::system_containers() const {
  const auto& kubelet = base_.configuration.kubelet;
  std::vector<stats::SystemContainer> out;
  const auto add = [&out](const char* name, const std::string& cgroup) {
    if (cgroup.empty()) return;
    stats::SystemContainer container;
    container.name = name;
    container.cgroup = cgroup;
    out.push_back(std::move(container));
  };
  add("kubelet", kubelet.kubelet_cgroups);
  add("runtime", base_.configuration.flags.runtime_cgroups);
  add("misc", kubelet.system_cgroups);
  add("pods", base_.cgroups.pods_path());
  return out;
}

base::Task<Result<std::vector<cri::ContainerStats>>> PodStats::container_stats() {
  cri::ContainerStatsFilter all;
  auto answer = co_await base_.stats.list_container_stats(std::move(all));
  co_return answer;
}

base::Task<Result<cri::ImageFsInfo>> PodStats::image_fs_info() {
  auto answer = co_await base_.images.image_fs_info();
  co_return answer;
}

}  // namespace keelson::agent
