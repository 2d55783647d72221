// /metrics/cadvisor: which rows there are, with which labels, and which series each has.
#include "agent/stats/cadvisor_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/stats/cadvisor_series.hpp"
#include "agent/stats/tests/sampler_fixture.hpp"

namespace keelson::stats {
namespace {

using cgroups::Version;
using testing::HasSubstr;
using testing::Not;

MachineFacts machine() {
  MachineFacts out;
  out.cpus = 4;
  out.physical_cores = 2;
  out.sockets = 1;
  out.memory_bytes = 8'192'000;
  out.boot_id = "boot";
  out.machine_id = "machine";
  out.system_uuid = "uuid";
  out.kernel_version = "6.1.0";
  out.os_version = "Debian";
  return out;
}

std::string page_of(const Snapshot* snapshot) {
  std::string out;
  each_cadvisor_page(snapshot, machine(), [&out](const metrics::Page& part) { out += metrics::text(part); });
  return out;
}

class CadvisorMetricsTest : public testing::TestWithParam<Version>, protected SamplerFixture {
 protected:
  CadvisorMetricsTest() : SamplerFixture(GetParam()) {
    PodFacts& pod = source.add("a", {"main"});
    make_groups(pod);
    tree.processes(pod.cgroup + "/a-sandbox", "41\n");
    tree.write("proc/41/net/dev", FakeTree::net_dev("eth0", 500));
    tree.group("/kubepods", 2'000'000'000, 20'000, 0);
    tree.group("/kubepods/besteffort", 1, 1, 0);
    source.system = {{"pods", "/kubepods"}};
    source.all_tiers = {"/kubepods", "/kubepods/besteffort", "/kubepods/burstable"};
  }
  std::string page() { return page_of(take(Depth::containers).get()); }
  // " VALUE TIME" of all readings here.
  std::string value(const std::string& number) const {
    const auto time = std::chrono::floor<std::chrono::milliseconds>(clock.now().time_since_epoch()).count();
    return " " + number + " " + std::to_string(time) + "\n";
  }
};

INSTANTIATE_TEST_SUITE_P(BothVersions, CadvisorMetricsTest, testing::Values(Version::v1, Version::v2),
                         [](const auto& version) { return version.param == Version::v1 ? "V1" : "V2"; });

const std::string kRoot = R"(container="",id="/",image="",name="",namespace="",pod="")";
const std::string kPods = R"(container="",id="/kubepods",image="",name="",namespace="",pod="")";
const std::string kPod = R"(container="",id="/kubepods/poda",image="",name="",namespace="default",pod="web-a")";
const std::string kSandbox =
    R"(container="",id="/kubepods/poda/a-sandbox",image="pause:3.10",name="a-sandbox",namespace="default",pod="web-a")";
const std::string kMain =
    R"(container="main",id="/kubepods/poda/a-main",image="image/main",name="a-main",namespace="default",pod="web-a")";

TEST_P(CadvisorMetricsTest, EachRowHasItsLabels) {
  const std::string text = page();
  const std::string name = "container_memory_working_set_bytes{";
  EXPECT_THAT(text, HasSubstr(name + kRoot + "}" + value("5e+06")));
  EXPECT_THAT(text, HasSubstr(name + kPods + "}" + value("20000")));
  EXPECT_THAT(text, HasSubstr(name + kPod + "}" + value("10000")));
  EXPECT_THAT(text, HasSubstr(name + kSandbox + "}" + value("1")));
  EXPECT_THAT(text, HasSubstr(name + kMain + "}" + value("1000")));
  EXPECT_THAT(text, HasSubstr(R"(id="/kubepods/besteffort")"));
  EXPECT_THAT(text, Not(HasSubstr(R"(id="/kubepods/burstable")")));  // it is not there
  // A group with two names is one row.
  EXPECT_EQ(text.find(name + kPods), text.rfind(name + kPods));
}

TEST_P(CadvisorMetricsTest, TheNetworkIsOfTheRootAndOfSandboxes) {
  const std::string text = page();
  const auto with_interface = [](const std::string& labels) {
    std::string all = labels;
    return "container_network_receive_bytes_total{" + all.insert(all.find("name="), R"(interface="eth0",)") + "}";
  };
  EXPECT_THAT(text, HasSubstr(with_interface(kRoot) + value("1000")));
  EXPECT_THAT(text, HasSubstr(with_interface(kSandbox) + value("500")));
  EXPECT_THAT(text, Not(HasSubstr(with_interface(kPod))));
  EXPECT_THAT(text, Not(HasSubstr(with_interface(kMain))));
  EXPECT_THAT(text, HasSubstr("container_network_transmit_packets_dropped_total{"));
}

TEST_P(CadvisorMetricsTest, ThePodShowsTheNetworkWhereSandboxesHaveNoGroup) {
  tree.remove_group("/kubepods/poda/a-sandbox");
  tree.processes("/kubepods/poda/a-main", "41\n");
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("container_network_receive_bytes_total{container=\"\",id=\"/kubepods/poda\",image=\"\","
                              "interface=\"eth0\",name=\"\",namespace=\"default\",pod=\"web-a\"}" +
                              value("500")));
  EXPECT_THAT(text, Not(HasSubstr("a-sandbox")));
}

TEST_P(CadvisorMetricsTest, CpuTimeIsOmittedWhileItIsZero) {
  tree.cpu("/kubepods/poda/a-main", 0);
  const std::string text = page();
  EXPECT_THAT(text, Not(HasSubstr("container_cpu_usage_seconds_total{container=\"main\"")));
  EXPECT_THAT(text, HasSubstr("container_cpu_usage_seconds_total{container=\"\",cpu=\"total\",id=\"/kubepods/poda\","));
  EXPECT_THAT(text, HasSubstr("container_cpu_user_seconds_total{" + kMain + "}" + value("3")));
}

TEST_P(CadvisorMetricsTest, ThrottlingIsShownOnlyWithAQuota) {
  EXPECT_THAT(page(), Not(HasSubstr("container_cpu_cfs_periods_total")));
  if (tree.v2()) {
    tree.file("", "/kubepods/poda/a-main", "cpu.max", "25000 100000\n");
  } else {
    tree.file("cpu", "/kubepods/poda/a-main", "cpu.cfs_quota_us", "25000\n");
    tree.file("cpu", "/kubepods/poda/a-main", "cpu.cfs_period_us", "100000\n");
  }
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("container_cpu_cfs_periods_total{" + kMain + "}" + value("9")));
  EXPECT_THAT(text, HasSubstr("container_cpu_cfs_throttled_seconds_total{" + kMain + "}" + value("0.5")));
  EXPECT_THAT(text, HasSubstr("container_spec_cpu_quota{" + kMain + "} 25000\n"));
  EXPECT_THAT(text, HasSubstr("container_spec_cpu_period{" + kMain + "} 100000\n"));
  EXPECT_THAT(text, Not(HasSubstr("container_spec_cpu_quota{" + kPod)));
}

