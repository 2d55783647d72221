#include "agent/node/capacity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/tests/recorded.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::map<std::string, std::string> texts_of(const ResourceMap& resources) {
  std::map<std::string, std::string> out;
  for (const auto& [resource, amount] : resources) out[resource] = amount.to_string();
  return out;
}

std::map<std::string, std::string> allocatable(const config::Configuration& configuration, const Machine& machine) {
  const auto made = make_capacity(configuration, machine, recorded_root_bytes());
  EXPECT_TRUE(made.ok());
  return texts_of(allocatable_of(made->capacity, made->reservation));
}

TEST(Capacity, IsThatOfTheRecordedNode) {
  const json status = recorded_json("objects/node.json")["status"];
  const auto made = make_capacity(recorded_configuration(), recorded_machine(), recorded_root_bytes());
  ASSERT_TRUE(made.ok());
  const auto capacity = status["capacity"].get<std::map<std::string, std::string>>();
  const auto left = status["allocatable"].get<std::map<std::string, std::string>>();
  EXPECT_EQ(texts_of(made->capacity), capacity);
  EXPECT_EQ(texts_of(allocatable_of(made->capacity, made->reservation)), left);
}

TEST(Capacity, LeavesOutWhatIsNotKnown) {
  config::Configuration configuration = recorded_configuration();
  auto made = make_capacity(configuration, Machine(), 0);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(texts_of(made->capacity), (std::map<std::string, std::string>{{"pods", "250"}}));
  configuration.kubelet.local_storage_capacity_isolation = false;
  made = make_capacity(configuration, recorded_machine(), recorded_root_bytes());
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->capacity.count("ephemeral-storage"), 0u);
}

TEST(Capacity, OfPodsIsBoundedByCores) {
  config::Configuration configuration = recorded_configuration();
  for (const auto& [per_core, pods] : std::map<int, std::string>{{0, "250"}, {10, "20"}, {1000, "250"}}) {
    configuration.kubelet.pods_per_core = per_core;
    EXPECT_EQ(allocatable(configuration, recorded_machine())["pods"], pods);
  }
}

TEST(Allocatable, IsLoweredByReservations) {
  config::Configuration configuration = recorded_configuration();
  auto& kubelet = configuration.kubelet;
  kubelet.system_reserved = {{"cpu", "100m"}, {"memory", "1Gi"}, {"pid", "1000"}};
  kubelet.kube_reserved = {{"cpu", "250m"}, {"ephemeral-storage", "1Gi"}};
  kubelet.eviction_hard = {{"memory.available", "0%"}, {"nodefs.available", "100%"}};
  auto left = allocatable(configuration, recorded_machine());
  EXPECT_EQ(left["cpu"], "1650m");
  EXPECT_EQ(left["memory"], "23635516Ki");
  EXPECT_EQ(left["ephemeral-storage"], "263163508Ki");
  EXPECT_EQ(left.count("pid"), 0u);
  kubelet.reserved_system_cpus = "1";
  EXPECT_EQ(allocatable(configuration, recorded_machine())["cpu"], "1");
}

TEST(Allocatable, OfMemoryIsLoweredByHugePages) {
  config::Configuration configuration = recorded_configuration();
  configuration.kubelet.eviction_hard.clear();
  Machine machine = recorded_machine();
  machine.hugepages = {{2u << 20, 512}, {1u << 30, 2}};
  auto left = allocatable(configuration, machine);
  EXPECT_EQ(left["hugepages-2Mi"], "1Gi");
  EXPECT_EQ(left["hugepages-1Gi"], "2Gi");
  EXPECT_EQ(left["memory"], "21538364Ki");
  machine.hugepages = {{1u << 30, 100}};
  EXPECT_EQ(allocatable(configuration, machine)["memory"], "0");
}

TEST(Allocatable, CanIgnoreEviction) {
  config::Configuration configuration = recorded_configuration();
  configuration.flags.experimental_allocatable_ignore_eviction = true;
  EXPECT_EQ(allocatable(configuration, recorded_machine())["memory"], "24684092Ki");
}

TEST(Reservations, AboveTheCapacityEndTheStart) {
  config::Configuration configuration = recorded_configuration();
  configuration.kubelet.kube_reserved = {{"cpu", "3"}, {"memory", "1Ti"}};
  const auto made = make_capacity(configuration, recorded_machine(), recorded_root_bytes());
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind(), ErrorKind::invalid);
  EXPECT_THAT(made.error().to_string(), HasSubstr("cpu: reserved 3 of a capacity of 2"));
  EXPECT_THAT(made.error().to_string(), HasSubstr("memory: reserved"));
}

}  // namespace
}  // namespace keelson::agent
