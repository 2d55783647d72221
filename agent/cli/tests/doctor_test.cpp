#include "agent/cli/doctor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "agent/cli/tests/fake_host.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using namespace std::chrono_literals;

auto finding(Level level, const std::string& text) {
  return AllOf(Field(&Finding::level, level), Field(&Finding::message, HasSubstr(text)));
}
auto all_ok() { return Each(Field(&Finding::level, Level::ok)); }

class DoctorTest : public testing::Test {
 protected:
  Findings ran(const std::function<void(Findings&)>& check) {
    Findings findings;
    check(findings);
    EXPECT_FALSE(findings.empty()) << "every check says something";
    for (const auto& f : findings) {
      EXPECT_TRUE(f.level == Level::ok || f.level == Level::unknown || !f.fix.empty()) << f.message << ": no fix";
    }
    return findings;
  }
  Findings agent() {
    return ran([&](Findings& f) { check_agent(input_, f); });
  }
  Findings runtime() {
    return ran([&](Findings& f) { check_runtime(input_, host_.runtime_, f); });
  }
  Findings cgroups() {
    return ran([&](Findings& f) { check_cgroups(input_, host_.runtime_, host_, f); });
  }
  Findings swap() {
    return ran([&](Findings& f) { check_swap(input_, host_, f); });
  }
  Findings sysctls() {
    return ran([&](Findings& f) { check_sysctls(input_, host_, f); });
  }
  Findings modules() {
    return ran([&](Findings& f) { check_modules(host_, f); });
  }
  Findings ports() {
    return ran([&](Findings& f) { check_ports(input_, host_, f); });
  }
  Findings kubelet() {
    return ran([&](Findings& f) { check_other_kubelet(input_, host_, f); });
  }
  Findings network() {
    return ran([&](Findings& f) { check_network_plugin(host_.runtime_, host_, f); });
  }
  Findings certificates() {
    return ran([&](Findings& f) { check_certificates(input_, host_, f); });
  }
  Findings disks() {
    return ran([&](Findings& f) { check_disks(input_, host_.runtime_, host_, f); });
  }
  Findings manifests() {
    return ran([&](Findings& f) { check_manifests(input_, host_, f); });
  }
  void agent_runs() {
    input_.agent.emplace();
    input_.agent->info = {.version = "0.1.0", .pid = 42, .ready = true, .healthz_port = 10248};
  }

  DoctorInput input_ = healthy_input();
  FakeHost host_ = healthy_host();
};

TEST_F(DoctorTest, AHealthyNodeWithARunningAgentHasNothingButOk) {
  agent_runs();
  host_.files_["/proc/net/tcp"] += listening(10248, 900);
  host_.owners_[900] = {42, "keelson", "/usr/bin/keelson"};
  const Findings findings = examine(input_, host_);
  for (const auto& f : findings) EXPECT_EQ(f.level, Level::ok) << f.check << ": " << f.message;
  EXPECT_EQ(exit_status(findings), 0);
  EXPECT_GE(findings.size(), 13u);
}

TEST_F(DoctorTest, ABrokenNodeIsExaminedToTheEnd) {
  FakeHost nothing;
  input_.config_errors = {"spec: bad"};
  const Findings findings = examine(input_, nothing);
  EXPECT_EQ(exit_status(findings), 2);
  EXPECT_GE(findings.size(), 13u);
}

TEST_F(DoctorTest, SaysWhetherTheAgentRuns) {
  EXPECT_THAT(agent(), ElementsAre(finding(Level::warn, "nobody listens")));
  agent_runs();
  EXPECT_THAT(agent(), ElementsAre(finding(Level::ok, "keelson 0.1.0 (pid 42) runs and is ready")));
  input_.agent->info.ready = false;
  input_.agent->info.health = {{"ping", true, ""}, {"syncloop", false, "stalled for 9s"}};
  EXPECT_THAT(agent(),
              ElementsAre(finding(Level::warn, "not ready yet"), finding(Level::fail, "syncloop fails: stalled")));
}

TEST_F(DoctorTest, TellsEachConfigurationError) {
  input_.config_errors = {"port: out of range", "x: unknown"};
  input_.config_origin = "/etc/x.yaml";
  const auto findings = ran([&](Findings& f) { check_configuration(input_, f); });
  EXPECT_THAT(findings,
              ElementsAre(finding(Level::fail, "/etc/x.yaml: port: out of range"), finding(Level::fail, "x")));
}

TEST_F(DoctorTest, NamesTheRuntimeAndItsVersion) {
  EXPECT_THAT(runtime(), ElementsAre(finding(Level::ok, "containerd 1.7.2 (CRI v1) answers on unix:///run/c.sock")));
}

