// The checks of the kernel: swap, sysctls and modules.
#include <array>
#include <cstdlib>
#include <sstream>

#include "agent/cli/doctor.hpp"

namespace keelson::agent {
namespace {

struct Sysctl {
  std::string_view name;
  std::int64_t wanted;
  bool at_least;  // a larger value is as good
  bool tunable;   // one of those that protectKernelDefaults is about
  std::string_view why;
};

constexpr std::array<Sysctl, 8> sysctls{{
    {"vm.overcommit_memory", 1, false, true, "memory is promised freely"},
    {"vm.panic_on_oom", 0, false, true, "out of memory must kill a process, not the machine"},
    {"kernel.panic", 10, false, true, "the machine restarts 10 s after a kernel panic"},
    {"kernel.panic_on_oops", 1, false, true, "an oops is a panic"},
    {"kernel.keys.root_maxkeys", 1'000'000, true, true, "each container takes a key"},
    {"kernel.keys.root_maxbytes", 25'000'000, true, true, "each container takes a key"},
    {"net.ipv4.ip_forward", 1, false, false, "pods reach other nodes only with it"},
    {"net.bridge.bridge-nf-call-iptables", 1, false, false, "services of bridged pods need it"},
}};

std::string proc_path(std::string name) {
  for (char& c : name) {
    if (c == '.') c = '/';
  }
  return "/proc/sys/" + name;
}

struct Module {
  std::string_view name;
  std::string_view sign;  // a path that exists when it is loaded or built in
  std::string_view why;
};

constexpr std::array<Module, 2> modules{{
    {"overlay", "/sys/module/overlay", "the usual snapshotter of container images"},
    {"br_netfilter", "/proc/sys/net/bridge", "lets iptables see the traffic of bridged pods"},
}};

}  // namespace

void check_swap(const DoctorInput& input, Host& host, Findings& findings) {
  const auto text = host.read("/proc/swaps");
  if (!text.ok()) {
    findings.push_back({"swap", Level::ok, "the kernel has no swap", ""});
    return;
  }
  std::istringstream lines(*text);
  std::string line;
  std::getline(lines, line);  // the heading
  std::string devices;
  while (std::getline(lines, line)) {
    const std::string device = line.substr(0, line.find_first_of(" \t"));
    if (!device.empty()) devices += (devices.empty() ? "" : ", ") + device;
  }
  if (devices.empty()) {
    findings.push_back({"swap", Level::ok, "swap is off", ""});
  } else if (input.config.kubelet.fail_swap_on) {
    findings.push_back({"swap", Level::fail,
                        "swap is on (" + devices + ") and failSwapOn is true: the agent refuses to start",
                        "swapoff -a and take it out of /etc/fstab, or set failSwapOn: false"});
  } else {
    findings.push_back({"swap", Level::ok, "swap is on (" + devices + "), as failSwapOn: false allows", ""});
  }
}

void check_sysctls(const DoctorInput& input, Host& host, Findings& findings) {
  bool all_good = true;
  for (const Sysctl& sysctl : sysctls) {
    const std::string name(sysctl.name);
    const auto text = host.read(proc_path(name));
    if (!text.ok()) {
      // Without br_netfilter this one does not exist; the modules check says so.
      if (name.starts_with("net.bridge.")) continue;
      all_good = false;
      findings.push_back({"sysctls", Level::unknown, "cannot read " + name + ": " + text.error().to_string(), ""});
      continue;
    }
    const std::int64_t value = std::strtoll(text->c_str(), nullptr, 10);
    if (value == sysctl.wanted || (sysctl.at_least && value > sysctl.wanted)) continue;
    all_good = false;
    const bool refuses = sysctl.tunable && input.config.kubelet.protect_kernel_defaults;
    const std::string wanted = std::to_string(sysctl.wanted);
    findings.push_back({"sysctls", refuses ? Level::fail : Level::warn,
                        name + " is " + std::to_string(value) + ", wanted " + (sysctl.at_least ? "at least " : "") +
                            wanted + (refuses ? " (protectKernelDefaults)" : "") + ": " + std::string(sysctl.why),
                        "sysctl -w " + name + "=" + wanted + ", and a line `" + name + " = " + wanted +
                            "` in /etc/sysctl.d/90-kubernetes.conf"});
  }
  if (all_good) findings.push_back({"sysctls", Level::ok, "the kernel's settings are as wanted", ""});
}

void check_modules(Host& host, Findings& findings) {
  bool all_good = true;
  for (const Module& module : modules) {
    const std::string name(module.name);
    if (host.exists(std::string(module.sign))) continue;
    if (name == "overlay") {
      const auto filesystems = host.read("/proc/filesystems");
      if (filesystems.ok() && filesystems->find("\toverlay\n") != std::string::npos) continue;
    }
    all_good = false;
    findings.push_back({"modules", Level::warn,
                        "the kernel module " + name + " is not loaded: " + std::string(module.why),
                        "modprobe " + name + ", and a line `" + name + "` in /etc/modules-load.d/kubernetes.conf"});
  }
  if (all_good) findings.push_back({"modules", Level::ok, "overlay and br_netfilter are there", ""});
}

}  // namespace keelson::agent
