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

class Reader {
 public:
  Reader(CgroupFiles& files, const Layout& layout, const std::string& path)
      : files_(files), layout_(layout), path_(path) {}

  std::string text(const std::string& controller, const std::string& file) const {
    std::string mount = layout_.unified;
    if (layout_.version == Version::v1) {
      const auto found = layout_.controllers.find(controller);
      if (found == layout_.controllers.end()) return "";
      mount = found->second;
    }
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

}  // namespace keelson::cgroups
