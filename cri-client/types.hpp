// The CRI's values as this project sees them: plain structs, so that no protobuf message leaves cri-client.
//
// Names and meanings are those of CRI v1 (contract 02a); Windows and statistics are left out. std::optional is used
// where the wire can tell an absent message from an empty one. Times are nanoseconds since 1970 as the runtime gave
// them, 0 = never. Plain values, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cri {

using StringMap = std::map<std::string, std::string>;

enum class Protocol { tcp = 0, udp = 1, sctp = 2 };
enum class NamespaceMode { pod = 0, container = 1, node = 2, target = 3 };
enum class MountPropagation { priv = 0, host_to_container = 1, bidirectional = 2 };
enum class SupplementalGroupsPolicy { merge = 0, strict = 1 };
enum class SandboxState { ready = 0, not_ready = 1 };
enum class ContainerState { created = 0, running = 1, exited = 2, unknown = 3 };
enum class ProfileType { runtime_default = 0, unconfined = 1, localhost = 2 };
enum class CgroupDriver { systemd = 0, cgroupfs = 1 };
enum class ContainerEventType { created = 0, started = 1, stopped = 2, deleted = 3 };

// --- Sandbox configuration (contract 02a §4) ---

struct PodSandboxMetadata {
  std::string name;
  std::string uid;
  std::string ns;  // `namespace` on the wire
  std::uint32_t attempt = 0;
  bool operator==(const PodSandboxMetadata&) const = default;
};

struct DnsConfig {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
  bool operator==(const DnsConfig&) const = default;
};

struct PortMapping {
  Protocol protocol = Protocol::tcp;
  std::int32_t container_port = 0;
  std::int32_t host_port = 0;
  std::string host_ip;
  bool operator==(const PortMapping&) const = default;
};

struct IdMapping {
  std::uint32_t host_id = 0;
  std::uint32_t container_id = 0;
  std::uint32_t length = 0;
  bool operator==(const IdMapping&) const = default;
};

struct UserNamespace {
  NamespaceMode mode = NamespaceMode::pod;
  std::vector<IdMapping> uids;
  std::vector<IdMapping> gids;
  bool operator==(const UserNamespace&) const = default;
};

struct NamespaceOption {
  NamespaceMode network = NamespaceMode::pod;
  NamespaceMode pid = NamespaceMode::pod;
  NamespaceMode ipc = NamespaceMode::pod;
  std::string target_id;
  std::optional<UserNamespace> userns_options;
  bool operator==(const NamespaceOption&) const = default;
};

struct SeLinuxOption {
  std::string user;
  std::string role;
  std::string type;
  std::string level;
  bool operator==(const SeLinuxOption&) const = default;
};

struct SecurityProfile {
  ProfileType profile_type = ProfileType::runtime_default;
  std::string localhost_ref;
  bool operator==(const SecurityProfile&) const = default;
};

struct LinuxSandboxSecurityContext {
  std::optional<NamespaceOption> namespace_options;
  std::optional<SeLinuxOption> selinux_options;
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  bool readonly_rootfs = false;
  std::vector<std::int64_t> supplemental_groups;
  SupplementalGroupsPolicy supplemental_groups_policy = SupplementalGroupsPolicy::merge;
  bool privileged = false;
  std::optional<SecurityProfile> seccomp;
  std::optional<SecurityProfile> apparmor;
  bool operator==(const LinuxSandboxSecurityContext&) const = default;
};

struct HugepageLimit {
  std::string page_size;
  std::uint64_t limit = 0;
  bool operator==(const HugepageLimit&) const = default;
};

// 0 and empty mean "not set" on the wire.
struct LinuxContainerResources {
  std::int64_t cpu_period = 0;  // microseconds
  std::int64_t cpu_quota = 0;   // microseconds per period, -1 = no limit
  std::int64_t cpu_shares = 0;  // 2 .. 262144
  std::int64_t memory_limit_in_bytes = 0;
  std::int64_t memory_swap_limit_in_bytes = 0;
  std::int64_t oom_score_adj = 0;  // -1000 .. 1000
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::vector<HugepageLimit> hugepage_limits;
  StringMap unified;  // cgroup v2 file name -> value
  bool operator==(const LinuxContainerResources&) const = default;
};

