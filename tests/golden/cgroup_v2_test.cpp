// The recorded groups of a cgroup v2 machine (systemd driver) against our names and limits.
#include <gtest/gtest.h>

#include "agent/pod_config/resources.hpp"
#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "cgroup-manager/cgroupfs.hpp"
#include "cgroup-manager/tiers.hpp"
#include "tests/golden/recordings.hpp"

namespace keelson::golden {
namespace {

using cgroups::CgroupName;
using cgroups::QosClass;

// What the recorded pods asked for (data/README.md, "v2 pods").
struct RecordedPod {
  std::string name;
  QosClass qos;
  std::string spec;
};
const std::vector<RecordedPod> kPods{
    {"guaranteed", QosClass::guaranteed,
     R"({"containers": [{"name": "main", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"},
         "limits": {"cpu": "250m", "memory": "64Mi"}}}]})"},
    {"burstable", QosClass::burstable,
     R"({"containers": [{"name": "main", "resources": {"requests": {"cpu": "100m", "memory": "32Mi"},
         "limits": {"memory": "64Mi"}}}, {"name": "second", "resources": {"requests": {"cpu": "50m"}}}]})"},
    {"podlevel", QosClass::burstable,
     R"({"resources": {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
         "containers": [{"name": "main", "resources": {"requests": {"cpu": "100m"}}}, {"name": "two"}]})"},
    {"plain", QosClass::best_effort, R"({"containers": [{"name": "main"}]})"},
};

api::Pod make_pod(const RecordedPod& recorded) {
  api::Pod pod;
  const std::string text = R"({"metadata": {"name": ")" + recorded.name + R"("}, "spec": )" + recorded.spec + "}";
  const auto node = api::parse_json(text);
  EXPECT_TRUE(node.ok());
  EXPECT_TRUE(api::decode(node.value(), pod).ok());
  return pod;
}

// Every file that we would write holds the recorded value; a value we do not write is the kernel's default.
void expect_recorded(const CgroupName& name, const cgroups::Limits& limits, bool memory_limited, bool cpu_limited) {
  static const json groups = load("cgroup-v2-systemd.json").at("cgroups");
  const std::string path = cgroups::systemd_path(name).substr(1);
  SCOPED_TRACE(path);
  ASSERT_TRUE(groups.contains(path));
  const json& files = groups.at(path);
  int compared = 0;
  for (const auto& write : cgroups::limit_writes(limits, cgroups::Version::v2)) {
    if (!files.contains(write.file)) continue;
    EXPECT_EQ(write.value, files.at(write.file).get<std::string>()) << write.file;
    ++compared;
  }
  EXPECT_GE(compared, 2);
  EXPECT_EQ(files.at("memory.max") != "max", memory_limited);
  EXPECT_EQ(files.at("cpu.max") != "max 100000", cpu_limited);
  EXPECT_EQ(limits.memory.has_value(), memory_limited);
  EXPECT_EQ(limits.cpu_quota.value_or(0) > 0, cpu_limited);
}

TEST(GoldenCgroupV2, PodsHaveTheRecordedNamesAndValues) {
  agent::NodeInfo node;
  node.cgroup_v2 = true;
  node.hugepage_sizes = {"2MB"};
  for (const auto& recorded : kPods) {
    const auto limits = agent::pod_cgroup_limits(make_pod(recorded), node, -1, false);
    const bool limited = recorded.name == "guaranteed" || recorded.name == "podlevel";
    expect_recorded(cgroups::pod({}, recorded.qos, "<uid_:" + recorded.name + ">"), limits, limited, limited);
  }
}

TEST(GoldenCgroupV2, TheRootAndTheTiersHaveTheRecordedNamesAndValues) {
  const std::vector<std::string> sizes{"2MB"};
  expect_recorded(cgroups::pods_root({}), cgroups::root_limits({2000, 6'219'558'912, 47'245, sizes, "0-1"}), true,
                  false);
  expect_recorded(cgroups::tier({}, QosClass::burstable), cgroups::burstable_limits(350, sizes), false, false);
  expect_recorded(cgroups::tier({}, QosClass::best_effort), cgroups::best_effort_limits(sizes), false, false);
}

}  // namespace
}  // namespace keelson::golden
