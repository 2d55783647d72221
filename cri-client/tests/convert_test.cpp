#include "cri-client/convert.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cri-client/debug_json.hpp"

namespace keelson::cri {
namespace {

using nlohmann::json;

LinuxContainerResources some_resources() {
  LinuxContainerResources resources;
  resources.cpu_period = 100000;
  resources.cpu_quota = 50000;
  resources.cpu_shares = 512;
  resources.memory_limit_in_bytes = 1 << 30;
  resources.memory_swap_limit_in_bytes = 2 << 20;
  resources.oom_score_adj = -997;
  resources.cpuset_cpus = "0-1";
  resources.cpuset_mems = "0";
  resources.hugepage_limits = {{"2MB", 4194304}, {"1GB", 0}};
  resources.unified = {{"memory.high", "1"}};
  return resources;
}

NamespaceOption some_namespaces() {
  NamespaceOption option;
  option.network = NamespaceMode::node;
  option.pid = NamespaceMode::target;
  option.ipc = NamespaceMode::container;
  option.target_id = "abc";
  option.userns_options = UserNamespace{NamespaceMode::node, {{65536, 0, 65536}}, {{65536, 0, 65536}}};
  return option;
}

PodSandboxConfig full_sandbox() {
  PodSandboxConfig config;
  config.metadata = {"web", "uid-1", "default", 3};
  config.hostname = "web";
  config.log_directory = "/var/log/pods/x";
  config.dns_config = DnsConfig{{"10.0.0.10"}, {"svc"}, {"ndots:5"}};
  config.port_mappings = {{Protocol::udp, 53, 5353, "127.0.0.1"}};
  config.labels = {{"a", "b"}};
  config.annotations = {{"c", "d"}};
  LinuxSandboxSecurityContext security;
  security.namespace_options = some_namespaces();
  security.selinux_options = SeLinuxOption{"u", "r", "t", "l"};
  security.run_as_user = 0;
  security.run_as_group = 7;
  security.readonly_rootfs = true;
  security.supplemental_groups = {1, 2};
  security.supplemental_groups_policy = SupplementalGroupsPolicy::strict;
  security.privileged = true;
  security.seccomp = SecurityProfile{ProfileType::localhost, "/p.json"};
  security.apparmor = SecurityProfile{ProfileType::unconfined, ""};
  config.linux_config =
      LinuxPodSandboxConfig{"/kubepods/x", security, {{"net.x", "1"}}, LinuxContainerResources{}, some_resources()};
  return config;
}

ContainerConfig full_container() {
  ContainerConfig config;
  config.metadata = {"main", 2};
  config.image = {"sha256:1", {{"k", "v"}}, "busybox:1", "runc", "ref"};
  config.command = {"sh", "-c"};
  config.args = {"true"};
  config.working_dir = "/w";
  config.envs = {{"A", "1"}, {"RAW", std::string("\xff\x00z", 3)}};
  Mount mount;
  mount.container_path = "/data";
  mount.host_path = "/host";
  mount.readonly = true;
  mount.selinux_relabel = true;
  mount.propagation = MountPropagation::bidirectional;
  mount.uid_mappings = {{1, 2, 3}};
  mount.gid_mappings = {{4, 5, 6}};
  mount.recursive_read_only = true;
  mount.image = ImageSpec{"img", {}, "", "", ""};
  mount.image_sub_path = "sub";
  config.mounts = {mount};
  config.devices = {{"/dev/c", "/dev/h", "rwm"}};
  config.cdi_devices = {"vendor.com/gpu=0"};
  config.labels = {{"l", "1"}};
  config.annotations = {{"n", "2"}};
  config.log_path = "main/2.log";
  config.stdin_open = config.stdin_once = config.tty = true;
  LinuxContainerSecurityContext security;
  security.capabilities = Capability{{"NET_ADMIN"}, {"ALL"}, {"CHOWN"}};
  security.privileged = true;
  security.namespace_options = some_namespaces();
  security.selinux_options = SeLinuxOption{"u", "r", "t", "l"};
  security.run_as_user = 0;
  security.run_as_group = 0;
  security.run_as_username = "nobody";
  security.readonly_rootfs = true;
  security.supplemental_groups = {9};
  security.supplemental_groups_policy = SupplementalGroupsPolicy::strict;
  security.no_new_privs = true;
  security.masked_paths = {"/proc/keys"};
  security.readonly_paths = {"/proc/sys"};
  security.seccomp = SecurityProfile{ProfileType::runtime_default, ""};
  security.apparmor = SecurityProfile{ProfileType::localhost, "p"};
  security.apparmor_profile = "localhost/p";
  config.linux_config = LinuxContainerConfig{some_resources(), security};
  config.stop_signal = 10;
  return config;
}

// Every field of the message that has no sub-message behind it, and is not left out by design, must be set: a field
// that a converter forgets is lost both ways and would pass a round trip.
void expect_all_set(const google::protobuf::Message& message, const std::string& path) {
  const auto& reflection = *message.GetReflection();
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const auto* field = descriptor.field(i);
    if (field->name() == "windows" || field->name() == "seccomp_profile_path") continue;
    if (field->is_repeated()) {
      EXPECT_GT(reflection.FieldSize(message, field), 0) << path << field->name();
      continue;
    }
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;  // 0 may be meant
    EXPECT_TRUE(reflection.HasField(message, field)) << path << field->name();
    const bool leaf = field->message_type()->name() == "Int64Value" || field->message_type()->name() == "ImageSpec" ||
                      field->name() == "overhead";
    if (reflection.HasField(message, field) && !leaf) {
      expect_all_set(reflection.GetMessage(message, field), path + field->name() + ".");
    }
  }
}

TEST(Convert, PodSandboxConfigKeepsEveryField) {
  pb::PodSandboxConfig proto;
  to_proto(full_sandbox(), &proto);
  expect_all_set(proto, "");
  EXPECT_EQ(from_proto(proto), full_sandbox());
  EXPECT_EQ(proto.linux().security_context().namespace_options().userns_options().mode(), pb::NODE);
  EXPECT_TRUE(proto.linux().security_context().has_run_as_user()) << "user 0 is a value, not absence";
}

TEST(Convert, ContainerConfigKeepsEveryField) {
  pb::ContainerConfig proto;
  to_proto(full_container(), &proto);
  expect_all_set(proto, "");
  EXPECT_EQ(from_proto(proto), full_container());
  EXPECT_EQ(proto.stop_signal(), pb::SIGNAL_SIGINT);
  EXPECT_EQ(proto.cdi_devices(0).name(), "vendor.com/gpu=0");
}

TEST(Convert, AbsentStaysAbsent) {
  pb::PodSandboxConfig sandbox;
  to_proto(PodSandboxConfig{}, &sandbox);
  EXPECT_FALSE(sandbox.has_linux());
  EXPECT_FALSE(sandbox.has_dns_config());
  pb::ContainerConfig container;
  to_proto(ContainerConfig{}, &container);
  EXPECT_FALSE(container.has_linux());
  pb::PodSandboxFilter filter;
  to_proto(PodSandboxFilter{}, &filter);
  EXPECT_FALSE(filter.has_state());
  EXPECT_EQ(filter.ByteSizeLong(), 0u);
}

TEST(Convert, FiltersAskForTheZeroState) {
  PodSandboxFilter sandbox_filter;
  sandbox_filter.id = "id";
  sandbox_filter.state = SandboxState::ready;
  sandbox_filter.label_selector = {{"a", "b"}};
  pb::PodSandboxFilter sandboxes;
  to_proto(sandbox_filter, &sandboxes);
  EXPECT_TRUE(sandboxes.has_state());
  EXPECT_EQ(sandboxes.id(), "id");
  EXPECT_EQ(sandboxes.label_selector().at("a"), "b");
  ContainerFilter container_filter;
  container_filter.state = ContainerState::created;
  container_filter.pod_sandbox_id = "s";
  pb::ContainerFilter containers;
  to_proto(container_filter, &containers);
  EXPECT_TRUE(containers.has_state());
  EXPECT_EQ(containers.pod_sandbox_id(), "s");
}

TEST(Convert, PodSandboxStatusListsTheAddresses) {
  pb::PodSandboxStatus proto;
  proto.set_id("s");
  proto.mutable_metadata()->set_namespace_("ns");
  proto.set_state(pb::SANDBOX_NOTREADY);
  proto.set_created_at(5);
  EXPECT_FALSE(from_proto(proto).has_network);
  proto.mutable_network();
  EXPECT_TRUE(from_proto(proto).has_network);
  EXPECT_TRUE(from_proto(proto).ips.empty());
  proto.mutable_network()->add_additional_ips()->set_ip("fd00::1");
  EXPECT_TRUE(from_proto(proto).ips.empty()) << "without a first address there is none";
  EXPECT_TRUE(from_proto(proto).has_network);
  proto.mutable_network()->set_ip("10.0.0.1");
  proto.mutable_network()->add_additional_ips()->set_ip("10.0.0");
  EXPECT_TRUE(from_proto(proto).ips.empty()) << "one that cannot be parsed voids the list";
  EXPECT_FALSE(from_proto(proto).has_network) << "and no sandbox is made anew for it";
  proto.mutable_network()->mutable_additional_ips()->RemoveLast();
  proto.mutable_linux()->mutable_namespaces()->mutable_options()->set_network(pb::NODE);
  (*proto.mutable_labels())["a"] = "b";
  (*proto.mutable_annotations())["c"] = "d";
  proto.set_runtime_handler("h");
  const PodSandboxStatus status = from_proto(proto);
  EXPECT_EQ(status.ips, (std::vector<std::string>{"10.0.0.1", "fd00::1"}));
  EXPECT_EQ(status.network_mode, NamespaceMode::node);
  EXPECT_EQ(status.state, SandboxState::not_ready);
  EXPECT_EQ(status.metadata.ns, "ns");
  EXPECT_EQ(status.created_at, 5);
  EXPECT_EQ(status.labels.at("a"), "b");
  EXPECT_EQ(status.annotations.at("c"), "d");
  EXPECT_EQ(status.runtime_handler, "h");
}

TEST(Convert, ContainerStatusFallsBackToTheImageRef) {
  pb::ContainerStatus proto;
  proto.set_id("c");
  proto.set_image_ref("sha256:ref");
  EXPECT_EQ(from_proto(proto).image_id, "sha256:ref");
  proto.set_image_id("sha256:id");
  proto.set_state(pb::CONTAINER_EXITED);
  proto.set_started_at(2);
  proto.set_finished_at(3);
  proto.set_exit_code(137);
  proto.set_reason("OOMKilled");
  proto.set_message("m");
  proto.set_log_path("/l");
  proto.mutable_resources()->mutable_linux()->set_cpu_shares(2);
  proto.mutable_user()->mutable_linux()->set_uid(1000);
  proto.mutable_user()->mutable_linux()->add_supplemental_groups(5);
  proto.set_stop_signal(pb::SIGNAL_SIGTERM);
  proto.add_mounts()->set_container_path("/x");
  const ContainerStatus status = from_proto(proto);
  EXPECT_EQ(status.image_id, "sha256:id");
  EXPECT_EQ(status.state, ContainerState::exited);
  EXPECT_EQ(status.started_at, 2);
  EXPECT_EQ(status.finished_at, 3);
  EXPECT_EQ(status.exit_code, 137);
  EXPECT_EQ(status.reason, "OOMKilled");
  EXPECT_EQ(status.message, "m");
  EXPECT_EQ(status.log_path, "/l");
  EXPECT_EQ(status.resources->cpu_shares, 2);
  EXPECT_EQ(status.user->uid, 1000);
  EXPECT_EQ(status.user->supplemental_groups, (std::vector<std::int64_t>{5}));
  EXPECT_EQ(status.stop_signal, 23);
  EXPECT_EQ(status.mounts.at(0).container_path, "/x");
}

TEST(Convert, ListedContainerAndSandbox) {
  pb::Container container;
  container.set_id("c");
  container.set_pod_sandbox_id("s");
  container.mutable_metadata()->set_attempt(4);
  container.set_state(pb::CONTAINER_RUNNING);
  container.set_image_ref("r");
  const Container got = from_proto(container);
  EXPECT_EQ(got.pod_sandbox_id, "s");
  EXPECT_EQ(got.metadata.attempt, 4u);
  EXPECT_EQ(got.state, ContainerState::running);
  EXPECT_EQ(got.image_id, "r");
  pb::PodSandbox sandbox;
  sandbox.set_id("s");
  sandbox.mutable_metadata()->set_uid("u");
  sandbox.set_created_at(9);
  EXPECT_EQ(from_proto(sandbox).metadata.uid, "u");
  EXPECT_EQ(from_proto(sandbox).created_at, 9);
}

TEST(Convert, EventCarriesSandboxAndContainersWhenSent) {
  pb::ContainerEventResponse proto;
  proto.set_container_id("c");
  proto.set_container_event_type(pb::CONTAINER_STOPPED_EVENT);
  proto.set_created_at(8);
  EXPECT_FALSE(from_proto(proto).sandbox.has_value());
  proto.mutable_pod_sandbox_status()->set_id("s");
  proto.add_containers_statuses()->set_id("c");
  const ContainerEvent event = from_proto(proto);
  EXPECT_EQ(event.type, ContainerEventType::stopped);
  EXPECT_EQ(event.sandbox->id, "s");
  EXPECT_EQ(event.containers.at(0).id, "c");
}

TEST(Convert, ImagesAndFilesystems) {
  pb::Image proto;
  proto.set_id("i");
  proto.add_repo_tags("t");
  proto.add_repo_digests("d");
  proto.set_size(12);
  proto.set_pinned(true);
  EXPECT_FALSE(from_proto(proto).uid.has_value());
  proto.mutable_uid()->set_value(0);
  proto.set_username("u");
  const Image image = from_proto(proto);
  EXPECT_EQ(image.uid, 0);
  EXPECT_EQ(image.username, "u");
  EXPECT_EQ(image.repo_tags, std::vector<std::string>{"t"});
  EXPECT_EQ(image.repo_digests, std::vector<std::string>{"d"});
  EXPECT_TRUE(image.pinned);
  pb::ImageFsInfoResponse info;
  auto* filesystem = info.add_image_filesystems();
  filesystem->mutable_fs_id()->set_mountpoint("/m");
  filesystem->mutable_used_bytes()->set_value(0);
  EXPECT_EQ(from_proto(info).image_filesystems.at(0).mountpoint, "/m");
  EXPECT_EQ(from_proto(info).image_filesystems.at(0).used_bytes, 0u);
  EXPECT_FALSE(from_proto(info).image_filesystems.at(0).inodes_used.has_value());
  pb::AuthConfig auth;
  to_proto(AuthConfig{"u", "p", "a", "s", "i", "r"}, &auth);
  EXPECT_EQ(auth.username() + auth.password() + auth.auth() + auth.server_address() + auth.identity_token() +
                auth.registry_token(),
            "upasir");
}

TEST(Convert, RuntimeStatusAndConfig) {
  pb::StatusResponse proto;
  auto* condition = proto.mutable_status()->add_conditions();
  condition->set_type("RuntimeReady");
  condition->set_status(true);
  condition->set_reason("r");
  condition->set_message("m");
  proto.add_runtime_handlers()->mutable_features()->set_user_namespaces(true);
  EXPECT_FALSE(from_proto(proto).supplemental_groups_policy.has_value());
  proto.mutable_features();
  const RuntimeStatus status = from_proto(proto);
  EXPECT_EQ(status.conditions.at(0).type, "RuntimeReady");
  EXPECT_TRUE(status.handlers.at(0).user_namespaces);
  EXPECT_EQ(status.supplemental_groups_policy, false);
  pb::RuntimeConfigResponse config;
  EXPECT_EQ(from_proto(config), std::nullopt);
  config.mutable_linux();
  EXPECT_EQ(from_proto(config), CgroupDriver::systemd);
  config.mutable_linux()->set_cgroup_driver(pb::CGROUPFS);
  EXPECT_EQ(from_proto(config), CgroupDriver::cgroupfs);
}

TEST(Convert, StatsTellZeroFromAbsent) {
  pb::PodSandboxStats proto;
  proto.mutable_attributes()->set_id("s");
  auto* stats = proto.mutable_linux();
  stats->mutable_cpu()->mutable_usage_core_nano_seconds()->set_value(0);
  stats->mutable_cpu()->mutable_psi()->mutable_some()->set_avg10(1.5);
  stats->mutable_memory()->mutable_working_set_bytes()->set_value(7);
  stats->mutable_network()->mutable_default_interface()->set_name("eth0");
  stats->mutable_network()->add_interfaces()->mutable_rx_bytes()->set_value(3);
  stats->mutable_process()->mutable_process_count()->set_value(2);
  auto* container = stats->add_containers();
  container->mutable_attributes()->mutable_metadata()->set_name("main");
  container->mutable_swap()->mutable_swap_usage_bytes()->set_value(1);
  container->mutable_writable_layer()->mutable_fs_id()->set_mountpoint("/w");
  const PodSandboxStats got = from_proto(proto);
  EXPECT_EQ(got.cpu->usage_core_nano_seconds, 0u);
  EXPECT_FALSE(got.cpu->usage_nano_cores.has_value());
  EXPECT_EQ(got.cpu->psi->some->avg10, 1.5);
  EXPECT_FALSE(got.cpu->psi->full.has_value());
  EXPECT_EQ(got.memory->working_set_bytes, 7u);
  EXPECT_EQ(got.network->default_interface->name, "eth0");
  EXPECT_EQ(got.network->interfaces.at(0).rx_bytes, 3u);
  EXPECT_EQ(got.process_count, 2u);
  EXPECT_FALSE(got.io.has_value());
  EXPECT_EQ(got.containers.at(0).metadata.name, "main");
  EXPECT_EQ(got.containers.at(0).swap->usage_bytes, 1u);
  EXPECT_EQ(got.containers.at(0).writable_layer->mountpoint, "/w");
}

TEST(Convert, MetricsOfPods) {
  pb::PodSandboxMetrics proto;
  proto.set_pod_sandbox_id("s");
  auto* metric = proto.add_container_metrics()->add_metrics();
  metric->set_name("n");
  metric->set_metric_type(pb::GAUGE);
  metric->add_label_values("v");
  metric->mutable_value()->set_value(4);
  const PodSandboxMetrics got = from_proto(proto);
  EXPECT_EQ(got.containers.at(0).metrics.at(0).type, MetricType::gauge);
  EXPECT_EQ(got.containers.at(0).metrics.at(0).value, 4u);
  EXPECT_EQ(got.containers.at(0).metrics.at(0).label_values, std::vector<std::string>{"v"});
}

TEST(DebugJson, HasTheFormOfTheRecordings) {
  PodSandboxConfig sandbox;
  sandbox.metadata = {"hooks", "u", "golden", 0};
  sandbox.linux_config = LinuxPodSandboxConfig{
      "/kubepods", LinuxSandboxSecurityContext{}, {}, LinuxContainerResources{}, LinuxContainerResources{}};
  sandbox.linux_config->resources->cpu_shares = 2;
  sandbox.linux_config->security_context->seccomp = SecurityProfile{};
  sandbox.linux_config->security_context->namespace_options = NamespaceOption{
      NamespaceMode::pod, NamespaceMode::container, NamespaceMode::pod, "", UserNamespace{NamespaceMode::node, {}, {}}};
  sandbox.labels = {{"b", "2"}, {"a", "1"}};
  EXPECT_EQ(json::parse(debug_json(sandbox)), json::parse(R"({
    "labels": {"a": "1", "b": "2"},
    "linux": {"cgroup_parent": "/kubepods", "overhead": {}, "resources": {"cpu_shares": 2},
              "security_context": {"namespace_options": {"pid": 1, "userns_options": {"mode": 2}}, "seccomp": {}}},
    "metadata": {"name": "hooks", "namespace": "golden", "uid": "u"}})"));

  ContainerConfig container;
  container.metadata = {"main", 0};
  container.envs = {{"A", "b"}, {"RAW", "\xff"}};
  container.mounts = {Mount{"/etc/hosts", "/h"}};
  container.linux_config = LinuxContainerConfig{std::nullopt, LinuxContainerSecurityContext{}};
  container.linux_config->security_context->run_as_user = 0;
  EXPECT_EQ(json::parse(debug_json(container)), json::parse(R"({
    "envs": [{"key": "A", "value": "b"}, {"key": "RAW", "value": "\ufffd"}], "image": {},
    "linux": {"security_context": {"run_as_user": {}}}, "metadata": {"name": "main"},
    "mounts": [{"container_path": "/etc/hosts", "host_path": "/h"}]})"));
}

}  // namespace
}  // namespace keelson::cri
