// vol_data.json: what is needed to take a CSI volume down again, beside its mount on the disk.
//
// One JSON object of strings, keys sorted, a newline at the end, as the kubelet writes it, so that either can take over
// from the other. Pure, but for the two that touch the disk, which block: on the pool. What fails: `not_found` when the
// file is missing, `invalid` when it is not such an object or lacks what every one has. Source: contract 04 §21.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::volume {

inline constexpr char vol_data_file[] = "vol_data.json";

// Empty ones are not written.
struct VolData {
  std::string spec_vol_id;    // the PV's name, or the volume's in the pod
  std::string volume_handle;  // required
  std::string driver_name;    // required
  std::string node_name;
  std::string attachment_id;
  std::string lifecycle_mode;  // Persistent, Ephemeral
  std::string selinux_mount_context;
  bool operator==(const VolData&) const = default;
};

std::string to_json(const VolData& data);
Result<VolData> parse_vol_data(std::string_view text);

// `directory` holds, or will hold, the file.
Status save_vol_data(const std::string& directory, const VolData& data);
Result<VolData> load_vol_data(const std::string& directory);

}  // namespace keelson::volume
