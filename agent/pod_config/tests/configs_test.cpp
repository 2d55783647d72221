// What only the whole configs show: order, inputs of device plugins, and which error comes first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pod_config/container_config.hpp"
#include "agent/pod_config/sandbox_config.hpp"
#include "agent/pod_config/stop_signal.hpp"
#include "agent/pod_config/tests/pods.hpp"

namespace keelson::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ContainerInputs ready_inputs() {
  ContainerInputs inputs;
  inputs.environment.services_synced = true;
  inputs.image_ref = "sha256:1";
  return inputs;
}

TEST(SandboxConfig, OnTheHostNetworkHasNoHostname) {
  const auto config = make_sandbox_config(make_pod("spec: {hostNetwork: true, dnsPolicy: Default}"), {});
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config.value().hostname, "");
  EXPECT_EQ(config.value().metadata.attempt, 0u);
}

TEST(SandboxConfig, CarriesAttemptCgroupAndExclusiveCpus) {
  SandboxInputs inputs;
  inputs.attempt = 4;
  inputs.cgroup_parent = "/kubepods/podu";
  inputs.exclusive_cpus = true;
  std::vector<ConfigEvent> events;
  const auto config = make_sandbox_config(make_pod("spec: {containers: [{name: c}]}"), inputs, &events);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config.value().metadata, (cri::PodSandboxMetadata{"p", "u", "ns", 4}));
  EXPECT_EQ(config.value().linux_config->cgroup_parent, "/kubepods/podu");
  EXPECT_EQ(config.value().linux_config->resources->cpu_quota, -1);
  EXPECT_EQ(events.size(), 2u) << "no cluster DNS is configured: one event for the node, one for the pod";
}

TEST(SandboxConfig, SaysWhatIsWrong) {
  SandboxInputs inputs;
  inputs.resolv_conf = "nameserver\n";
  EXPECT_EQ(make_sandbox_config(make_pod("spec: {}"), inputs).error().message(), "nameserver list is empty");
  EXPECT_THAT(make_sandbox_config(make_pod("spec: {hostname: A}"), {}).error().message(), HasSubstr("\"A\""));
}

TEST(ContainerConfig, DevicePluginsComeFirstAndTheirVariablesCanBeUsed) {
  const auto pod = pod_with_container(
      "{name: c, image: reg/i, command: [$(DEV), $(A)], args: [$(NO)], workingDir: /w, stdin: true, stdinOnce: true, "
      "tty: true, env: [{name: A, value: $(DEV)}], volumeMounts: [{name: v, mountPath: /v}], "
      "volumeDevices: [{name: b, devicePath: /dev/b}]}");
  ContainerInputs inputs = ready_inputs();
  inputs.devices.envs = {{"DEV", "gpu0"}};
  cri::Mount driver;
  driver.container_path = "/driver";
  inputs.devices.mounts = {driver};
  inputs.devices.devices = {{"/dev/gpu", "/dev/gpu0", "rw"}};
  inputs.devices.cdi_devices = {"claim", "plugin"};
  inputs.volumes["v"] = {"/host/v", false, false, std::nullopt};
  inputs.block_volumes["b"] = {"/host/b", false};
  inputs.restart_count = 2;
  inputs.cpuset_cpus = "0-1";
  inputs.cpuset_mems = "0";
  const auto result = make_container_config(pod, pod.spec().containers(0), inputs);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  const auto& config = result.value();
  EXPECT_THAT(config.envs, ElementsAre(cri::KeyValue{"DEV", "gpu0"}, cri::KeyValue{"A", "$(DEV)"}));
  EXPECT_THAT(config.command, ElementsAre("gpu0", "$(DEV)"));
  EXPECT_THAT(config.args, ElementsAre("$(NO)"));
  EXPECT_EQ(config.mounts.front().container_path, "/driver");
  EXPECT_EQ(config.mounts.back().container_path, "/v");
  EXPECT_EQ(config.devices.front().host_path, "/dev/gpu0");
  EXPECT_EQ(config.devices.back(), (cri::Device{"/dev/b", "/host/b", "mrw"}));
  EXPECT_THAT(config.cdi_devices, ElementsAre("claim", "plugin"));
  EXPECT_EQ(config.metadata, (cri::ContainerMetadata{"c", 2}));
  EXPECT_EQ(config.image.image, "sha256:1");
  EXPECT_EQ(config.image.user_specified_image, "reg/i");
  EXPECT_EQ(config.log_path, "c/2.log");
  EXPECT_EQ(config.working_dir, "/w");
  EXPECT_TRUE(config.stdin_open && config.stdin_once && config.tty);
  EXPECT_EQ(config.linux_config->resources->cpuset_cpus, "0-1");
  EXPECT_EQ(config.linux_config->resources->cpuset_mems, "0");
}

