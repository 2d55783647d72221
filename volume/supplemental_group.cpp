#include "volume/supplemental_group.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace keelson::volume {

std::optional<std::int64_t> supplemental_group(const api::core::PersistentVolume& pv, const api::core::PodSpec& pod) {
  const auto& annotations = pv.metadata().annotations();
  const auto found = annotations.find("pv.beta.kubernetes.io/gid");
  if (found == annotations.end()) return std::nullopt;
  std::string_view text = found->second;
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t gid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), gid);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const auto& listed = pod.securitycontext().supplementalgroups();
  if (std::find(listed.begin(), listed.end(), gid) != listed.end()) return std::nullopt;
  return gid;
}

}  // namespace keelson::volume
