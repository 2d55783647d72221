#include "cgroup-manager/names.hpp"

#include <algorithm>

namespace keelson::cgroups {
namespace {

constexpr std::string_view kPodPrefix = "pod";
constexpr std::string_view kSliceSuffix = ".slice";

std::string replace(std::string_view text, char from, char to) {
  std::string out(text);
  std::replace(out.begin(), out.end(), from, to);
  return out;
}

}  // namespace

Result<CgroupName> parse_root(std::string_view cgroup_root) {
  CgroupName name;
  std::size_t at = 0;
  while (at < cgroup_root.size()) {
    const auto slash = std::min(cgroup_root.find('/', at), cgroup_root.size());
    const auto component = cgroup_root.substr(at, slash - at);
    at = slash + 1;
    if (component.empty()) continue;
    if (component == "." || component == ".." || component.find('_') != std::string_view::npos) {
      return Error(ErrorKind::invalid, "cgroupRoot \"" + std::string(cgroup_root) + "\": component \"" +
                                           std::string(component) +
                                           "\" is not allowed, expected names without '_', '.' and '..'");
    }
    name.emplace_back(component);
  }
  return name;
}

CgroupName pods_root(const CgroupName& root) {
  CgroupName name = root;
  name.emplace_back("kubepods");
  return name;
}

CgroupName tier(const CgroupName& root, QosClass qos) {
  CgroupName name = pods_root(root);
  if (qos == QosClass::burstable) name.emplace_back("burstable");
  if (qos == QosClass::best_effort) name.emplace_back("besteffort");
  return name;
}

CgroupName pod(const CgroupName& root, QosClass qos, std::string_view uid) {
  CgroupName name = tier(root, qos);
  name.push_back(std::string(kPodPrefix) + std::string(uid));
  return name;
}

std::string escape(std::string_view component) { return replace(component, '-', '_'); }
std::string unescape(std::string_view component) { return replace(component, '_', '-'); }

std::string cgroupfs_path(const CgroupName& name) {
  if (name.empty()) return "/";
  std::string out;
  for (const auto& component : name) out += "/" + component;
  return out;
}

std::string systemd_path(const CgroupName& name) {
  if (name.empty()) return "/";
  std::string out;
  std::string joined;
  for (const auto& component : name) {
    if (!joined.empty()) joined += "-";
    joined += escape(component);
    out += "/" + joined;
    out += kSliceSuffix;
  }
  return out;
}

std::string systemd_unit(const CgroupName& name) {
  if (name.empty()) return "-.slice";
  const std::string full = systemd_path(name);
  return full.substr(full.rfind('/') + 1);
}

std::string path(Driver driver, const CgroupName& name) {
  return driver == Driver::systemd ? systemd_path(name) : cgroupfs_path(name);
}

std::optional<std::string> pod_uid(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  std::string_view leaf = path.substr(path.rfind('/') + 1);
  std::string text;
  if (leaf.ends_with(kSliceSuffix)) {
    leaf.remove_suffix(kSliceSuffix.size());
    text = unescape(leaf.substr(leaf.rfind('-') + 1));
  } else {
    text = leaf;
  }
  if (!text.starts_with(kPodPrefix) || text.size() == kPodPrefix.size()) return std::nullopt;
  return text.substr(kPodPrefix.size());
}

}  // namespace keelson::cgroups