TEST_P(CadvisorMetricsTest, PressureIsShownOnlyWhenTheKernelTellsIt) {
  EXPECT_THAT(page(), Not(HasSubstr("container_pressure_")));
  tree.file("", "/", "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n");
  const std::string text = page();
  const std::string line = "container_pressure_cpu_waiting_seconds_total{" + kRoot + "}" + value("2.5");
  EXPECT_EQ(text.find(line) != std::string::npos, tree.v2());
}

TEST_P(CadvisorMetricsTest, SpecificationsHaveNoTimeAndNoLimitIsZero) {
  tree.memory_limit("/kubepods/poda/a-main", 67108864);
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("container_spec_memory_limit_bytes{" + kMain + "} 6.7108864e+07\n"));
  EXPECT_THAT(text, HasSubstr("container_spec_memory_limit_bytes{" + kPod + "} 0\n"));
  EXPECT_THAT(text, HasSubstr("container_spec_memory_limit_bytes{" + kRoot + "} 8.192e+06\n"));
  EXPECT_THAT(text, HasSubstr("container_start_time_seconds{" + kMain + "} 1.7000001e+09\n"));
}

TEST_P(CadvisorMetricsTest, DevicesHaveTheNamesOfTheirDisks) {
  const std::string main = "/kubepods/poda/a-main";
  tree.write("proc/diskstats", " 254 0 vda 1 2 3 4000 5 6 7 8000 9 10000 11000\n");
  if (tree.v2()) {
    tree.file("", main, "io.stat", "254:0 rbytes=100 wbytes=200 rios=1 wios=2\n7:0 rbytes=5\n");
  } else {
    tree.file("blkio", main, "blkio.throttle.io_service_bytes_recursive",
              "254:0 Read 100\n254:0 Write 200\n7:0 Read 5\n");
    tree.file("blkio", main, "blkio.throttle.io_serviced_recursive", "254:0 Read 1\n254:0 Write 2\n");
  }
  const std::string text = page();
  const std::string before = R"({container="main",device="/dev/vda",id="/kubepods/poda/a-main",image="image/main",)";
  EXPECT_THAT(text, HasSubstr("container_fs_reads_bytes_total" + before));
  EXPECT_THAT(text, HasSubstr("container_fs_writes_total" + before));
  EXPECT_THAT(text, HasSubstr("container_blkio_device_usage_total" + before +
                              R"(major="254",minor="0",name="a-main",)"
                              R"(namespace="default",operation="Write",pod="web-a"})" +
                              value("200")));
  EXPECT_THAT(text, Not(HasSubstr("container_fs_reads_bytes_total{container=\"main\",device=\"\"")));
  EXPECT_THAT(text, Not(HasSubstr("container_fs_usage_bytes")));  // no file system is mounted here
}

