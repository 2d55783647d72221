// The checks of the container runtime: reachable, healthy, agreeing about cgroups, with a network plugin.
#include <algorithm>

#include "agent/cli/doctor.hpp"

namespace keelson::agent {
namespace {

std::string name_of(cri::CgroupDriver driver) { return driver == cri::CgroupDriver::systemd ? "systemd" : "cgroupfs"; }

std::string runtime_name(const RuntimeView& runtime) {
  return runtime.version.runtime_name.empty() ? "the runtime" : runtime.version.runtime_name;
}

bool is_network_config(const std::string& name) {
  return name.ends_with(".conf") || name.ends_with(".conflist") || name.ends_with(".json");
}

}  // namespace

void check_runtime(const DoctorInput& input, const RuntimeView& runtime, Findings& findings) {
  const std::string& endpoint = input.config.kubelet.container_runtime_endpoint;
  if (!runtime.reached.ok()) {
    findings.push_back({"runtime", Level::fail,
                        "no container runtime answers on " + endpoint + ": " + runtime.reached.error().to_string(),
                        "start it (`systemctl start containerd`), or correct containerRuntimeEndpoint"});
    return;
  }
  findings.push_back({"runtime", Level::ok,
                      runtime_name(runtime) + " " + runtime.version.runtime_version + " (CRI " +
                          runtime.version.runtime_api_version + ") answers on " + endpoint,
                      ""});
  if (!runtime.status.ok()) {
    findings.push_back({"runtime", Level::fail, "it does not tell its status: " + runtime.status.error().to_string(),
                        "look at the runtime's log (`journalctl -u containerd`)"});
    return;
  }
  const auto& conditions = runtime.status->conditions;
  const auto ready = std::find_if(conditions.begin(), conditions.end(),
                                  [](const auto& condition) { return condition.type == "RuntimeReady"; });
  if (ready == conditions.end() || !ready->status) {
    const std::string why =
        ready == conditions.end() ? "no RuntimeReady condition" : ready->reason + ": " + ready->message;
    findings.push_back({"runtime", Level::fail, "it says that it is not ready (" + why + ")",
                        "look at the runtime's log (`journalctl -u containerd`)"});
  }
}

void check_cgroups(const DoctorInput& input, const RuntimeView& runtime, Host& host, Findings& findings) {
  const auto& kubelet = input.config.kubelet;
  const bool v2 = host.exists("/sys/fs/cgroup/cgroup.controllers");
  if (v2) {
    findings.push_back({"cgroup", Level::ok, "cgroup v2", ""});
  } else if (!host.exists("/sys/fs/cgroup")) {
    findings.push_back({"cgroup", Level::unknown, "/sys/fs/cgroup is not there", "mount cgroup2 on /sys/fs/cgroup"});
  } else if (kubelet.fail_cgroup_v1) {
    findings.push_back({"cgroup", Level::fail, "cgroup v1: the agent refuses to start on it (failCgroupV1)",
                        "boot with systemd.unified_cgroup_hierarchy=1, or set failCgroupV1: false"});
  } else {
    findings.push_back({"cgroup", Level::warn, "cgroup v1, which Kubernetes gives up",
                        "boot with systemd.unified_cgroup_hierarchy=1"});
  }

  const bool systemd = host.exists("/run/systemd/system");
  std::string driver = kubelet.cgroup_driver;
  if (runtime.reached.ok() && runtime.cgroup_driver.ok() && *runtime.cgroup_driver) {
    driver = name_of(**runtime.cgroup_driver);
    const std::string over =
        driver == kubelet.cgroup_driver ? ", as configured" : "; this overrides cgroupDriver: " + kubelet.cgroup_driver;
    findings.push_back(
        {"cgroup", Level::ok, runtime_name(runtime) + " uses the " + driver + " cgroup driver" + over, ""});
  } else if (runtime.reached.ok()) {
    findings.push_back({"cgroup", Level::unknown,
                        runtime_name(runtime) + " does not say which cgroup driver it uses; ours is " + driver,
                        "make sure that the runtime uses " + driver + " too (containerd: SystemdCgroup = " +
                            (driver == "systemd" ? "true" : "false") + " under runc.options)"});
  }
  if (driver == "systemd" && !systemd) {
    findings.push_back({"cgroup", Level::fail, "the systemd cgroup driver is in use, but systemd is not the init here",
                        "use cgroupfs in the runtime and in cgroupDriver"});
  } else if (driver == "cgroupfs" && systemd && v2) {
    findings.push_back({"cgroup", Level::warn,
                        "the cgroupfs driver beside systemd on cgroup v2: two managers of one tree",
                        "use the systemd driver in the runtime (SystemdCgroup = true) and in cgroupDriver"});
  }
}

void check_network_plugin(const RuntimeView& runtime, Host& host, Findings& findings) {
  if (runtime.reached.ok() && runtime.status.ok()) {
    for (const auto& condition : runtime.status->conditions) {
      if (condition.type != "NetworkReady" || condition.status) continue;
      findings.push_back(
          {"network", Level::fail,
           "the runtime has no pod network (" + condition.reason + ": " + condition.message +
               "); only hostNetwork pods can start",
           "install a CNI plugin: its configuration belongs in /etc/cni/net.d, its programs in /opt/cni/bin"});
      return;
    }
  }
  const auto names = host.list("/etc/cni/net.d").value_or({});
  const auto found = std::find_if(names.begin(), names.end(), is_network_config);
  if (found != names.end()) {
    findings.push_back({"network", Level::ok, "the CNI configuration is /etc/cni/net.d/" + *found, ""});
  } else {
    findings.push_back({"network", Level::warn,
                        "no CNI configuration in /etc/cni/net.d; the runtime may read another place",
                        "install a CNI plugin, or check the runtime's conf_dir"});
  }
}

}  // namespace keelson::agent
