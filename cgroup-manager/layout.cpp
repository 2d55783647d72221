#include "cgroup-manager/layout.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <vector>

#include "base/file.hpp"

namespace keelson::cgroups {
namespace {

constexpr std::array<std::string_view, 4> kNeeded{"cpu", "cpuacct", "cpuset", "memory"};

const std::set<std::string_view>& known_controllers() {
  static const std::set<std::string_view> known{"cpuset",     "devices", "memory",  "cpu",          "cpuacct",
                                                "pids",       "blkio",   "hugetlb", "net_cls",      "net_prio",
                                                "perf_event", "freezer", "rdma",    "name=systemd", "misc"};
  return known;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Blanks and backslashes in mount points are written as octal escapes.
std::string unescape_mount(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct CgroupMount {
  std::string point;
  std::vector<std::string> controllers;
};

// One line: "ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPER-OPTIONS"; nothing for other file systems.
std::vector<CgroupMount> v1_mounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (const auto line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4 || dash[1] != "cgroup") continue;
    CgroupMount mount{unescape_mount(fields[4]), {}};
    for (const auto option : split(dash[3], ',')) {
      if (known_controllers().contains(option)) mount.controllers.emplace_back(option);
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

// On a v1 machine: where a cgroup2 tree without controllers is mounted beside, empty when there is none.
std::string hybrid_mount(std::string_view mountinfo, const std::string& cgroup_root) {
  for (const auto line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 2 || dash[1] != "cgroup2") continue;
    const std::string point = unescape_mount(fields[4]);
    if (point.rfind(cgroup_root + "/", 0) == 0) return point;
  }
  return "";
}

}  // namespace

Result<Layout> layout_from_mounts(std::string_view mountinfo, const std::string& cgroup_root, bool unified) {
  if (unified) return Layout{Version::v2, cgroup_root, {}};
  Layout layout{Version::v1, "", {}};
  for (const auto& mount : v1_mounts(mountinfo)) {
    for (const auto& controller : mount.controllers) {
      const auto [it, inserted] = layout.controllers.emplace(controller, mount.point);
      if (!inserted && mount.point.size() < it->second.size()) it->second = mount.point;
    }
  }
  layout.unified = hybrid_mount(mountinfo, cgroup_root);
  std::string missing;
  for (const auto needed : kNeeded) {
    if (!layout.controllers.contains(std::string(needed))) missing += " " + std::string(needed);
  }
  if (!missing.empty()) {
    return Error(ErrorKind::unavailable, "cgroup v1: no mount of the controllers" + missing +
                                             ", expected cpu, cpuacct, cpuset and memory below " + cgroup_root);
  }
  return layout;
}

Result<Layout> find_layout(const std::string& cgroup_root) {
  struct statfs info {};
  if (::statfs(cgroup_root.c_str(), &info) != 0) return errno_error("statfs " + cgroup_root, errno);
  if (info.f_type == CGROUP2_SUPER_MAGIC) return layout_from_mounts("", cgroup_root, true);
  auto mountinfo = base::read_file("/proc/self/mountinfo");
  if (!mountinfo.ok()) return mountinfo.error();
  return layout_from_mounts(mountinfo.value(), cgroup_root, false);
}

}  // namespace keelson::cgroups
