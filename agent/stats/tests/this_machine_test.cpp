// This machine's own cgroups: whatever they are, the node's values are plausible.
#include <gtest/gtest.h>

#include "agent/stats/batch.hpp"
#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

TEST(ThisMachine, HasPlausibleValuesOfTheNode) {
  auto layout = cgroups::find_layout();
  if (!layout.ok()) GTEST_SKIP() << layout.error().to_string();
  base::Loop loop;
  const base::RealClock clock(loop);
  BatchOrder order;
  order.depth = Depth::summary;
  order.layout = *layout;
  order.file_systems = {"/"};
  const Reading reading = read_batch(order, clock);
  ASSERT_TRUE(reading.root.has_value());
  EXPECT_GT(reading.root->cpu_ns, 0u);
  ASSERT_TRUE(reading.root->memory.has_value());
  const MemoryReading& memory = *reading.root->memory;
  EXPECT_GT(memory.usage, 0u);
  EXPECT_GT(memory.stat.rss, 0u);
  EXPECT_LE(memory.working_set, memory.usage);
  EXPECT_EQ(memory.limit, reading.node.memory.total);
  ASSERT_TRUE(reading.node.started.has_value());
  EXPECT_LT(*reading.node.started, clock.now());
  EXPECT_GT(reading.node.tasks.value_or(0), 0u);
  EXPECT_GT(reading.node.max_pid.value_or(0), 0u);
  const FileSystemReading& root = reading.file_systems.at("/");
  EXPECT_GT(root.capacity, 0u);
  EXPECT_LE(root.available, root.capacity);
  // Time goes on while it is used: a second reading is not below the first.
  const Reading later = read_batch(order, clock);
  EXPECT_GE(later.root->cpu_ns, reading.root->cpu_ns);
  EXPECT_GE(later.root->steady, reading.root->steady);
}

}  // namespace
}  // namespace keelson::stats
