#include "cgroup-manager/in_force.hpp"

#include <charconv>
#include <string_view>

#include "cgroup-manager/formulas.hpp"

namespace keelson::cgroups {
namespace {

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Empty when this machine has no such hierarchy.
std::string mount_of(const Layout& layout, const std::string& controller) {
  if (layout.version == Version::v2) return layout.unified;
  const auto found = layout.controllers.find(controller);
  return found == layout.controllers.end() ? std::string() : found->second;
}

class Reader {
 public:
  Reader(CgroupFiles& files, const Layout& layout, const std::string& path)
      : files_(files), layout_(layout), path_(path) {}

  std::string text(const std::string& controller, const std::string& file) const {
    const std::string mount = mount_of(layout_, controller);
    if (mount.empty()) return "";
    auto read = files_.read(mount + path_ + "/" + file);
    return read.ok() ? std::move(*read) : std::string();
  }
  std::optional<std::int64_t> value(const std::string& controller, const std::string& file) const {
    return number(text(controller, file));
  }

 private:
  CgroupFiles& files_;
  const Layout& layout_;
  const std::string& path_;
};

}  // namespace

InForce read_in_force(CgroupFiles& files, const Layout& layout, const std::string& path) {
  const Reader reader(files, layout, path);
  InForce out;
  if (layout.version == Version::v1) {
    out.cpu_shares = reader.value("cpu", "cpu.shares");
    out.cpu_quota_us = reader.value("cpu", "cpu.cfs_quota_us");
    out.cpu_period_us = reader.value("cpu", "cpu.cfs_period_us");
    out.memory_limit_bytes = reader.value("memory", "memory.limit_in_bytes");
    return out;
  }
  if (const auto weight = reader.value("", "cpu.weight")) out.cpu_shares = shares_from_weight(*weight);
  const std::string max = reader.text("", "cpu.max");  // "max 100000" or "20000 100000"
  if (const auto blank = max.find(' '); blank != std::string::npos) {
    out.cpu_quota_us = number(std::string_view(max).substr(0, blank));
    out.cpu_period_us = number(std::string_view(max).substr(blank + 1));
  }
  out.memory_limit_bytes = reader.value("", "memory.max");
  return out;
}

Result<MemoryInUse> read_memory_in_use(CgroupFiles& files, const Layout& layout, const std::string& path,
                                       const std::vector<std::string>& names) {
  const std::string directory = mount_of(layout, "memory") + path;
  const std::string file = layout.version == Version::v1 ? "/memory.usage_in_bytes" : "/memory.current";
  const auto bytes_of = [&](const std::string& group) -> Result<std::int64_t> {
    auto text = files.read(group + file);
    if (!text.ok()) return text.error();
    if (const auto bytes = number(*text)) return *bytes;
    return Error(ErrorKind::invalid, group + file + " holds no number: " + *text);
  };
  MemoryInUse out;
  auto own = bytes_of(directory);
  if (!own.ok()) return own.error();
  out.bytes = *own;
  const auto children = files.directories(directory);
  if (!children.ok()) return children.error();
  for (const std::string& child : *children) {
    for (const std::string& name : names) {
      if (child.find(name) == std::string::npos) continue;
      if (const auto bytes = bytes_of(directory + "/" + child); bytes.ok()) out.below[name] = *bytes;
    }
  }
  return out;
}

}  // namespace keelson::cgroups
