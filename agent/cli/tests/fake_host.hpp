// FakeHost: a machine made of maps, and a healthy one to break in one place.
#pragma once

#include <cstdio>
#include <map>
#include <set>

#include "agent/cli/doctor.hpp"

namespace keelson::agent {

class FakeHost final : public Host {
 public:
  bool is_root() override { return root_; }
  base::SystemTime now() override { return base::SystemTime(std::chrono::hours(500'000)); }
  bool exists(const std::string& path) override { return files_.contains(path) || directories_.contains(path); }
  Result<std::string> read(const std::string& path) override { return look_up(files_, path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return look_up(directories_, path); }
  Result<DiskUse> disk(const std::string& path) override { return look_up(disks_, path); }
  Result<std::vector<CertificateView>> certificates(const std::string& path) override {
    return look_up(certificates_, path);
  }
  RuntimeView runtime(const std::string&, const std::string&) override { return runtime_; }
  std::vector<ProcessView> processes() override { return processes_; }
  std::optional<ProcessView> socket_owner(std::uint64_t inode) override {
    const auto found = owners_.find(inode);
    return found == owners_.end() ? std::nullopt : std::optional(found->second);
  }

  bool root_ = true;
  std::map<std::string, std::string> files_;  // also what merely exists
  std::map<std::string, std::vector<std::string>> directories_;
  std::map<std::string, DiskUse> disks_;
  std::map<std::string, std::vector<CertificateView>> certificates_;
  std::vector<ProcessView> processes_;
  std::map<std::uint64_t, ProcessView> owners_;
  RuntimeView runtime_{.reached = Error(ErrorKind::not_found, "there is no socket")};

 private:
  template <class T>
  static Result<T> look_up(const std::map<std::string, T>& map, const std::string& path) {
    const auto found = map.find(path);
    if (found == map.end()) return Error(ErrorKind::not_found, path + ": no such file");
    return found->second;
  }
};

inline std::string listening(int port, std::uint64_t inode) {
  char line[200];
  std::snprintf(line, sizeof line, "  0: 0100007F:%04X 00000000:0000 0A 0:0 0:0 0 0 0 %llu 1\n",
                static_cast<unsigned>(port), static_cast<unsigned long long>(inode));
  return line;
}

inline FakeHost healthy_host() {
  FakeHost host;
  host.files_ = {{"/sys/fs/cgroup", ""},
                 {"/sys/fs/cgroup/cgroup.controllers", "cpu memory"},
                 {"/run/systemd/system", ""},
                 {"/proc/swaps", "Filename Type Size Used Priority\n"},
                 {"/proc/sys/vm/overcommit_memory", "1\n"},
                 {"/proc/sys/vm/panic_on_oom", "0\n"},
                 {"/proc/sys/kernel/panic", "10\n"},
                 {"/proc/sys/kernel/panic_on_oops", "1\n"},
                 {"/proc/sys/kernel/keys/root_maxkeys", "1000000\n"},
                 {"/proc/sys/kernel/keys/root_maxbytes", "25000000\n"},
                 {"/proc/sys/net/ipv4/ip_forward", "1\n"},
                 {"/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n"},
                 {"/proc/sys/net/bridge", ""},
                 {"/sys/module/overlay", ""},
                 {"/proc/net/tcp", "  sl  local_address\n"},
                 {"/etc/kubernetes/manifests", ""},
                 {"/var/lib/kubelet", ""},
                 {"/var/log/pods", ""}};
  host.directories_ = {{"/etc/cni/net.d", {"10-bridge.conflist"}}};
  for (const char* path : {"/var/lib/kubelet", "/var/log/pods", "/images"}) {
    host.disks_[path] = {.total = 100ull << 30, .available = 50ull << 30, .inodes = 1000, .inodes_free = 900};
  }
  host.runtime_.reached = {};
  host.runtime_.version = {"0.1.0", "containerd", "1.7.2", "v1"};
  host.runtime_.status = cri::RuntimeStatus{.conditions = {{"RuntimeReady", true, "", ""}}};
  host.runtime_.cgroup_driver = std::optional(cri::CgroupDriver::systemd);
  host.runtime_.image_filesystems = {"/images"};
  return host;
}

inline DoctorInput healthy_input() {
  DoctorInput input;
  auto& kubelet = input.config.kubelet;
  kubelet.container_runtime_endpoint = "unix:///run/c.sock";
  kubelet.cgroup_driver = "systemd";
  kubelet.fail_swap_on = true;
  kubelet.fail_cgroup_v1 = true;
  kubelet.enable_server = true;
  kubelet.port = 10250;
  kubelet.healthz_port = 10248;
  kubelet.static_pod_path = "/etc/kubernetes/manifests";
  kubelet.pod_logs_dir = "/var/log/pods";
  kubelet.eviction_hard = {{"nodefs.available", "10%"},
                           {"nodefs.inodesFree", "5%"},
                           {"imagefs.available", "15%"},
                           {"imagefs.inodesFree", "5%"}};
  input.config.flags.root_dir = "/var/lib/kubelet";
  input.config.flags.cert_dir = "/var/lib/kubelet/pki";
  input.config_origin = "test";
  input.agent_error = "nobody listens";
  return input;
}

}  // namespace keelson::agent
