// ScsiDevices: disks that come and go on SCSI hosts (iSCSI, Fibre Channel), by /sys and /dev.
//
// Both roots are given, so that tests lay out trees of their own. Blocking; on the pool, by any number of its threads;
// holds nothing but the roots. What fails: errors name the file. Source: contract 04 §6 (iscsi, fc); the kernel's
// scsi_transport_iscsi.c and scsi_scan.c for the names under /sys.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace keelson::volume {

class ScsiDevices {
 public:
  explicit ScsiDevices(std::string sys = "/sys", std::string dev = "/dev")
      : sys_(std::move(sys)), dev_(std::move(dev)) {}

  // The SCSI hosts that are logged in to the iSCSI target, by portal ("192.0.2.1:3260").
  Result<std::map<std::string, int>> iscsi_hosts(const std::string& iqn) const;
  // "sdb" ...: what a LUN of an iSCSI target is here.
  Result<std::vector<std::string>> iscsi_disks(const std::string& iqn, int lun) const;
  // Looks for one LUN on one host.
  Status scan(int host, int lun) const;
  // Looks for everything on all hosts; hosts that cannot be asked are passed over.
  void scan_all() const;

  const std::string& dev() const { return dev_; }
  // Where a link below /dev leads, "/dev/sdb"; none when it leads nowhere or out of /dev.
  std::optional<std::string> disk_of(const std::string& link) const;
  // "/dev/dm-1", when the disk is part of it.
  std::optional<std::string> multipath_of(const std::string& device) const;
  // "/dev/sdb" ...: the parts of a multipath device.
  std::vector<std::string> members_of(const std::string& multipath) const;
  // The names in a directory below /dev ("disk/by-path"); none when there is no such directory.
  std::vector<std::string> names_in(const std::string& directory) const;
  // Takes a disk ("/dev/sdb") out of the system. One that is gone already is success.
  Status remove(const std::string& disk) const;

  // "8:16", as the mount table names it; none when it is gone.
  std::optional<std::string> number_of(const std::string& device) const;

  // The first path below /dev that fits the pattern (of glob(7)), as soon as there is one.
  std::optional<std::string> wait_for(const std::string& pattern, std::chrono::milliseconds limit) const;
  // The multipath device of one of the paths, as soon as there is one.
  std::optional<std::string> wait_for_multipath(const std::vector<std::string>& paths,
                                                std::chrono::milliseconds limit) const;

 private:
  template <class Visit>
  Status for_each_session(const std::string& iqn, Visit visit) const;

  std::string sys_;
  std::string dev_;
};

}  // namespace keelson::volume
