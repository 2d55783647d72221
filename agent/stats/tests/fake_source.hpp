// What the agent would tell, as a test has set it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/stats/source.hpp"

namespace keelson::stats {

class FakeSource final : public StatsSource {
 public:
  std::string node_name() const override { return "node-1"; }
  std::vector<PodFacts> pods() const override { return all_pods; }
  std::vector<SystemContainer> system_containers() const override { return system; }
  std::vector<std::string> tiers() const override { return all_tiers; }
  std::optional<volume::PodUsage> volumes(const std::string& uid) const override {
    const auto found = usage.find(uid);
    return found == usage.end() ? std::nullopt : std::optional(found->second);
  }
  base::Task<Result<std::vector<cri::ContainerStats>>> container_stats() override {
    ++asked_containers;
    if (runtime_error) co_return *runtime_error;
    co_return runtime;
  }
  base::Task<Result<cri::ImageFsInfo>> image_fs_info() override {
    ++asked_images;
    if (runtime_error) co_return *runtime_error;
    co_return images;
  }

  // A pod with a sandbox "UID-sandbox" and containers "UID-NAME".
  PodFacts& add(const std::string& uid, const std::vector<std::string>& containers) {
    PodFacts pod;
    pod.uid = uid;
    pod.ns = "default";
    pod.name = "web-" + uid;
    pod.cgroup = "/kubepods/pod" + uid;
    pod.sandbox = facts("", uid + "-sandbox", "pause:3.10");
    for (const std::string& name : containers) pod.containers.push_back(facts(name, uid + "-" + name, "image/" + name));
    return all_pods.emplace_back(std::move(pod));
  }
  static ContainerFacts facts(std::string name, std::string id, std::string image) {
    return {std::move(name), std::move(id), std::move(image), base::SystemTime(std::chrono::seconds(1'700'000'100))};
  }

  std::vector<PodFacts> all_pods;
  std::vector<SystemContainer> system;
  std::vector<std::string> all_tiers;
  std::map<std::string, volume::PodUsage> usage;  // by UID
  std::vector<cri::ContainerStats> runtime;
  cri::ImageFsInfo images;
  std::optional<Error> runtime_error;
  int asked_containers = 0;
  int asked_images = 0;
};

}  // namespace keelson::stats
