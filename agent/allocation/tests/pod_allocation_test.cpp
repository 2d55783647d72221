// What a pod was allocated, taken from a spec and put into one. Source: contract 02 §8.
#include "agent/allocation/pod_allocation.hpp"

#include <gtest/gtest.h>

#include "agent/allocation/tests/resized_pods.hpp"

namespace keelson::agent {
namespace {

using testing::resources;
using testing::sized_pod;

TEST(PodAllocation, ComparesByAmount) {
  EXPECT_TRUE(same_resources(resources({{"cpu", "1"}}, {{"memory", "1Gi"}}),
                             resources({{"cpu", "1000m"}}, {{"memory", "1024Mi"}})));
  EXPECT_TRUE(same_resources(resources({{"memory", "1Ki"}}, {}), resources({{"memory", "1024"}}, {})));
  EXPECT_FALSE(same_resources(resources({{"cpu", "1"}}, {}), resources({}, {{"cpu", "1"}})));
  EXPECT_FALSE(same_resources(resources({{"cpu", "1"}}, {}), resources({{"cpu", "1"}, {"memory", "1"}}, {})));
  auto claims = resources({{"cpu", "1"}}, {});
  claims.add_claims()->set_name("gpu");
  EXPECT_FALSE(same_resources(claims, resources({{"cpu", "1"}}, {})));
}

TEST(PodAllocation, LeavesPlainInitContainersOutWithoutTheirGate) {
  api::Pod pod = sized_pod("u1", {{"cpu", "1"}});
  auto& plain = *pod.mutable_spec()->add_initcontainers();
  plain.set_name("plain");
  auto& sidecar = *pod.mutable_spec()->add_initcontainers();
  sidecar.set_name("sidecar");
  sidecar.set_restartpolicy("Always");
  pod.mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon()->set_name("debug");
  EXPECT_EQ(allocation_of(pod).containers.size(), 3u);
  const PodAllocation without = allocation_of(pod, false);
  EXPECT_EQ(without.containers.size(), 2u);
  EXPECT_EQ(without.containers.count("plain"), 0u);
}

TEST(PodAllocation, APodThatFitsIsNotCopied) {
  const auto pod = std::make_shared<const api::Pod>(sized_pod("u1", {{"cpu", "1"}}));
  PodAllocation same;
  same.containers["main"] = resources({{"cpu", "1000m"}}, {});
  EXPECT_EQ(with_allocation(pod, same), pod);
}

TEST(PodAllocation, WhatWasAllocatedReplacesWhatIsAskedFor) {
  const auto pod = std::make_shared<const api::Pod>(sized_pod("u1", {{"cpu", "2"}}, {{"cpu", "4"}}));
  PodAllocation allocation;
  allocation.containers["main"] = resources({{"cpu", "1"}}, {});
  allocation.pod = resources({}, {{"memory", "1Gi"}});
  const api::PodPtr run = with_allocation(pod, allocation);
  EXPECT_TRUE(same_resources(run->spec().containers(0).resources(), allocation.containers["main"]));
  EXPECT_TRUE(same_resources(run->spec().resources(), *allocation.pod));
  EXPECT_EQ(run->spec().containers(0).image(), "image:1");
  // And the way back: without pod-level resources there are none.
  allocation.pod.reset();
  EXPECT_FALSE(with_allocation(run, allocation)->spec().has_resources());
}

}  // namespace
}  // namespace keelson::agent
