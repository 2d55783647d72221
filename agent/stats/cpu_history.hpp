// CpuHistory: how many CPU cores each cgroup used of late, from the counters that were read for earlier answers.
//
// The kubelet samples each cgroup every 10 to 15 s whether anybody asks or not. Here nothing is sampled while nobody
// asks: of each group two samples are kept that are ten seconds apart or more. So the mean is over 10 to 20 s for who
// asks often, and from one question to the next for who asks every minute. What is older than two minutes says nothing
// of now (contract 05 §10: samples are kept for 2 min). A value of whoever reads.
// Pure; the loop. Nothing fails.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"

namespace keelson::stats {

class CpuHistory {
 public:
  struct Sample {
    base::Duration at{};         // on a clock of the group's own that does not jump
    std::uint64_t usage_ns = 0;  // counts up
  };

  // Takes the sample in and answers nanocores: CPU time a second since an earlier one. Nothing when there is none.
  std::optional<std::uint64_t> add(const std::string& group, Sample sample, base::SteadyTime now);
  // Something was added within the last two minutes.
  bool warm(base::SteadyTime now) const;
  // Forgets groups that were not added to for two minutes.
  void prune(base::SteadyTime now);
  std::size_t size() const { return groups_.size(); }

 private:
  struct Group {
    std::optional<Sample> older;
    Sample newer;  // not the last, if that came less than ten seconds later
    base::SteadyTime touched;
  };

  std::unordered_map<std::string, Group> groups_;
  std::optional<base::SteadyTime> touched_;
};

}  // namespace keelson::stats
