// A Sampler on a machine in a temporary directory, with virtual time.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/stats/sampler.hpp"
#include "agent/stats/tests/fake_source.hpp"
#include "agent/stats/tests/fake_tree.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::stats {

class SamplerFixture {
 public:
  explicit SamplerFixture(cgroups::Version version) : tree(version) {
    SamplerOptions options;
    options.layout = tree.layout();
    options.proc = tree.proc();
    options.root_directory = tree.top();
    options.container_mounts.clear();
    Sampler::Base base{loop, clock, pool, source, log};
    sampler.emplace(std::move(base), std::move(options));
  }

  // Lets what sleeps for less than a second go on; `between` runs before it does.
  template <class T>
  T run(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::Gate gate(loop);
    base::spawn(gate, "task of a test", base::internal::keep_result<T>(std::move(task), place));
    const bool ended = base::testing::pump_until(loop, [&] {
      const base::Duration left = clock.next_deadline() - clock.steady_now();
      if (clock.sleepers() > 0 && left < std::chrono::seconds(1)) {
        ++naps;
        if (between) between();
        clock.advance(left);
      }
      return gate.tasks() == 0;
    });
    KEELSON_CHECK(ended);
    return std::move(place->value());
  }
  SnapshotPtr take(Depth depth) {
    auto snapshot = run(sampler->take(depth));
    EXPECT_TRUE(snapshot.ok()) << snapshot.error().to_string();
    return snapshot.ok() ? *snapshot : std::make_shared<Snapshot>();
  }

  // The groups of a pod of FakeSource::add(), each container with 100 ms of CPU time and 1000 bytes.
  void make_groups(const PodFacts& pod) {
    tree.group(pod.cgroup, 1'000'000'000, 10'000, 0);
    tree.group(pod.cgroup + "/" + pod.sandbox.id, 1, 1, 0);
    for (const ContainerFacts& one : pod.containers) tree.group(pod.cgroup + "/" + one.id, 100'000'000, 1000, 0);
  }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::BlockingPool pool{loop, clock, 1};
  base::Logger log;
  FakeTree tree;
  FakeSource source;
  std::optional<Sampler> sampler;
  std::function<void()> between;
  int naps = 0;
};

}  // namespace keelson::stats