struct LinuxPodSandboxConfig {
  std::string cgroup_parent;
  std::optional<LinuxSandboxSecurityContext> security_context;
  StringMap sysctls;
  std::optional<LinuxContainerResources> overhead;
  std::optional<LinuxContainerResources> resources;
  bool operator==(const LinuxPodSandboxConfig&) const = default;
};

struct PodSandboxConfig {
  PodSandboxMetadata metadata;
  std::string hostname;
  std::string log_directory;
  std::optional<DnsConfig> dns_config;
  std::vector<PortMapping> port_mappings;
  StringMap labels;
  StringMap annotations;
  std::optional<LinuxPodSandboxConfig> linux_config;  // `linux` on the wire
  bool operator==(const PodSandboxConfig&) const = default;
};

// --- Sandbox as the runtime reports it ---

struct PodSandbox {
  std::string id;
  PodSandboxMetadata metadata;
  SandboxState state = SandboxState::not_ready;
  std::int64_t created_at = 0;
  StringMap labels;
  StringMap annotations;
  std::string runtime_handler;
};

struct PodSandboxStatus {
  std::string id;
  PodSandboxMetadata metadata;
  SandboxState state = SandboxState::not_ready;
  std::int64_t created_at = 0;
  bool has_network = false;      // whether a network status was sent at all
  std::vector<std::string> ips;  // network.ip, then additional_ips; an empty network.ip gives an empty list
  NamespaceMode network_mode = NamespaceMode::pod;
  StringMap labels;
  StringMap annotations;
  std::string runtime_handler;
};

// --- Container configuration (contract 02a §5, §6) ---

struct ImageSpec {
  std::string image;
  StringMap annotations;
  std::string user_specified_image;
  std::string runtime_handler;
  std::string image_ref;
  bool operator==(const ImageSpec&) const = default;
};

struct KeyValue {
  std::string key;
  std::string value;  // bytes, not necessarily UTF-8
  bool operator==(const KeyValue&) const = default;
};

struct Mount {
  std::string container_path;
  std::string host_path;
  bool readonly = false;
  bool selinux_relabel = false;
  MountPropagation propagation = MountPropagation::priv;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  bool recursive_read_only = false;
  std::optional<ImageSpec> image;
  std::string image_sub_path;
  bool operator==(const Mount&) const = default;
};

struct Device {
  std::string container_path;
  std::string host_path;
  std::string permissions;
  bool operator==(const Device&) const = default;
};

struct Capability {
  std::vector<std::string> add_capabilities;
  std::vector<std::string> drop_capabilities;
  std::vector<std::string> add_ambient_capabilities;
  bool operator==(const Capability&) const = default;
};

struct LinuxContainerSecurityContext {
  std::optional<Capability> capabilities;
  bool privileged = false;
  std::optional<NamespaceOption> namespace_options;
  std::optional<SeLinuxOption> selinux_options;
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  std::string run_as_username;
  bool readonly_rootfs = false;
  std::vector<std::int64_t> supplemental_groups;
  SupplementalGroupsPolicy supplemental_groups_policy = SupplementalGroupsPolicy::merge;
  bool no_new_privs = false;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::optional<SecurityProfile> seccomp;
  std::optional<SecurityProfile> apparmor;
  std::string apparmor_profile;  // deprecated string form, still sent beside `apparmor`
  bool operator==(const LinuxContainerSecurityContext&) const = default;
};

struct LinuxContainerConfig {
  std::optional<LinuxContainerResources> resources;
  std::optional<LinuxContainerSecurityContext> security_context;
  bool operator==(const LinuxContainerConfig&) const = default;
};

struct ContainerMetadata {
  std::string name;
  std::uint32_t attempt = 0;
  bool operator==(const ContainerMetadata&) const = default;
};

