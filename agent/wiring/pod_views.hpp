// PodViews: what `keelson ps` and `keelson explain` are told, made from the workers' state.
//
// Owner: Agent. Thread: the loop; answers at once. Source: agent/control/views.hpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/control/views.hpp"
#include "agent/images/image_puller.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_workers.hpp"

namespace keelson::agent {

class PodViews final : public ControlSource {
 public:
  struct Sources {
    std::function<AgentInfo()> info;
    std::function<std::vector<ManifestProblem>()> problems;
    std::function<std::string(const std::string& uid)> manifest_of;
    std::function<std::vector<PullProgress>()> pulls;
  };

  PodViews(base::Clock& clock, const NodeFacts& facts, PodWorkers& workers, Sources sources)
      : clock_(clock), facts_(facts), workers_(workers), sources_(std::move(sources)) {}

  std::vector<PodView> pods() override;
  std::optional<PodStory> explain(const std::string& ns, const std::string& name) override;
  AgentInfo info() override { return sources_.info(); }
  std::vector<ManifestProblem> manifest_problems() override { return sources_.problems(); }

 private:
  PodView view_of(PodWorker& worker, const std::string& source);
  std::vector<ImagePullView> pulls_of(const std::string& uid) const;
  PodView view_of_waiting(const PodWorkers::Wanted& wanted);
  ViewTime system_time(std::optional<base::SteadyTime> when) const;

  base::Clock& clock_;
  const NodeFacts& facts_;
  PodWorkers& workers_;
  Sources sources_;
};

}  // namespace keelson::agent
