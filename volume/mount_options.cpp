#include "volume/mount_options.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

namespace keelson::volume {
namespace {

constexpr std::string_view kAnnotation = "volume.beta.kubernetes.io/mount-options";

// As Go's strings.Split: a list of one empty word for an empty text.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    const auto comma = text.find(',');
    words.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return words;
    text.remove_prefix(comma + 1);
  }
}

bool has_options(const api::core::PersistentVolume& pv) {
  return pv.metadata().annotations().contains(std::string(kAnnotation)) || !pv.spec().mountoptions().empty();
}

}  // namespace

std::vector<std::string> join_mount_options(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::set<std::string> all;
  for (const auto* list : {&a, &b}) {
    std::copy_if(list->begin(), list->end(), std::inserter(all, all.end()),
                 [](const std::string& option) { return !option.empty(); });
  }
  return {all.begin(), all.end()};
}

std::vector<std::string> mount_options(const api::core::PersistentVolume& pv, const std::vector<std::string>& more) {
  const auto& annotations = pv.metadata().annotations();
  if (const auto found = annotations.find(std::string(kAnnotation)); found != annotations.end()) {
    return join_mount_options(split(found->second), more);
  }
  const auto& options = pv.spec().mountoptions();
  if (options.empty()) return more;
  return join_mount_options({options.begin(), options.end()}, more);
}

Status check_mount_options(const api::core::PersistentVolume& pv) {
  const auto& source = pv.spec().persistentvolumesource();
  const bool takes_them =
      source.has_csi() || source.has_nfs() || source.has_iscsi() || source.has_fc() || source.has_local();
  if (takes_them || !has_options(pv)) return {};
  return Error(ErrorKind::invalid, "Mount options are not supported for this volume type");
}

}  // namespace keelson::volume