TEST_F(DoctorTest, ReportsARuntimeThatIsAbsentMuteOrNotReady) {
  host_.runtime_.status = Error(ErrorKind::deadline_exceeded, "no answer");
  EXPECT_THAT(runtime(), Contains(finding(Level::fail, "no answer")));
  host_.runtime_.status = cri::RuntimeStatus{};
  EXPECT_THAT(runtime(), Contains(finding(Level::fail, "no RuntimeReady condition")));
  host_.runtime_.status->conditions = {{"RuntimeReady", false, "Down", "disk"}};
  EXPECT_THAT(runtime(), Contains(finding(Level::fail, "Down: disk")));
  host_.runtime_.reached = Error(ErrorKind::not_found, "no such file");
  EXPECT_THAT(runtime(), ElementsAre(finding(Level::fail, "unix:///run/c.sock: no such file")));
}

TEST_F(DoctorTest, AgreesAboutTheCgroupDriver) {
  EXPECT_THAT(cgroups(), AllOf(all_ok(), Contains(finding(Level::ok, "systemd cgroup driver, as configured"))));
  input_.config.kubelet.cgroup_driver = "cgroupfs";
  EXPECT_THAT(cgroups(), AllOf(all_ok(), Contains(finding(Level::ok, "overrides cgroupDriver: cgroupfs"))));
  host_.runtime_.cgroup_driver = std::optional<cri::CgroupDriver>();
  EXPECT_THAT(cgroups(), AllOf(Contains(finding(Level::unknown, "does not say")),
                               Contains(finding(Level::warn, "two managers of one tree"))));
  host_.runtime_.cgroup_driver = std::optional(cri::CgroupDriver::systemd);
  host_.files_.erase("/run/systemd/system");
  EXPECT_THAT(cgroups(), Contains(finding(Level::fail, "systemd is not the init")));
}

TEST_F(DoctorTest, JudgesTheCgroupVersion) {
  host_.files_.erase("/sys/fs/cgroup/cgroup.controllers");
  EXPECT_THAT(cgroups(), Contains(finding(Level::fail, "failCgroupV1")));
  input_.config.kubelet.fail_cgroup_v1 = false;
  EXPECT_THAT(cgroups(), Contains(finding(Level::warn, "cgroup v1")));
  host_.files_.erase("/sys/fs/cgroup");
  EXPECT_THAT(cgroups(), Contains(finding(Level::unknown, "not there")));
}

TEST_F(DoctorTest, JudgesSwapByTheConfiguration) {
  EXPECT_THAT(swap(), ElementsAre(finding(Level::ok, "swap is off")));
  host_.files_["/proc/swaps"] += "/dev/sda2   partition 1 0 -2\n/swapfile file 1 0 -3\n";
  EXPECT_THAT(swap(), ElementsAre(finding(Level::fail, "/dev/sda2, /swapfile")));
  input_.config.kubelet.fail_swap_on = false;
  EXPECT_THAT(swap(), ElementsAre(finding(Level::ok, "as failSwapOn: false allows")));
  host_.files_.erase("/proc/swaps");
  EXPECT_THAT(swap(), ElementsAre(finding(Level::ok, "no swap")));
}

TEST_F(DoctorTest, ComparesTheKernelsSettings) {
  EXPECT_THAT(sysctls(), all_ok());
  host_.files_["/proc/sys/kernel/panic"] = "0\n";
  host_.files_["/proc/sys/net/ipv4/ip_forward"] = "0\n";
  host_.files_["/proc/sys/kernel/keys/root_maxkeys"] = "2000000\n";
  EXPECT_THAT(sysctls(),
              ElementsAre(finding(Level::warn, "kernel.panic is 0, wanted 10"), finding(Level::warn, "ip_forward")));
  input_.config.kubelet.protect_kernel_defaults = true;
  EXPECT_THAT(sysctls(),
              ElementsAre(finding(Level::fail, "protectKernelDefaults"), finding(Level::warn, "ip_forward")));
  host_.files_.erase("/proc/sys/kernel/panic");
  EXPECT_THAT(sysctls(), Contains(finding(Level::unknown, "cannot read kernel.panic")));
}

TEST_F(DoctorTest, MissesKernelModules) {
  EXPECT_THAT(modules(), all_ok());
  host_.files_.erase("/proc/sys/net/bridge");
  host_.files_.erase("/sys/module/overlay");
  EXPECT_THAT(modules(), ElementsAre(finding(Level::warn, "overlay"), finding(Level::warn, "br_netfilter")));
  host_.files_["/proc/filesystems"] = "nodev\tsysfs\nnodev\toverlay\n";
  EXPECT_THAT(modules(), ElementsAre(finding(Level::warn, "br_netfilter")));
}

