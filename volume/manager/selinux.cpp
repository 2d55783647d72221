#include "volume/manager/selinux.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <vector>

#include "base/file.hpp"
#include "volume/manager/checks.hpp"
#include "volume/mount_table.hpp"

namespace keelson::volume {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\"";
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// The value of the last line `key = "value"`; comments begin with #.
std::string value_of(std::string_view text, std::string_view key) {
  std::string value;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || trimmed(line).starts_with('#')) continue;
    if (trimmed(line.substr(0, equals)) == key) value = trimmed(line.substr(equals + 1));
  }
  return value;
}

// What a container's own options say as a whole goes before the pod's.
template <class Container>
const api::core::SELinuxOptions* options_of(const Container& container, const api::core::PodSpec& pod) {
  if (container.securitycontext().has_selinuxoptions()) return &container.securitycontext().selinuxoptions();
  return pod.securitycontext().has_selinuxoptions() ? &pod.securitycontext().selinuxoptions() : nullptr;
}

std::set<std::string> contexts_of(const VolumeSpec& spec, const std::string& file_context) {
  std::set<std::string> found;
  const api::core::PodSpec& pod = spec.pod->spec();
  const auto look = [&](const auto& container) {
    for (const auto& mount : container.volumemounts()) {
      if (mount.name() != spec.outer) continue;
      const auto* options = options_of(container, pod);
      found.insert(options == nullptr ? std::string() : context_of(*options, file_context));
    }
  };
  for (const auto& container : pod.initcontainers()) look(container);
  for (const auto& container : pod.containers()) look(container);
  for (const auto& container : pod.ephemeralcontainers()) look(container.ephemeralcontainercommon());
  return found;
}

struct ContextParts {
  std::string front;  // "user:role:type:sensitivity"
  std::set<int> categories;
  bool operator==(const ContextParts&) const = default;
};

bool read_category(std::string_view text, int& number) {
  if (!text.starts_with('c')) return false;
  text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0 && number < 1024;
}

// Nothing for what is not understood, such as a range of levels.
std::optional<ContextParts> parts_of(const std::string& context) {
  const auto colon = context.rfind(':');
  ContextParts out;
  if (colon == std::string::npos || context.compare(colon + 1, 1, "c") != 0) return std::nullopt;
  out.front = context.substr(0, colon);
  for (std::string_view rest = std::string_view(context).substr(colon + 1); !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    const auto dot = item.find('.');
    int first = 0, last = 0;
    if (!read_category(item.substr(0, dot), first)) return std::nullopt;
    last = first;
    if (dot != std::string_view::npos && !read_category(item.substr(dot + 1), last)) return std::nullopt;
    for (int i = first; i <= last; ++i) out.categories.insert(i);
  }
  return out;
}

}  // namespace

std::string file_context_of(std::string_view lxc_contexts) { return value_of(lxc_contexts, "file"); }

SELinuxHost read_selinux(const std::string& etc, const std::string& sys) {
  SELinuxHost host;
  host.enabled = base::is_directory(sys);
  if (!host.enabled) return host;
  const auto config = base::read_file(etc + "/config");
  const std::string policy = config.ok() ? value_of(*config, "SELINUXTYPE") : std::string();
  const auto contexts = base::read_file(etc + "/" + (policy.empty() ? "targeted" : policy) + "/contexts/lxc_contexts");
  if (contexts.ok()) host.file_context = file_context_of(*contexts);
  return host;
}

bool same_context(const std::string& a, const std::string& b) {
  const auto left = parts_of(a), right = parts_of(b);
  return a == b || (left && left == right);
}

std::string context_in(std::string_view super_options) { return option_value(super_options, "context"); }

std::string context_of(const api::core::SELinuxOptions& options, const std::string& file_context) {
  // user:role:type:level, the level with colons of its own.
  std::vector<std::string> parts;
  std::string_view rest = file_context;
  while (parts.size() < 3) {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) return {};
    parts.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  }
  if (options.level().empty()) return {};
  const std::string& user = options.user().empty() ? parts[0] : options.user();
  return user + ":" + parts[1] + ":" + parts[2] + ":" + options.level();
}

Result<std::string> mount_context(const VolumeSpec& spec, const SELinuxHost& host) {
  if (!host.enabled || spec.pv == nullptr || spec.block) return std::string();
  if (!is_for_one_pod(spec) && !host.all_access_modes) return std::string();
  if (spec.pod->spec().securitycontext().selinuxchangepolicy() == "Recursive") return std::string();
  const std::set<std::string> contexts = contexts_of(spec, host.file_context);
  if (contexts.empty()) return std::string();
  if (contexts.size() == 1) return *contexts.begin();
  std::string all;
  for (const auto& context : contexts) all += (all.empty() ? "\"" : ", \"") + context + "\"";
  return Error(ErrorKind::invalid, "volume " + spec.outer + " is used with several SELinux labels: " + all);
}

}  // namespace keelson::volume