struct ContainerConfig {
  ContainerMetadata metadata;
  ImageSpec image;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<KeyValue> envs;
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  std::vector<std::string> cdi_devices;
  StringMap labels;
  StringMap annotations;
  std::string log_path;     // relative to the sandbox's log_directory
  bool stdin_open = false;  // `stdin` on the wire
  bool stdin_once = false;
  bool tty = false;
  std::optional<LinuxContainerConfig> linux_config;  // `linux` on the wire
  std::int32_t stop_signal = 0;                      // CRI Signal number, 0 = RUNTIME_DEFAULT
  bool operator==(const ContainerConfig&) const = default;
};

// --- Container as the runtime reports it ---

struct Container {
  std::string id;
  std::string pod_sandbox_id;
  ContainerMetadata metadata;
  ContainerState state = ContainerState::unknown;
  std::int64_t created_at = 0;
  ImageSpec image;
  std::string image_ref;
  std::string image_id;
  StringMap labels;
  StringMap annotations;
};

struct ContainerUser {
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::vector<std::int64_t> supplemental_groups;
};

struct ContainerStatus {
  std::string id;
  ContainerMetadata metadata;
  ContainerState state = ContainerState::unknown;
  std::int64_t created_at = 0;
  std::int64_t started_at = 0;
  std::int64_t finished_at = 0;
  std::int32_t exit_code = 0;
  ImageSpec image;
  std::string image_ref;
  std::string image_id;  // falls back to image_ref when the runtime leaves it empty
  std::string reason;
  std::string message;
  StringMap labels;
  StringMap annotations;
  std::vector<Mount> mounts;
  std::string log_path;  // absolute
  std::optional<LinuxContainerResources> resources;
  std::optional<ContainerUser> user;
  std::int32_t stop_signal = 0;
};

// --- Images (contract 02a §8) ---

struct Image {
  std::string id;
  std::vector<std::string> repo_tags;
  std::vector<std::string> repo_digests;
  std::uint64_t size = 0;
  std::optional<std::int64_t> uid;  // default user of the image, when numeric
  std::string username;             // default user of the image, when a name
  bool pinned = false;
};

struct AuthConfig {
  std::string username;
  std::string password;  // secret: never logged
  std::string auth;      // secret
  std::string server_address;
  std::string identity_token;  // secret
  std::string registry_token;  // secret
};

struct FilesystemUsage {
  std::int64_t timestamp = 0;
  std::string mountpoint;
  std::optional<std::uint64_t> used_bytes;
  std::optional<std::uint64_t> inodes_used;
};

struct ImageFsInfo {
  std::vector<FilesystemUsage> image_filesystems;
  std::vector<FilesystemUsage> container_filesystems;
};

// --- Runtime (contract 02a §3) ---

struct Version {
  std::string version;  // must be 0.1.0
  std::string runtime_name;
  std::string runtime_version;
  std::string runtime_api_version;
};

struct RuntimeCondition {
  std::string type;
  bool status = false;
  std::string reason;
  std::string message;
};

struct RuntimeHandler {
  std::string name;  // "" is the default handler
  bool recursive_read_only_mounts = false;
  bool user_namespaces = false;
};

struct RuntimeStatus {
  std::vector<RuntimeCondition> conditions;
  std::vector<RuntimeHandler> handlers;
  std::optional<bool> supplemental_groups_policy;  // absent when the runtime sends no features
  bool user_namespaces_host_network = false;
};

struct ExecSyncResult {
  std::string stdout_data;
  std::string stderr_data;
  std::int32_t exit_code = 0;
};

struct ContainerEvent {
  std::string container_id;
  ContainerEventType type = ContainerEventType::created;
  std::int64_t created_at = 0;
  std::optional<PodSandboxStatus> sandbox;
  std::vector<ContainerStatus> containers;
};

// The filters declare a constructor because GCC 12 miscompiles `co_await list({})` when the parameter is an aggregate.
struct PodSandboxFilter {
  PodSandboxFilter() = default;
  std::string id;
  std::optional<SandboxState> state;
  StringMap label_selector;
};

struct ContainerFilter {
  ContainerFilter() = default;
  std::string id;
  std::optional<ContainerState> state;
  std::string pod_sandbox_id;
  StringMap label_selector;
};

}  // namespace keelson::cri