TEST_F(DoctorTest, TellsWhoHoldsAPort) {
  EXPECT_THAT(ports(), ElementsAre(finding(Level::ok, "port 10250 (port) is free"), finding(Level::ok, "10248")));
  host_.files_["/proc/net/tcp"] += listening(10250, 7);
  host_.owners_[7] = {99, "nginx", "/usr/sbin/nginx"};
  EXPECT_THAT(ports(), Contains(finding(Level::fail, "in use by nginx (pid 99) on 127.0.0.1:10250")));
  host_.owners_.clear();
  EXPECT_THAT(ports(), Contains(finding(Level::warn, "not visible here")));
  host_.root_ = false;
  EXPECT_THAT(ports(), Contains(finding(Level::unknown, "not visible here")));
  agent_runs();
  EXPECT_THAT(ports(), Contains(finding(Level::fail, "10248 (healthzPort) is not served although the agent runs")));
  host_.files_.erase("/proc/net/tcp");
  EXPECT_THAT(ports(), ElementsAre(finding(Level::unknown, "/proc/net/tcp")));
}

TEST(ParseListeners, ReadsBothFamiliesAndOnlyListeners) {
  const auto v4 = parse_listeners(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:2808 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0\n"
      "   1: 0100007F:2808 0100007F:AAAA 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0\n"
      "garbage\n");
  ASSERT_EQ(v4.size(), 1u);
  EXPECT_EQ(v4[0].address, "127.0.0.1");
  EXPECT_EQ(v4[0].port, 10248);
  EXPECT_EQ(v4[0].inode, 12345u);
  const auto v6 = parse_listeners(
      "   0: 00000000000000000000000001000000:280A 00000000000000000000000000000000:0000 0A 00000000:00000000 "
      "00:00000000 00000000     0        0 5 1 0\n");
  ASSERT_EQ(v6.size(), 1u);
  EXPECT_EQ(v6[0].address, "::1");
  EXPECT_EQ(v6[0].port, 10250);
}

TEST_F(DoctorTest, FindsAnotherKubelet) {
  EXPECT_THAT(kubelet(), all_ok());
  host_.processes_ = {{1, "systemd", ""}, {55, "kubelet", "/usr/bin/kubelet"}};
  EXPECT_THAT(kubelet(), ElementsAre(finding(Level::fail, "pid 55 (/usr/bin/kubelet)")));
  agent_runs();
  input_.agent->info.pid = 55;  // we ourselves, installed under that name
  EXPECT_THAT(kubelet(), all_ok());
}

TEST_F(DoctorTest, LooksForAPodNetwork) {
  EXPECT_THAT(network(), ElementsAre(finding(Level::ok, "/etc/cni/net.d/10-bridge.conflist")));
  host_.directories_["/etc/cni/net.d"] = {"README"};
  EXPECT_THAT(network(), ElementsAre(finding(Level::warn, "no CNI configuration")));
  host_.directories_.clear();
  EXPECT_THAT(network(), ElementsAre(finding(Level::warn, "no CNI configuration")));
  host_.runtime_.status->conditions.push_back({"NetworkReady", false, "NetworkPluginNotReady", "cni not initialized"});
  EXPECT_THAT(network(), ElementsAre(finding(Level::fail, "cni not initialized")));
}

TEST_F(DoctorTest, ReadsCertificatesAndTheirEnd) {
  EXPECT_THAT(certificates(), ElementsAre(finding(Level::ok, "none is configured")));
  auto& kubelet = input_.config.kubelet;
  kubelet.tls_cert_file = "/pki/server.crt";
  EXPECT_THAT(certificates(), ElementsAre(finding(Level::fail, "tlsCertFile /pki/server.crt cannot be used")));
  host_.certificates_["/pki/server.crt"] = {{"/CN=node", host_.now() - 24h, host_.now() + 24h * 100}};
  EXPECT_THAT(certificates(), all_ok());
  host_.certificates_["/pki/server.crt"].push_back({"/CN=ca", host_.now() - 24h, host_.now() + 24h * 3});
  EXPECT_THAT(certificates(), ElementsAre(finding(Level::warn, "/CN=ca) expires soon")));
  host_.certificates_["/pki/server.crt"] = {{"/CN=node", host_.now() - 24h, host_.now() - 1s}};
  EXPECT_THAT(certificates(), ElementsAre(finding(Level::fail, "expired at")));
  host_.certificates_["/pki/server.crt"] = {{"/CN=node", host_.now() + 1h, host_.now() + 24h}};
  EXPECT_THAT(certificates(), ElementsAre(finding(Level::fail, "valid only from")));
}