TEST_P(CadvisorMetricsTest, FileSystemsAreTheRoots) {
  tree.write("proc/diskstats", " 254 1 vda1 1 2 3 4000 5 6 7 8000 9 10000 11000\n");
  tree.write("proc/self/mountinfo", "27 1 254:1 / " + tree.top() + " rw - ext4 /dev/vda1 rw\n");
  const std::string text = page();
  const std::string labels = R"({container="",device="/dev/vda1",id="/",image="",name="",namespace="",pod=""})";
  EXPECT_THAT(text, HasSubstr("container_fs_limit_bytes" + labels));
  EXPECT_THAT(text, HasSubstr("container_fs_inodes_total" + labels));
  EXPECT_THAT(text, HasSubstr("container_fs_reads_total" + labels + value("1")));
  EXPECT_THAT(text, HasSubstr("container_fs_sector_writes_total" + labels + value("7")));
  EXPECT_THAT(text, HasSubstr("container_fs_io_time_seconds_total" + labels + value("10")));
  EXPECT_THAT(text, HasSubstr("container_fs_io_current" + labels + value("9")));
}

TEST_P(CadvisorMetricsTest, OnlyTheContainersOwnKillsCount) {
  for (const char* group : {"/kubepods/poda", "/kubepods/poda/a-main"}) {
    tree.file("memory", group, tree.v2() ? "memory.events" : "memory.oom_control", "oom_kill 2\n");
  }
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("container_oom_events_total{" + kMain + "}" + value("2")));
  EXPECT_THAT(text, HasSubstr("container_oom_events_total{" + kPod + "}" + value("0")));
}

