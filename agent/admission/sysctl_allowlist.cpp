#include "agent/admission/sysctl_allowlist.hpp"

#include <array>
#include <charconv>

#include "agent/pod_config/sysctls.hpp"

namespace keelson::agent {
namespace {

using Version = std::pair<int, int>;

struct SafeSysctl {
  std::string_view name;
  Version since;
};
constexpr std::array kSafe{
    SafeSysctl{"kernel.shm_rmid_forced", {0, 0}},
    SafeSysctl{"net.ipv4.ip_local_port_range", {0, 0}},
    SafeSysctl{"net.ipv4.tcp_syncookies", {0, 0}},
    SafeSysctl{"net.ipv4.ping_group_range", {0, 0}},
    SafeSysctl{"net.ipv4.ip_unprivileged_port_start", {0, 0}},
    SafeSysctl{"net.ipv4.ip_local_reserved_ports", {3, 16}},
    SafeSysctl{"net.ipv4.tcp_keepalive_time", {4, 5}},
    SafeSysctl{"net.ipv4.tcp_keepalive_intvl", {4, 5}},
    SafeSysctl{"net.ipv4.tcp_keepalive_probes", {4, 5}},
    SafeSysctl{"net.ipv4.tcp_fin_timeout", {4, 6}},
    SafeSysctl{"net.ipv4.tcp_rmem", {4, 15}},
    SafeSysctl{"net.ipv4.tcp_wmem", {4, 15}},
};

// Names, or beginnings of names, of what is namespaced in the kernel.
struct Namespaced {
  std::string_view text;
  bool prefix;
  std::string_view kernel_namespace;
};
constexpr std::array kNamespaced{
    Namespaced{"kernel.sem", false, "ipc"}, Namespaced{"kernel.shm", true, "ipc"},
    Namespaced{"kernel.msg", true, "ipc"},  Namespaced{"fs.mqueue.", true, "ipc"},
    Namespaced{"net.", true, "net"},
};

std::string_view namespace_of(std::string_view sysctl) {
  for (const auto& known : kNamespaced) {
    if (known.prefix ? sysctl.starts_with(known.text) : sysctl == known.text) return known.kernel_namespace;
  }
  return "";
}

Version version_of(std::string_view release) {
  Version version{0, 0};
  const char* end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.first);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return {0, 0};
  const auto minor = std::from_chars(major.ptr + 1, end, version.second);
  return minor.ec == std::errc() ? version : Version{0, 0};
}

}  // namespace

Result<SysctlAllowlist> SysctlAllowlist::create(const std::vector<std::string>& unsafe_patterns,
                                                std::string_view kernel_release) {
  SysctlAllowlist list;
  const Version kernel = version_of(kernel_release);
  for (const auto& safe : kSafe) {
    if (safe.since <= kernel) list.entries_.push_back({std::string(safe.name), false, namespace_of(safe.name)});
  }
  for (const std::string& pattern : unsafe_patterns) {
    Entry entry{normal_sysctl_name(pattern), false, ""};
    if (entry.text.ends_with('*')) {
      entry.prefix = true;
      entry.text.pop_back();
    }
    entry.kernel_namespace = namespace_of(entry.text);
    if (entry.kernel_namespace.empty()) {
      return Error(ErrorKind::invalid,
                   "allowedUnsafeSysctls: the sysctl \"" + pattern + "\" is not known to be namespaced");
    }
    list.entries_.push_back(std::move(entry));
  }
  return list;
}

std::optional<std::string> SysctlAllowlist::complaint(const api::Pod& pod) const {
  const auto& spec = pod.spec();
  for (const auto& sysctl : spec.securitycontext().sysctls()) {
    const std::string name = normal_sysctl_name(sysctl.name());
    const Entry* allowed = nullptr;
    for (const Entry& entry : entries_) {
      if (entry.prefix ? name.starts_with(entry.text) : name == entry.text) {
        allowed = &entry;
        // An entry for just this name decides before a pattern.
        if (!entry.prefix) break;
      }
    }
    const std::string start = "forbidden sysctl: \"" + name + "\" ";
    if (allowed == nullptr) return start + "not allowlisted";
    const auto& ns = allowed->kernel_namespace;
    if ((ns == "ipc" && spec.hostipc()) || (ns == "net" && spec.hostnetwork())) {
      return start + "not allowed with host " + std::string(ns) + " enabled";
    }
  }
  return std::nullopt;
}

}  // namespace keelson::agent