TEST_F(DoctorTest, MissesTheKubeconfigOfAClusterNode) {
  input_.config.flags.kubeconfig = "/etc/kubernetes/kubelet.conf";
  EXPECT_THAT(certificates(), ElementsAre(finding(Level::fail, "/etc/kubernetes/kubelet.conf")));
  host_.files_["/etc/kubernetes/kubelet.conf"] = "";
  EXPECT_THAT(certificates(), all_ok());
}

TEST_F(DoctorTest, MeasuresDisksAgainstTheEvictionThresholds) {
  EXPECT_THAT(disks(), AllOf(all_ok(), Contains(finding(Level::ok, "root directory /var/lib/kubelet: 50.0 GiB free"))));
  host_.disks_["/var/lib/kubelet"].available = 12ull << 30;
  EXPECT_THAT(disks(), Contains(finding(Level::warn, "close to the eviction threshold")));
  host_.disks_["/var/lib/kubelet"].available = 9ull << 30;
  EXPECT_THAT(disks(), Contains(finding(Level::fail, "pods are evicted")));
  host_.disks_["/var/lib/kubelet"].inodes_free = 40;
  EXPECT_THAT(disks(), Contains(finding(Level::fail, "4% of the inodes free")));
  host_.disks_["/images"].available = 14ull << 30;
  EXPECT_THAT(disks(), Contains(finding(Level::fail, "images /images")));
  host_.disks_.erase("/images");
  EXPECT_THAT(disks(), Contains(finding(Level::unknown, "images /images")));
  input_.config.kubelet.eviction_hard = {{"nodefs.available", "0%"}};
  EXPECT_THAT(disks(), Contains(finding(Level::ok, "root directory")));
  input_.config.kubelet.eviction_hard = {{"nodefs.available", "10Gi"}};
  EXPECT_THAT(disks(), Contains(finding(Level::fail, "root directory")));
}

TEST_F(DoctorTest, MeasuresTheFileSystemOfADirectoryThatIsNotThereYet) {
  host_.files_.erase("/var/lib/kubelet");
  host_.files_["/var"] = "";
  host_.disks_["/var"] = {100ull << 30, 50ull << 30, 0, 0};
  EXPECT_THAT(disks(), Contains(finding(Level::ok, "root directory /var/lib/kubelet: 50.0 GiB free")));
}

TEST_F(DoctorTest, PassesOnTheManifestsTheAgentCouldNotUse) {
  EXPECT_THAT(manifests(), all_ok());
  host_.files_.erase("/etc/kubernetes/manifests");
  EXPECT_THAT(manifests(), ElementsAre(finding(Level::warn, "does not exist")));
  agent_runs();
  input_.agent->manifest_problems = {{.source = "/m/a.yaml",
                                      .line = 3,
                                      .column = 5,
                                      .field = "spec.containers[0].image",
                                      .message = "required",
                                      .keeps_running_pod = true}};
  EXPECT_THAT(manifests(),
              ElementsAre(finding(Level::fail,
                                  "/m/a.yaml:3:5 spec.containers[0].image: required; the pod of its last good "
                                  "version keeps running")));
  input_.agent.reset();
  input_.config.kubelet.static_pod_path.clear();
  EXPECT_THAT(manifests(), all_ok());
}

TEST(DoctorOutput, ShowsLevelsFixesAndASummary) {
  const Findings findings{{"swap", Level::fail, "swap is on", "swapoff -a"}, {"cgroup", Level::ok, "cgroup v2", ""}};
  EXPECT_EQ(render_findings(findings),
            "FAIL  swap    swap is on\n"
            "              fix: swapoff -a\n"
            "OK    cgroup  cgroup v2\n"
            "\n1 ok, 0 warnings, 1 failures, 0 unknown\n");
  const auto json = nlohmann::json::parse(findings_to_json(findings));
  EXPECT_EQ(json["findings"][0]["level"], "fail");
  EXPECT_EQ(json["findings"][0]["fix"], "swapoff -a");
  EXPECT_EQ(json["summary"]["fail"], 1);
}

TEST(DoctorOutput, ExitStatusIsThatOfTheWorst) {
  EXPECT_EQ(exit_status({{"a", Level::ok, "", ""}, {"b", Level::unknown, "", ""}}), 0);
  EXPECT_EQ(exit_status({{"a", Level::warn, "", ""}, {"b", Level::unknown, "", ""}}), 1);
  EXPECT_EQ(exit_status({{"a", Level::warn, "", ""}, {"b", Level::fail, "", ""}}), 2);
}

}  // namespace
}  // namespace keelson::agent
