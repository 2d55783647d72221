// iSCSI volumes: log in to the target's portals, find the disk, mount it once per node; the way back logs out when no
// other volume of the target is left.
//
//   ROOT/plugins/kubernetes.io/iscsi/iface-IFACE/PORTAL-IQN-lun-N                 the global mount; iscsi.json beneath
//   ROOT/plugins/kubernetes.io/iscsi/volumeDevices/iface-IFACE/PORTAL-IQN-lun-N   GLOBAL of mode Block; iscsi.json in
//   it
//
// Blocking, for minutes when a portal is away; on the pool. Never two calls for one target (iqn) at a time: one volume
// would log out what another logs in to. Values only. Secrets go to iscsiadm's arguments, as in the kubelet, and never
// into a text of ours. What fails: no portal gives a path (with the last reason); a failed attach leaves sessions that
// the next attempt or the detach takes up. Source: contract 04 §2, §3, §6 "iscsi", §15; iscsiadm(8).
#pragma once

#include <chrono>
#include <map>
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

inline constexpr std::string_view iscsi_plugin = "kubernetes.io/iscsi";

struct IscsiDisk {
  std::string name;                  // PV or VOL
  std::vector<std::string> portals;  // with their ports, the target's own first
  std::string iqn;
  int lun = 0;
  std::string init_interface = "default";  // as the spec names it
  std::string interface = "default";       // what is used: a clone of its own where there is an initiator name
  std::string initiator_name;
  bool chap_discovery = false;
  bool chap_session = false;
  bool operator==(const IscsiDisk&) const = default;
};

IscsiDisk iscsi_disk(const std::string& name, const api::core::ISCSIVolumeSource& source);
IscsiDisk iscsi_disk(const std::string& name, const api::core::ISCSIPersistentVolumeSource& source);

enum class IscsiUse { file_system, block };
std::string iscsi_global_dir(const std::string& root, const IscsiDisk& disk, IscsiUse use);
// What the name of such a directory says; none when it is no such name.
std::optional<IscsiDisk> parse_iscsi_global_dir(const std::string& path);

// iscsi.json, with the kubelet's keys.
std::string iscsi_json(const IscsiDisk& disk);
Result<IscsiDisk> parse_iscsi_json(const std::string& text);

struct IscsiLimits {
  std::chrono::milliseconds device = std::chrono::seconds(30);     // for a path to appear
  std::chrono::milliseconds multipath = std::chrono::seconds(10);  // for its multipath device, with several portals
};

struct IscsiHost {
  std::string root;  // ROOT
  Programs& programs;
  const ScsiDevices& devices;
  Mounts& mounts;
  IscsiLimits limits;
};

using IscsiSecret = std::map<std::string, std::string>;  // of the CHAP secret: "node.session.auth.username" ...

// The device, "/dev/dm-0" or a path of /dev/disk/by-path, with iscsi.json written where the detach finds it.
Result<std::string> attach_iscsi(const IscsiDisk& disk, IscsiUse use, const IscsiSecret& secret, const IscsiHost& host);

// Mounts the attached device at its global directory; nothing to do when it is there. `options` with the PV's.
DiskMounted mount_iscsi_device(const IscsiDisk& disk, const std::string& device, const std::string& fs_type,
                               const std::vector<std::string>& options, const IscsiHost& host);

// By the global directory alone, so that it works after a restart: unmounts, takes the disks out, logs out of the
// target when this was the last volume of it, and removes the directory. Missing is success.
Status detach_iscsi(const std::string& global_dir, const IscsiHost& host);
// For mode Block, after the last pod's device file has gone.
Status detach_iscsi_block(const std::string& global_dir, const IscsiHost& host);

}  // namespace keelson::volume
