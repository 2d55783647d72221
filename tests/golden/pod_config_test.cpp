// From the recorded pods our CRI configs, hosts files, names and cgroup values equal those of the kubelet.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "agent/pod_config/container_config.hpp"
#include "agent/pod_config/hostname.hpp"
#include "agent/pod_config/hosts_file.hpp"
#include "agent/pod_config/log_paths.hpp"
#include "agent/pod_config/resources.hpp"
#include "agent/pod_config/sandbox_config.hpp"
#include "cgroup-manager/cgroupfs.hpp"
#include "cgroup-manager/names.hpp"
#include "cri-client/debug_json.hpp"
#include "tests/golden/recordings.hpp"

namespace keelson::golden {
namespace {

// All that our requests hold and the recording does not: the fields that containerd 1.6 does not know and drops
// (data/README.md). Everything else must be equal.
const std::vector<std::string> kDroppedByContainerd16{
    "/image/user_specified_image",
};

TEST(GoldenPods, SandboxConfigsEqualTheRecordedOnes) {
  int compared = 0;
  for (const auto& recording : recordings()) {
    for (const auto& sandbox : recording.data.at("sandboxes")) {
      SCOPED_TRACE(recording.name);
      std::vector<agent::ConfigEvent> events;
      const auto config = agent::make_sandbox_config(recording.pod, sandbox_inputs(recording), &events);
      ASSERT_TRUE(config.ok()) << config.error().to_string();
      EXPECT_EQ(differences(sandbox.at("config"), json::parse(cri::debug_json(config.value())), {}), "");
      EXPECT_TRUE(events.empty());
      ++compared;
    }
  }
  EXPECT_EQ(compared, 24);
}

TEST(GoldenPods, ContainerConfigsEqualTheRecordedOnes) {
  int compared = 0;
  for (const auto& recording : recordings()) {
    for (const auto& recorded : recording.data.at("containers")) {
      const json& wanted = recorded.at("config");
      const auto& container = find_container(recording.pod, wanted.at("metadata").at("name"));
      SCOPED_TRACE(recording.name + "/" + container.name());
      const auto config =
          agent::make_container_config(recording.pod, container, container_inputs(recording, container, wanted));
      ASSERT_TRUE(config.ok()) << config.error().to_string();
      EXPECT_EQ(differences(wanted, json::parse(cri::debug_json(config.value())), kDroppedByContainerd16), "");
      EXPECT_EQ(config.value().image.user_specified_image, container.image());
      ++compared;
    }
  }
  EXPECT_EQ(compared, 25);
}

TEST(GoldenPods, HostsFilesEqualTheRecordedOnes) {
  int compared = 0;
  for (const auto& recording : recordings()) {
    const std::string wanted = recording.data.value("etc_hosts", "");
    if (wanted.empty()) continue;
    SCOPED_TRACE(recording.name);
    const auto hostname = agent::make_hostname(recording.pod, "cluster.local");
    ASSERT_TRUE(hostname.ok());
    EXPECT_EQ(
        agent::make_hosts_file(recording.pod, recording.pod_ips(), hostname.value().host, hostname.value().domain),
        wanted);
    ++compared;
  }
  EXPECT_GE(compared, 20);
}

TEST(GoldenPods, LogFilesAreWhereTheRecordedOnesAre) {
  int compared = 0;
  for (const auto& recording : recordings()) {
    std::set<std::string> files;
    for (const auto& entry : recording.data.at("log_dir")) files.insert(entry.at("path").get<std::string>());
    for (const auto& recorded : recording.data.at("containers")) {
      const json& status = recorded.at("status");
      const std::string name = status.at("metadata").at("name");
      SCOPED_TRACE(recording.name + "/" + name);
      const std::string path =
          agent::container_log_path(name, status.at("metadata").at("attempt").get<std::uint32_t>());
      EXPECT_EQ(agent::pod_log_directory("/var/log/pods", recording.pod) + "/" + path,
                status.at("logPath").get<std::string>());
      EXPECT_TRUE(files.contains(path)) << path;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 25);
}

TEST(GoldenPods, TheNextRestartCountFollowsFromTheRecordedLogFiles) {
  for (const auto& recording : recordings()) {
    for (const auto& name : recording.container_names()) {
      SCOPED_TRACE(recording.name + "/" + name);
      std::vector<std::string> files;
      std::uint32_t next = 0;
      for (const auto& entry : recording.data.at("log_dir")) {
        const std::string path = entry.at("path");
        if (!path.starts_with(name + "/")) continue;
        files.push_back(path.substr(name.size() + 1));
      }
      for (const auto& recorded : recording.data.at("containers")) {
        const json& metadata = recorded.at("status").at("metadata");
        if (metadata.at("name") == name) next = std::max(next, metadata.at("attempt").get<std::uint32_t>() + 1);
      }
      EXPECT_EQ(agent::restart_count_from_logs(files), next);
    }
  }
}

// All files that were recorded: what is not written holds the kernel's default.
TEST(GoldenPods, PodCgroupsHaveTheRecordedNamesAndValues) {
  const std::map<std::string, std::string> defaults{{"cpu.cfs_period_us", "100000"},
                                                    {"cpu.cfs_quota_us", "-1"},
                                                    {"memory.limit_in_bytes", "9223372036854771712"},
                                                    {"pids.max", "max"}};
  std::map<std::string, int> compared;
  for (const auto& recording : recordings()) {
    const std::string path =
        cgroups::cgroupfs_path(cgroups::pod({}, agent::qos_class(recording.pod), recording.pod.metadata().uid()));
    const auto limits = agent::pod_cgroup_limits(recording.pod, recorded_node(), -1, false);
    std::map<std::string, std::string> ours = defaults;
    for (const auto& write : cgroups::limit_writes(limits, cgroups::Version::v1)) ours[write.file] = write.value;
    for (const auto& [group, files] : recording.data.at("cgroups").items()) {
      SCOPED_TRACE(recording.name + " " + group);
      EXPECT_EQ(group.substr(std::min(group.find('/'), group.size())), path);
      for (const auto& [file, value] : files.items()) {
        EXPECT_EQ(ours[file], value.get<std::string>()) << file;
        ++compared[file];
      }
    }
    EXPECT_EQ(cgroups::pod_uid(path), recording.pod.metadata().uid());
  }
  for (const char* file :
       {"cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "memory.limit_in_bytes", "pids.max"}) {
    EXPECT_GE(compared[file], 20) << file;
  }
}

TEST(GoldenPods, QosClassesEqualThoseOfTheApiServer) {
  for (const auto& recording : recordings()) {
    SCOPED_TRACE(recording.name);
    EXPECT_EQ(agent::to_string(agent::compute_qos_class(recording.pod)),
              recording.data.at("live").at("status").at("qosClass").get<std::string>());
  }
}

TEST(GoldenPods, AMissingConfigMapGivesTheRecordedError) {
  const auto& missing = recording("missingcm");
  const auto& container = missing.pod.spec().containers(0);
  const json config{{"metadata", json::object()}, {"image", {{"image", "x"}}}, {"mounts", json::array()}};
  const auto result =
      agent::make_container_config(missing.pod, container, container_inputs(missing, container, config));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ("Error: " + result.error().message(), missing.event("Failed"));
}

TEST(GoldenPods, AUserNamespaceWithoutRuntimeSupportGivesTheRecordedError) {
  const auto& hostusers = recording("hostusers");
  const auto result = agent::make_sandbox_config(hostusers.pod, sandbox_inputs(hostusers));
  ASSERT_FALSE(result.ok());
  EXPECT_NE(hostusers.event("FailedCreatePodSandBox").find(result.error().message()), std::string::npos)
      << result.error().message() << "\nrecorded: " << hostusers.event("FailedCreatePodSandBox");
}

}  // namespace
}  // namespace keelson::golden
