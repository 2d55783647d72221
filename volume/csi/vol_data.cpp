#include "volume/csi/vol_data.hpp"

#include <cerrno>

#include "api/document.hpp"
#include "base/file.hpp"
#include "volume/csi/go_json.hpp"

namespace keelson::volume {
namespace {

constexpr std::size_t kLimit = 64 << 10;

struct Key {
  const char* name;
  std::string VolData::*member;
};

constexpr Key kKeys[] = {
    {"attachmentID", &VolData::attachment_id},
    {"driverName", &VolData::driver_name},
    {"nodeName", &VolData::node_name},
    {"seLinuxMountContext", &VolData::selinux_mount_context},
    {"specVolID", &VolData::spec_vol_id},
    {"volumeHandle", &VolData::volume_handle},
    {"volumeLifecycleMode", &VolData::lifecycle_mode},
};

std::string file_in(const std::string& directory) { return directory + "/" + vol_data_file; }

}  // namespace

std::string to_json(const VolData& data) {
  std::map<std::string, std::string> map;
  for (const Key& key : kKeys) {
    if (const std::string& value = data.*key.member; !value.empty()) map.emplace(key.name, value);
  }
  return go_json_map(map) + "\n";
}

// Keys that we do not know are another version's: they do no harm.
Result<VolData> parse_vol_data(std::string_view text) {
  auto tree = api::parse_json(text);
  if (!tree.ok()) return std::move(tree).error();
  if (!tree->is_map()) return Error(ErrorKind::invalid, "expected an object, found " + std::string(tree->kind_name()));
  VolData data;
  for (const auto& entry : tree->entries) {
    if (entry.shadowed) return Error(ErrorKind::invalid, "key \"" + entry.key + "\" is there twice");
    if (!entry.value.is_string()) {
      return Error(ErrorKind::invalid,
                   "\"" + entry.key + "\": expected a string, found " + std::string(entry.value.kind_name()));
    }
    for (const Key& key : kKeys) {
      if (entry.key == key.name) data.*key.member = entry.value.text;
    }
  }
  for (const Key& key : kKeys) {
    const bool required = key.member == &VolData::driver_name || key.member == &VolData::volume_handle;
    if (required && (data.*key.member).empty())
      return Error(ErrorKind::invalid, "\"" + std::string(key.name) + "\" is missing");
  }
  return data;
}

// Written in place, as the kubelet does: a temporary file that a crash left would keep the directory for ever. What is
// there already is left alone, so that a crash can only cut a file of a volume that no driver was asked for yet.
Status save_vol_data(const std::string& directory, const VolData& data) {
  const std::string text = to_json(data);
  const auto there = base::read_file(file_in(directory), kLimit);
  if (there.ok() && *there == text) return {};
  return base::write_file(file_in(directory), text, 0644);
}

Result<VolData> load_vol_data(const std::string& directory) {
  auto text = base::read_file(file_in(directory), kLimit);
  if (!text.ok()) return std::move(text).error();
  return parse_vol_data(*text).wrap("while reading " + file_in(directory));
}

}  // namespace keelson::volume