TEST(ContainerConfig, EveryMountOfAUserNamespaceIsMappedThoseOfDevicePluginsToo) {
  const auto pod = pod_with_container(
      "{name: c, terminationMessagePath: /t, volumeMounts: [{name: v, mountPath: /v}, {name: i, mountPath: /i}]}",
      "hostUsers: false");
  ContainerInputs inputs = ready_inputs();
  cri::Mount driver;
  driver.container_path = "/driver";
  inputs.devices.mounts = {driver};
  inputs.volumes["v"] = {"/host/v", false, false, std::nullopt};
  inputs.volumes["i"] = {"", false, false, cri::ImageSpec{}};
  inputs.environment.pod_ips = {"10.0.0.1"};
  inputs.termination_file = "/host/t";
  inputs.user_namespace = UserNamespaceRange{65'536, 65'536};
  const auto config = make_container_config(pod, pod.spec().containers(0), inputs);
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  ASSERT_EQ(config.value().mounts.size(), 5u);
  for (const auto& mount : config.value().mounts) {
    EXPECT_THAT(mount.uid_mappings, ElementsAre(cri::IdMapping{65'536, 0, 65'536})) << mount.container_path;
    EXPECT_EQ(mount.gid_mappings, mount.uid_mappings);
  }
  EXPECT_EQ(config.value().linux_config->security_context->namespace_options->userns_options->uids,
            config.value().mounts[0].uid_mappings);
}

TEST(ContainerConfig, TheStopSignalIsSentOnlyWithItsGate) {
  const auto pod = pod_with_container("{name: c, lifecycle: {stopSignal: SIGUSR1}}");
  ContainerInputs inputs = ready_inputs();
  EXPECT_EQ(make_container_config(pod, pod.spec().containers(0), inputs).value().stop_signal, 0);
  inputs.node.container_stop_signals = true;
  EXPECT_EQ(make_container_config(pod, pod.spec().containers(0), inputs).value().stop_signal, 29);
  EXPECT_EQ(make_container_config(pod, make_container("{name: c}"), inputs).value().stop_signal, 0);
}

TEST(StopSignals, HaveTheCrisOwnNumbers) {
  const std::vector<std::pair<std::string, std::int32_t>> rows{
      {"SIGABRT", 1},      {"SIGKILL", 13},     {"SIGQUIT", 18},    {"SIGTERM", 23},
      {"SIGWINCH", 32},    {"SIGXFSZ", 34},     {"SIGRTMIN", 35},   {"SIGRTMIN+1", 36},
      {"SIGRTMIN+15", 50}, {"SIGRTMAX-14", 51}, {"SIGRTMAX-1", 64}, {"SIGRTMAX", 65}};
  for (const auto& [name, number] : rows) {
    EXPECT_EQ(stop_signal_number(name), number) << name;
    EXPECT_EQ(stop_signal_name(number), name);
  }
  EXPECT_EQ(stop_signal_number("SIGNOTHING"), 0);
  EXPECT_EQ(stop_signal_number(""), 0);
  EXPECT_EQ(stop_signal_name(0), "");
  EXPECT_EQ(stop_signal_name(66), "");
  EXPECT_EQ(stop_signal_name(-1), "");
}

TEST(ContainerConfig, AnEphemeralContainerLooksAtItsTarget) {
  const auto pod = pod_with_container("{name: c}");
  ContainerInputs inputs = ready_inputs();
  inputs.target_id = "abc";
  const auto config = make_container_config(pod, make_container("{name: debug}"), inputs);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config.value().linux_config->security_context->namespace_options->target_id, "abc");
}

TEST(ContainerConfig, RecursiveReadOnlyFollowsTheHandlersFeatures) {
  const auto pod = pod_with_container(
      "{name: c, volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: IfPossible}]}");
  ContainerInputs inputs = ready_inputs();
  inputs.volumes["v"] = {"/host/v", false, false, std::nullopt};
  inputs.handlers = {{"", false, false}, {"new", true, false}};
  const auto& container = pod.spec().containers(0);
  EXPECT_FALSE(make_container_config(pod, container, inputs).value().mounts[0].recursive_read_only);
  inputs.runtime_handler = "new";
  EXPECT_TRUE(make_container_config(pod, container, inputs).value().mounts[0].recursive_read_only);
}

TEST(ContainerConfig, TheFirstErrorIsThatOfTheEnvironmentThenMountsThenTheUser) {
  const std::string user = "securityContext: {runAsNonRoot: true}";
  const std::string mount = "volumeMounts: [{name: x, mountPath: /x}]";
  const std::string env = "env: [{name: A, valueFrom: {fieldRef: {fieldPath: none}}}]";
  const auto error = [](const std::string& container) {
    const auto pod = pod_with_container("{name: c, " + container + "}");
    return make_container_config(pod, pod.spec().containers(0), ready_inputs()).error().message();
  };
  EXPECT_THAT(error(user + ", " + mount + ", " + env), HasSubstr("field label"));
  EXPECT_THAT(error(user + ", " + mount), HasSubstr("cannot find volume"));
  EXPECT_THAT(error(user), HasSubstr("will run as root"));
}

}  // namespace
}  // namespace keelson::agent