TEST_P(CadvisorMetricsTest, TellsOfTheMachineAndOfItself) {
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("machine_cpu_cores{boot_id=\"boot\",machine_id=\"machine\",system_uuid=\"uuid\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("machine_cpu_sockets{boot_id=\"boot\",machine_id=\"machine\",system_uuid=\"uuid\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("cadvisor_version_info{cadvisorRevision=\"\",cadvisorVersion=\"\",dockerVersion=\"\","
                              "kernelVersion=\"6.1.0\",osVersion=\"Debian\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ncontainer_scrape_error 0\n"));
  EXPECT_THAT(text, HasSubstr("\nmachine_scrape_error 0\n"));
}

TEST_P(CadvisorMetricsTest, FamiliesComeInTheOrderOfTheirNames) {
  std::vector<std::string> names;
  const auto snapshot = take(Depth::containers);
  each_cadvisor_page(snapshot.get(), machine(), [&names](const metrics::Page& part) {
    for (const auto& [name, family] : part.families()) names.push_back(name);
  });
  EXPECT_GT(names.size(), 45u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << testing::PrintToString(names);
}

TEST(CadvisorMetrics, WithoutASnapshotSayThatThereIsAnError) {
  const std::string text = page_of(nullptr);
  EXPECT_THAT(text, HasSubstr("container_scrape_error 1\n"));
  EXPECT_THAT(text, HasSubstr("machine_memory_bytes{"));
  EXPECT_THAT(text, Not(HasSubstr("container_memory")));
}

TEST(CadvisorSeries, AreThoseOfTheContractInOrder) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> groups{
      {"cpu_",
       {"usage_seconds_total", "user_seconds_total", "system_seconds_total", "load_average_10s", "load_d_average_10s"}},
      {"cpu_cfs_",
       {"periods_total", "throttled_periods_total", "burst_periods_total", "throttled_seconds_total",
        "burst_seconds_total"}},
      {"memory_",
       {"usage_bytes", "working_set_bytes", "rss", "cache", "swap", "mapped_file", "kernel_usage", "max_usage_bytes",
        "total_active_file_bytes", "total_inactive_file_bytes", "failcnt", "failures_total"}},
      {"network_receive_", {"bytes_total", "packets_total", "packets_dropped_total", "errors_total"}},
      {"network_transmit_", {"bytes_total", "packets_total", "packets_dropped_total", "errors_total"}},
      {"fs_",
       {"usage_bytes", "limit_bytes", "inodes_total", "inodes_free", "reads_bytes_total", "writes_bytes_total",
        "reads_total", "writes_total", "read_seconds_total", "write_seconds_total", "reads_merged_total",
        "writes_merged_total", "sector_reads_total", "sector_writes_total", "io_time_seconds_total",
        "io_time_weighted_seconds_total", "io_current"}},
      {"pressure_cpu_", {"waiting_seconds_total", "stalled_seconds_total"}},
      {"pressure_memory_", {"waiting_seconds_total", "stalled_seconds_total"}},
      {"pressure_io_", {"waiting_seconds_total", "stalled_seconds_total"}},
      {"spec_",
       {"cpu_period", "cpu_quota", "cpu_shares", "memory_limit_bytes", "memory_reservation_limit_bytes",
        "memory_swap_limit_bytes"}},
      {"",
       {"tasks_state", "oom_events_total", "blkio_device_usage_total", "processes", "threads", "threads_max", "sockets",
        "file_descriptors", "ulimits_soft", "start_time_seconds", "last_seen", "health_state"}}};
  std::vector<std::string> expected;
  for (const auto& [prefix, names] : groups) {
    for (const std::string& name : names) expected.push_back("container_" + prefix + name);
  }
  std::sort(expected.begin(), expected.end());
  std::vector<std::string> names;
  for (const CadvisorSeries& one : cadvisor_series()) names.emplace_back(one.name);
  EXPECT_EQ(names, expected);
}

TEST(CpuTopology, CountsCoresAndSocketsOnce) {
  FakeTree tree(Version::v2);
  const char* const kCpus[][3] = {{"cpu0", "0", "0"}, {"cpu1", "0", "0"}, {"cpu2", "1", "0"}, {"cpu3", "0", "1"}};
  for (const auto& [cpu, core, socket] : kCpus) {
    tree.write(std::string("sys/devices/system/cpu/") + cpu + "/topology/core_id", std::string(core) + "\n");
    tree.write(std::string("sys/devices/system/cpu/") + cpu + "/topology/physical_package_id",
               std::string(socket) + "\n");
  }
  tree.write("sys/devices/system/cpu/online", "0-3\n");
  EXPECT_EQ(read_cpu_topology(tree.top() + "/sys"), (CpuTopology{3, 2}));
  EXPECT_EQ(read_cpu_topology("/nowhere"), CpuTopology());
}

}  // namespace
}  // namespace keelson::stats
