// The summary against the recorded one, and where its values come from.
#include "agent/stats/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/stats/tests/recorded_summary.hpp"
#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const base::SystemTime kNow{1'800'000'000s};

std::vector<std::string> keys_of(const ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

CgroupReading reading(std::uint64_t cpu_ns, std::uint64_t usage) {
  CgroupReading out;
  out.time = kNow;
  out.cpu_ns = cpu_ns;
  out.nano_cores = cpu_ns / 10;
  out.memory.emplace();
  out.memory->usage = usage;
  out.memory->working_set = usage / 2;
  out.memory->limit = unlimited;
  out.memory->swap_limit = unlimited;
  return out;
}

// A node with one pod of two containers, whose cgroups are all known.
Snapshot one_pod() {
  Snapshot out;
  out.time = kNow;
  out.node_name = "n";
  out.root = reading(5'000, 50'000);
  PodSnapshot& pod = out.pods.emplace_back();
  pod.facts.name = "web";
  pod.reading.group = reading(1'000, 10'000);
  for (const char* name : {"main", "side"}) {
    ContainerFacts& facts = pod.facts.containers.emplace_back();
    facts.name = name;
    facts.id = name;
    pod.reading.containers.emplace_back().group = reading(300, 4'000);
  }
  return out;
}

ordered_json written(const Snapshot& snapshot, bool only = false) {
  return ordered_json::parse(summary_json(make_summary(snapshot, only)));
}

TEST(Summary, EqualsTheRecordedOneToTheByte) {
  const std::string text = recorded("stats-summary.json");
  EXPECT_EQ(summary_json(make_summary(snapshot_of(json::parse(text)), false)), text);
}

TEST(Summary, OfCpuAndMemoryIsTheRecordedOneWithoutTheRest) {
  const std::string text = recorded("stats-summary.json");
  ordered_json expected = ordered_json::parse(text);
  for (const char* key : {"io", "network", "fs", "runtime", "rlimit"}) expected["node"].erase(key);
  for (auto& system : expected["node"]["systemContainers"]) system.erase("io");
  for (auto& pod : expected["pods"]) {
    for (const char* key : {"io", "ephemeral-storage"}) pod.erase(key);
    for (auto& container : pod["containers"]) {
      for (const char* key : {"io", "rootfs", "logs"}) container.erase(key);
    }
  }
  EXPECT_EQ(summary_json(make_summary(snapshot_of(json::parse(text)), true)), expected.dump(1));
}

TEST(Summary, OfANodeWithoutPodsHasAnEmptyList) {
  Snapshot snapshot = one_pod();
  snapshot.pods.clear();
  EXPECT_TRUE(summary_json(make_summary(snapshot, true)).ends_with("\n \"pods\": []\n}"));
}

TEST(Summary, TakesAContainersOwnGroupBeforeTheRuntimesWord) {
  Snapshot snapshot = one_pod();
  snapshot.runtime["main"].cpu.emplace().usage_core_nano_seconds = 999;
  const auto container = written(snapshot)["pods"][0]["containers"][0];
  EXPECT_EQ(container["cpu"]["usageCoreNanoSeconds"], 300);
  EXPECT_EQ(container["memory"]["workingSetBytes"], 2000);
  EXPECT_EQ(container["cpu"]["psi"]["some"]["total"], 0);
  EXPECT_FALSE(container["memory"].contains("availableBytes"));
  EXPECT_FALSE(container["swap"].contains("swapAvailableBytes"));
}

TEST(Summary, LeavesOutAContainerThatNobodyKnowsAnyMore) {
  Snapshot snapshot = one_pod();
  snapshot.pods[0].reading.containers[0].group.reset();
  const auto pods = written(snapshot)["pods"];
  ASSERT_THAT(pods[0]["containers"], SizeIs(1));
  EXPECT_EQ(pods[0]["containers"][0]["name"], "side");
  snapshot.pods[0].reading.containers[1].group.reset();
  EXPECT_THAT(written(snapshot)["pods"], IsEmpty());
}

TEST(Summary, SumsUpThePodThatHasNoGroup) {
  Snapshot snapshot = one_pod();
  snapshot.pods[0].reading.group.reset();
  const auto pod = written(snapshot)["pods"][0];
  EXPECT_EQ(pod["cpu"]["usageCoreNanoSeconds"], 600);
  EXPECT_EQ(pod["cpu"]["usageNanoCores"], 60);
  EXPECT_EQ(pod["memory"]["usageBytes"], 8000);
  EXPECT_EQ(pod["memory"]["workingSetBytes"], 4000);
  EXPECT_EQ(pod["swap"]["swapUsageBytes"], 0);
}

TEST(Summary, CountsWhatTheRuntimeDoesNotTellAsZero) {
  Snapshot snapshot = one_pod();
  snapshot.pods[0].reading.containers[0].group.reset();
  snapshot.runtime["main"].id = "main";
  const auto container = written(snapshot)["pods"][0]["containers"][0];
  EXPECT_EQ(container["cpu"].dump(), R"({"time":"2027-01-15T08:00:00Z","usageNanoCores":0,"usageCoreNanoSeconds":0})");
  EXPECT_EQ(container["memory"].dump(), R"({"time":"2027-01-15T08:00:00Z","workingSetBytes":0})");
  EXPECT_EQ(container["io"].dump(), R"({"time":"2027-01-15T08:00:00Z"})");
  EXPECT_EQ(container["swap"].dump(), R"({"time":"2027-01-15T08:00:00Z","swapAvailableBytes":0,"swapUsageBytes":0})");
  EXPECT_FALSE(container.contains("rootfs"));
}

TEST(Summary, AvailableIsWhatTheLimitLeaves) {
  Snapshot snapshot = one_pod();
  MemoryReading& memory = *snapshot.pods[0].reading.group->memory;
  memory.limit = 7'000;
  memory.swap_limit = 100;
  memory.swap = 30;
  auto pod = written(snapshot)["pods"][0];
  EXPECT_EQ(pod["memory"]["availableBytes"], 2'000);
  EXPECT_EQ(pod["swap"]["swapAvailableBytes"], 70);
  memory.limit = 1;  // was lowered below what is in use
  EXPECT_EQ(written(snapshot)["pods"][0]["memory"]["availableBytes"], 0);
}

TEST(Summary, PressuresAreShownAsTheKernelTellsThem) {
  Snapshot snapshot = one_pod();
  snapshot.root.pressures.emplace();
  snapshot.root.pressures->io.some = {482717067, 4.2, 33.15, 44.81};
  const auto io = written(snapshot)["node"]["io"];
  EXPECT_EQ(io["psi"]["some"].dump(), R"({"total":482717067,"avg10":4.2,"avg60":33.15,"avg300":44.81})");
  EXPECT_THAT(keys_of(io["psi"]), ElementsAre("full", "some"));
}

TEST(Summary, APodsFieldsStandInTheKubeletsOrder) {
  Snapshot snapshot = one_pod();
  PodSnapshot& pod = snapshot.pods[0];
  pod.reading.network.emplace().push_back({"eth0", {10, 1, 2, 0}, {20, 2, 3, 0}});
  for (auto& container : pod.reading.containers) container.group->processes.emplace().count = 3;
  volume::VolumeUsage claim;
  claim.name = "data";
  claim.claim = volume::ClaimRef{"default", "data-0"};
  claim.measured.figures = {100, 60, 40, 10, 7, 3};
  claim.measured.abnormal = false;
  volume::VolumeUsage scratch;
  scratch.name = "scratch";
  scratch.local_ephemeral = true;
  scratch.time = kNow + 5s;
  scratch.measured.figures.used = 4096;
  scratch.measured.figures.inodes_used = 2;
  pod.volumes.emplace().volumes = {claim, scratch};
  const auto out = written(snapshot)["pods"][0];
  EXPECT_THAT(keys_of(out), ElementsAre("podRef", "startTime", "containers", "cpu", "memory", "io", "network", "volume",
                                        "ephemeral-storage", "process_stats", "swap"));
  EXPECT_EQ(out["process_stats"]["process_count"], 6);
  EXPECT_EQ(out["network"].dump(),
            R"({"time":"2027-01-15T08:00:00Z","name":"eth0","rxBytes":10,"rxErrors":2,"txBytes":20,"txErrors":3,)"
            R"("interfaces":[{"name":"eth0","rxBytes":10,"rxErrors":2,"txBytes":20,"txErrors":3}]})");
  ASSERT_THAT(out["volume"], SizeIs(2));
  EXPECT_EQ(out["volume"][0]["name"], "scratch");
  EXPECT_THAT(keys_of(out["volume"][1]),
              ElementsAre("time", "availableBytes", "capacityBytes", "usedBytes", "inodesFree", "inodes", "inodesUsed",
                          "name", "pvcRef", "volumeHealthStats"));
  EXPECT_EQ(out["volume"][1]["pvcRef"].dump(), R"({"name":"data-0","namespace":"default"})");
  EXPECT_EQ(out["volume"][1]["volumeHealthStats"].dump(), R"({"abnormal":false})");
  EXPECT_EQ(out["ephemeral-storage"]["usedBytes"], 4096);  // the claim is not the node's
  EXPECT_EQ(out["ephemeral-storage"]["inodesUsed"], 2);
  EXPECT_EQ(out["ephemeral-storage"]["time"], "2027-01-15T08:00:05Z");
}

TEST(Summary, ANetworkWithoutEth0HasNoName) {
  Snapshot snapshot = one_pod();
  snapshot.node.network.emplace().push_back({"ens3", {10, 1, 2, 0}, {20, 2, 3, 0}});
  const auto network = written(snapshot)["node"]["network"];
  EXPECT_EQ(network["name"], "");
  EXPECT_FALSE(network.contains("rxBytes"));
  EXPECT_EQ(network["interfaces"][0]["name"], "ens3");
}

TEST(Summary, ASecondFileSystemOfTheRuntimeCountsOnlyWhereItIsBelieved) {
  Snapshot snapshot = one_pod();
  snapshot.image_fs.emplace();
  snapshot.image_fs->image_filesystems.push_back({0, "/images", 10, 1});
  snapshot.image_fs->container_filesystems.push_back({0, "/containers", 20, 2});
  snapshot.file_systems["/containers"].capacity = 7;
  EXPECT_EQ(written(snapshot)["node"]["runtime"]["containerFs"]["usedBytes"], 10);
  snapshot.split_image_fs = true;
  const auto runtime = written(snapshot)["node"]["runtime"];
  EXPECT_EQ(runtime["imageFs"]["usedBytes"], 10);
  EXPECT_EQ(runtime["containerFs"]["usedBytes"], 20);
  EXPECT_EQ(runtime["containerFs"]["capacityBytes"], 7);
}

TEST(Summary, EscapesNamesThatAreNoNames) {
  Snapshot snapshot = one_pod();
  snapshot.node_name = "a\"b\\c\n<d>\x01";
  EXPECT_EQ(written(snapshot)["node"]["nodeName"], snapshot.node_name);
}

}  // namespace
}  // namespace keelson::stats
