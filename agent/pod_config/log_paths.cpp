#include "agent/pod_config/log_paths.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

namespace keelson::agent {
namespace {

constexpr std::size_t kMaxFileName = 255;
constexpr std::string_view kLogSuffix = ".log";

// The N of "N.log" and "N.log.ANYTHING".
std::optional<std::uint32_t> log_number(std::string_view name) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end == name.data()) return std::nullopt;
  name.remove_prefix(static_cast<std::size_t>(end - name.data()));
  if (!name.starts_with(kLogSuffix)) return std::nullopt;
  name.remove_prefix(kLogSuffix.size());
  if (!name.empty() && name.front() != '.') return std::nullopt;
  return number;
}

}  // namespace

std::string pod_log_directory(const std::string& logs_dir, const api::Pod& pod) {
  const auto& meta = pod.metadata();
  return logs_dir + "/" + meta.namespace_() + "_" + meta.name() + "_" + meta.uid();
}

std::string container_log_path(const std::string& container, std::uint32_t restart_count) {
  return container + "/" + std::to_string(restart_count) + std::string(kLogSuffix);
}

std::string log_link_name(const std::string& pod, const std::string& ns, const std::string& container,
                          const std::string& container_id) {
  std::string name = pod + "_" + ns + "_" + container + "-" + container_id;
  name.resize(std::min(name.size(), kMaxFileName - kLogSuffix.size()));
  return name + std::string(kLogSuffix);
}

std::uint32_t restart_count_from_logs(const std::vector<std::string>& names) {
  std::uint32_t next = 0;
  for (const auto& name : names) {
    const auto number = log_number(name);
    if (number && *number < UINT32_MAX) next = std::max(next, *number + 1);
  }
  return next;
}

std::string termination_file_path(const std::string& root_dir, const std::string& pod_uid, const std::string& container,
                                  std::uint32_t random) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%08x", random);
  return root_dir + "/pods/" + pod_uid + "/containers/" + container + "/" + digits;
}

}  // namespace keelson::agent
