#include "agent/sync/pod_start_times.hpp"

#include <algorithm>

namespace keelson::agent {
namespace {

bool all_run(const api::Pod& pod) {
  const auto& statuses = pod.status().containerstatuses();
  return statuses.size() == pod.spec().containers_size() &&
         std::all_of(statuses.begin(), statuses.end(),
                     [](const auto& s) { return s.state().running().startedat().seconds() != 0; });
}

// Storage that somebody else must provide first.
bool has_foreign_storage(const api::Pod& pod) {
  const auto& volumes = pod.spec().volumes();
  return std::any_of(volumes.begin(), volumes.end(), [](const auto& volume) {
    const auto& source = volume.volumesource();
    return !source.has_secret() && !source.has_configmap() && !source.has_downwardapi() && !source.has_emptydir() &&
           !source.has_projected();
  });
}

}  // namespace

base::Duration covered(std::vector<std::pair<base::SteadyTime, base::SteadyTime>> spans) {
  std::sort(spans.begin(), spans.end());
  base::Duration total{};
  base::SteadyTime end{};
  for (const auto& [begun, ended] : spans) {
    const base::SteadyTime from = std::max(begun, end);
    if (ended <= from) continue;
    total += ended - from;
    end = ended;
  }
  return total;
}

void PodStartTimes::seen(const api::Pod& pod, base::SystemTime now) {
  const std::string& uid = pod.metadata().uid();
  if (!pod.status().has_starttime()) {
    pods_.try_emplace(uid);
    return;
  }
  const auto found = pods_.find(uid);
  if (found == pods_.end() || !all_run(pod)) return;
  const base::SystemTime created{std::chrono::seconds(pod.metadata().creationtimestamp().seconds())};
  const base::Duration whole = now - created;
  total_.observe(whole);
  if (!has_foreign_storage(pod)) {
    const base::Duration own = whole - covered(found->second.pulls) - found->second.init;
    sli_.observe(own);
    if (!pod.spec().hostnetwork() && !first_with_network_) {
      first_with_network_ = std::chrono::duration<double>(own).count();
    }
  }
  pods_.erase(found);
}

void PodStartTimes::pulled(const std::string& uid, base::SteadyTime begun, base::SteadyTime ended) {
  if (const auto found = pods_.find(uid); found != pods_.end()) found->second.pulls.emplace_back(begun, ended);
}

void PodStartTimes::initialised(const std::string& uid, base::Duration total) {
  if (const auto found = pods_.find(uid); found != pods_.end()) found->second.init = total;
}

}  // namespace keelson::agent
