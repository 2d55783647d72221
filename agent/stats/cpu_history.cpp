#include "agent/stats/cpu_history.hpp"

namespace keelson::stats {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kApart = 10s;
constexpr base::Duration kKept = 2min;
constexpr base::Duration kShortest = 100ms;  // over less, one tick of the scheduler is half a core

std::optional<std::uint64_t> mean(const CpuHistory::Sample& from, const CpuHistory::Sample& to) {
  const base::Duration time = to.at - from.at;
  if (time < kShortest || time > kKept || to.usage_ns < from.usage_ns) return std::nullopt;
  const double used = static_cast<double>(to.usage_ns - from.usage_ns);
  return static_cast<std::uint64_t>(used * 1e9 / static_cast<double>(time.count()));
}

}  // namespace

std::optional<std::uint64_t> CpuHistory::add(const std::string& group, Sample sample, base::SteadyTime now) {
  touched_ = now;
  const auto [it, is_new] = groups_.try_emplace(group);
  Group& known = it->second;
  known.touched = now;
  // Counters only go back when it is another group of that name.
  if (is_new || sample.usage_ns < known.newer.usage_ns || sample.at < known.newer.at) {
    known.older.reset();
    known.newer = sample;
    return std::nullopt;
  }
  const bool apart = sample.at - known.newer.at >= kApart;
  const bool from_older = known.older && !apart && sample.at - known.older->at <= kKept;
  const auto answer = mean(from_older ? *known.older : known.newer, sample);
  if (apart) {
    known.older = known.newer;
    known.newer = sample;
  }
  return answer;
}

bool CpuHistory::warm(base::SteadyTime now) const { return touched_ && now - *touched_ <= kKept; }

void CpuHistory::prune(base::SteadyTime now) {
  std::erase_if(groups_, [now](const auto& entry) { return now - entry.second.touched > kKept; });
}

}  // namespace keelson::stats
