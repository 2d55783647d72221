#include "agent/sync/exit_clock.hpp"

#include <algorithm>

namespace keelson::agent {

void ExitClock::observe(const ObservedPod& observed, base::SystemTime now, base::SteadyTime steady_now) {
  for (const auto& status : observed.containers) {
    if (status.state != cri::ContainerState::exited) {
      seen_alive_.insert(status.id);
      continue;
    }
    if (exits_.count(status.id) > 0) continue;
    const base::SystemTime finished{
        std::chrono::duration_cast<base::SystemTime::duration>(std::chrono::nanoseconds(status.finished_at))};
    base::Duration age = std::max(base::Duration::zero(), base::Duration(now - finished));
    // What we saw alive ended since the last observation; a larger age is a jump of the system time.
    if (seen_alive_.count(status.id) > 0) age = std::min<base::Duration>(age, std::chrono::seconds(5));
    exits_[status.id] = steady_now - age;
  }
  const auto gone = [&](const std::string& id) { return observed.by_id(id) == nullptr; };
  std::erase_if(seen_alive_, gone);
  std::erase_if(exits_, [&](const auto& entry) { return gone(entry.first); });
}

}  // namespace keelson::agent
