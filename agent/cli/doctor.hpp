// `keelson doctor`: what is wrong with this node, found by the command itself, with a fix for each finding.
//
// The checks are functions of the input (configuration, what the running agent said) and a Host, through which they
// look at the machine; they change nothing. Owner: the command line. Thread: one, blocking. What fails: a check that
// cannot find out says `unknown` and why. Source: issue "For the person on the node"; contract 01 §2.4 (kernel values,
// thresholds), §4.1, §4.4, §6; 02 §1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/control/views_json.hpp"
#include "base/clock.hpp"
#include "config/configuration.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

enum class Level { ok, warn, fail, unknown };

struct Finding {
  std::string check;  // runtime, cgroup, swap ...
  Level level = Level::ok;
  std::string message;  // one line
  std::string fix;      // what to do; empty for ok
};
using Findings = std::vector<Finding>;

struct ProcessView {
  std::int64_t pid = 0;
  std::string name;  // as /proc/PID/comm
  std::string executable;
};

struct DiskUse {
  std::uint64_t total = 0;  // bytes
  std::uint64_t available = 0;
  std::uint64_t inodes = 0;  // 0: the file system does not count them
  std::uint64_t inodes_free = 0;
};

struct CertificateView {
  std::string subject;
  base::SystemTime not_before{};
  base::SystemTime not_after{};
};

struct RuntimeView {
  Status reached;
  cri::Version version;
  Result<cri::RuntimeStatus> status = Error(ErrorKind::unavailable, "not asked");
  // nullopt: the runtime does not say.
  Result<std::optional<cri::CgroupDriver>> cgroup_driver = Error(ErrorKind::unavailable, "not asked");
  std::vector<std::string> image_filesystems;  // mount points; empty when not known
};

class Host {
 public:
  virtual ~Host() = default;
  virtual bool is_root() = 0;
  virtual base::SystemTime now() = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual Result<std::string> read(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<DiskUse> disk(const std::string& path) = 0;
  virtual Result<std::vector<CertificateView>> certificates(const std::string& path) = 0;
  virtual RuntimeView runtime(const std::string& endpoint, const std::string& image_endpoint) = 0;
  virtual std::vector<ProcessView> processes() = 0;
  // The process that holds the socket with this inode.
  virtual std::optional<ProcessView> socket_owner(std::uint64_t inode) = 0;
};

struct DoctorInput {
  config::Configuration config;
  std::string config_origin;               // "/var/lib/kubelet/config.yaml", "defaults"
  std::vector<std::string> config_errors;  // not empty: `config` holds the defaults
  std::optional<DoctorView> agent;         // what the running agent said
  std::string agent_error;                 // why it said nothing
};

// All checks, in the order in which a person would look.
Findings examine(const DoctorInput& input, Host& host);

// The parts; each adds at least one finding.
void check_agent(const DoctorInput& input, Findings& findings);
void check_configuration(const DoctorInput& input, Findings& findings);
void check_runtime(const DoctorInput& input, const RuntimeView& runtime, Findings& findings);
void check_cgroups(const DoctorInput& input, const RuntimeView& runtime, Host& host, Findings& findings);
void check_swap(const DoctorInput& input, Host& host, Findings& findings);
void check_sysctls(const DoctorInput& input, Host& host, Findings& findings);
void check_modules(Host& host, Findings& findings);
void check_ports(const DoctorInput& input, Host& host, Findings& findings);
void check_other_kubelet(const DoctorInput& input, Host& host, Findings& findings);
void check_network_plugin(const RuntimeView& runtime, Host& host, Findings& findings);
void check_certificates(const DoctorInput& input, Host& host, Findings& findings);
void check_disks(const DoctorInput& input, const RuntimeView& runtime, Host& host, Findings& findings);
void check_manifests(const DoctorInput& input, Host& host, Findings& findings);

// A listening TCP socket of /proc/net/tcp or tcp6.
struct Listener {
  std::string address;  // 127.0.0.1, 0.0.0.0, :: ...
  int port = 0;
  std::uint64_t inode = 0;
};
std::vector<Listener> parse_listeners(const std::string& proc_net_tcp);

std::string_view to_string(Level level);
// 0: nothing worse than unknown; 1: warnings; 2: failures.
int exit_status(const Findings& findings);
std::string render_findings(const Findings& findings);
// {"findings": [{"check", "level", "message", "fix"}], "summary": {"ok", "warn", "fail", "unknown"}}
std::string findings_to_json(const Findings& findings);

}  // namespace keelson::agent
