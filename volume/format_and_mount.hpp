// format_and_mount(): a disk with a file system on it, made when the disk is blank, checked, and mounted.
//
// A disk is blank only when blkid says that it found nothing, and says nothing else: one with a partition table, with
// data that blkid cannot tell, or that could not be read is never formatted. Blocking (mkfs and fsck of a large disk
// take their time); on the pool, never two calls for one disk at a time. Values only. What fails: see the texts, which
// are the kubelet's on one line. Source: contract 04 §6 "Format-and-mount", §24 (the last line); blkid(8), fsck(8).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "volume/mounts.hpp"
#include "volume/programs.hpp"

namespace keelson::volume {

struct DiskMount {
  std::string device;
  std::string target;
  std::string type;                  // empty: ext4
  std::vector<std::string> options;  // "ro" among them: neither formatted nor checked
};

struct DiskMounted {
  std::optional<Error> failure;
  // The mount failed, and the disk has another file system than it was to be mounted as: the PV gets the event
  // FailedMountOnFilesystemMismatch.
  bool mismatch = false;
  bool formatted = false;
  std::vector<std::string> notes;  // worth a line in the log
};

DiskMounted format_and_mount(const DiskMount& wanted, Programs& programs, Mounts& mounts);
// The same at a target that is made for it, unless something is mounted there already. After a failure it is taken away
// again if it is empty.
DiskMounted mount_device(const DiskMount& wanted, Programs& programs, Mounts& mounts);

// The file system's type; empty: the disk is blank; kPartitions: it has a partition table, or something like one.
inline constexpr std::string_view kPartitions = "unknown data, probably partitions";
Result<std::string> disk_format(const std::string& device, Programs& programs);

// Grows the file system on a disk that has grown; whether there was one to grow. Disks that are read-only stay as they
// are.
Result<bool> grow_file_system(const std::string& device, const std::string& mount_path, Programs& programs);

}  // namespace keelson::volume
