// Fibre Channel volumes: find the disk that the fabric shows, mount it once per node, and take it out again.
//
//   ROOT/plugins/kubernetes.io/fc/WWN1-WWN2-lun-N or WWID1-WWID2   the global mount
//   ROOT/plugins/kubernetes.io/fc/volumeDevices/...                GLOBAL of mode Block
//
// Blocking; on the pool, never two calls for one disk at a time. Values only. What fails: no disk shows up; a disk that
// is still busy cannot be taken out: unmount_fc() says which device it was, and the caller tries take_out_fc() again,
// every 10 s for 2 minutes. Source: contract 04 §2, §3, §6 "fc", §15.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "volume/format_and_mount.hpp"
#include "volume/mounts.hpp"
#include "volume/programs.hpp"
#include "volume/scsi.hpp"

namespace keelson::volume {

inline constexpr std::string_view fc_plugin = "kubernetes.io/fc";
inline constexpr auto fc_take_out_interval = std::chrono::seconds(10);
inline constexpr auto fc_take_out_limit = std::chrono::minutes(2);

// Either WWNs with a LUN, or WWIDs.
struct FcDisk {
  std::vector<std::string> wwns;
  int lun = 0;
  std::vector<std::string> wwids;  // with `_` for each blank
  bool operator==(const FcDisk&) const = default;
};

Result<FcDisk> fc_disk(const api::core::FCVolumeSource& source);

enum class FcUse { file_system, block };
std::string fc_global_dir(const std::string& root, const FcDisk& disk, FcUse use);
// What the name of such a directory says.
std::optional<FcDisk> parse_fc_global_dir(const std::string& path);

struct FcHost {
  std::string root;  // ROOT
  Programs& programs;
  const ScsiDevices& devices;
  Mounts& mounts;
};

// The device: a multipath one where there is one, else the disk.
Result<std::string> attach_fc(const FcDisk& disk, const FcHost& host);
// Mounts it at its global directory; nothing to do when it is there. `options` with the PV's.
DiskMounted mount_fc_device(const FcDisk& disk, const std::string& device, const std::string& fs_type,
                            const std::vector<std::string>& options, const FcHost& host);

// Takes the global mount off and its directory away; the device that was mounted, for take_out_fc(); empty when there
// was none.
Result<std::string> unmount_fc(const std::string& global_dir, const FcHost& host);
// The device of a GLOBAL directory of mode Block, found by the directory's name; empty when it is gone.
Result<std::string> fc_block_device(const std::string& global_dir, const FcHost& host);
// Flushes the device and takes its disks out of the system.
Status take_out_fc(const std::string& device, const FcHost& host);

}  // namespace keelson::volume
