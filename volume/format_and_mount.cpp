#include "volume/format_and_mount.hpp"

#include <algorithm>
#include <string_view>

#include "base/file.hpp"
#include "volume/mount_point.hpp"

namespace keelson::volume {
namespace {

constexpr auto kDiskLimit = std::chrono::minutes(30);  // mkfs and fsck read and write the whole disk
constexpr int kNothingFound = 2;                       // blkid
constexpr int kErrorsCorrected = 1;                    // fsck
constexpr int kErrorsLeft = 4;

std::string type_of(const DiskMount& wanted) { return wanted.type.empty() ? "ext4" : wanted.type; }

bool is_read_only(const DiskMount& wanted) {
  return std::find(wanted.options.begin(), wanted.options.end(), "ro") != wanted.options.end();
}

ProgramRequest mkfs_of(const std::string& type, const std::string& device) {
  ProgramRequest request{.argv = {"mkfs." + type}, .limit = kDiskLimit};
  if (type == "ext3" || type == "ext4") request.argv.insert(request.argv.end(), {"-F", "-m0"});
  if (type == "xfs") request.argv.emplace_back("-f");
  request.argv.push_back(device);
  return request;
}

Status format(const DiskMount& wanted, Programs& programs) {
  const std::string type = type_of(wanted);
  const std::string what =
      "format of disk \"" + wanted.device + "\" failed: type:(\"" + type + "\") target:(\"" + wanted.target + "\")";
  auto done = run_checked(programs, mkfs_of(type, wanted.device), what);
  if (!done.ok()) return std::move(done).error();
  return {};
}

// Only errors that are left keep a disk from being mounted, as for the kubelet.
Status check(const DiskMount& wanted, Programs& programs, std::vector<std::string>& notes) {
  const auto done = programs.run({.argv = {"fsck", "-a", wanted.device}, .limit = kDiskLimit});
  if (!done.ok()) {
    if (done.error().kind() == ErrorKind::deadline_exceeded) return done.error().wrap("checking " + wanted.device);
    notes.push_back("disk " + wanted.device + " is mounted without a check: " + done.error().to_string());
    return {};
  }
  if (done->exit_code == kErrorsLeft) {
    return Error(ErrorKind::unavailable,
                 "'fsck' found errors on device " + wanted.device + " but could not correct them: " + ending_of(*done));
  }
  if (done->exit_code == kErrorsCorrected) {
    notes.push_back("device " + wanted.device + " has errors which were corrected by fsck");
  } else if (!done->ok()) {
    notes.push_back("fsck of " + wanted.device + ": " + ending_of(*done));
  }
  return {};
}

Result<std::string> parse_blkid(std::string_view output) {
  std::string type, partitions;
  while (!output.empty()) {
    const auto end = std::min(output.find('\n'), output.size());
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(std::min(end + 1, output.size()));
    if (line.empty()) continue;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || line.find('=', equals + 1) != std::string_view::npos) {
      return Error(ErrorKind::unavailable, "blkid returns invalid output: " + std::string(line));
    }
    if (line.substr(0, equals) == "TYPE") type = line.substr(equals + 1);
    if (line.substr(0, equals) == "PTTYPE") partitions = line.substr(equals + 1);
  }
  return partitions.empty() ? type : std::string(kPartitions);
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \n\t") == std::string::npos; }

}  // namespace

Result<std::string> disk_format(const std::string& device, Programs& programs) {
  const std::string what = "failed to get disk format of disk " + device;
  const auto probe = programs.run({.argv = {"blkid", "-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", device}});
  if (!probe.ok()) return probe.error().wrap(what);
  // Exit status 2 is also that of a device that cannot be opened: that says so, and is not blank.
  if (probe->exit_code == kNothingFound && is_blank(probe->err)) return std::string();
  if (!probe->ok()) return Error(ErrorKind::unavailable, what + ": " + ending_of(*probe));
  auto format = parse_blkid(probe->out);
  if (!format.ok()) return std::move(format).error().wrap(what);
  // It ended well and named neither: it does not say that there is nothing.
  if (format->empty()) return std::string(kPartitions);
  return format;
}

DiskMounted format_and_mount(const DiskMount& wanted, Programs& programs, Mounts& mounts) {
  DiskMounted outcome;
  const std::string type = type_of(wanted);
  const auto format_found = disk_format(wanted.device, programs);
  if (!format_found.ok()) {
    outcome.failure = format_found.error();
    return outcome;
  }
  Status ready;
  if (!format_found->empty()) {
    if (!is_read_only(wanted)) ready = check(wanted, programs, outcome.notes);
  } else if (is_read_only(wanted)) {
    ready = Error(ErrorKind::invalid,
                  "cannot mount unformatted disk " + wanted.device + " as we are manipulating it in read-only mode");
  } else {
    ready = format(wanted, programs);
    outcome.formatted = ready.ok();
  }
  if (!ready.ok()) {
    outcome.failure = std::move(ready).error();
    return outcome;
  }
  FileSystemMount mount{wanted.device, wanted.target, type, wanted.options};
  mount.options.emplace_back("defaults");
  if (Status mounted = mounts.mount(mount); !mounted.ok()) {
    outcome.failure = std::move(mounted).error();
    outcome.mismatch = !format_found->empty() && *format_found != type;
  }
  return outcome;
}

DiskMounted mount_device(const DiskMount& wanted, Programs& programs, Mounts& mounts) {
  DiskMounted outcome;
  const auto mounted = is_mount_point(wanted.target, mounts);
  if (mounted.ok() && *mounted) return outcome;
  Status made = mounted.ok() ? base::make_directories(wanted.target, 0750) : Status(mounted.error());
  if (!made.ok()) {
    outcome.failure = std::move(made).error();
    return outcome;
  }
  outcome = format_and_mount(wanted, programs, mounts);
  if (outcome.failure) (void)remove_empty_directory(wanted.target);
  return outcome;
}

Result<bool> grow_file_system(const std::string& device, const std::string& mount_path, Programs& programs) {
  auto read_only = run_checked(programs, {.argv = {"blockdev", "--getro", device}},
                               "failed to get readonly bit from device " + device);
  if (!read_only.ok()) return std::move(read_only).error();
  if (read_only->out.starts_with('1')) return false;
  auto format = disk_format(device, programs);
  if (!format.ok()) return std::move(format).error();
  if (format->empty()) return false;  // mkfs takes the whole disk

  ProgramRequest grow{.limit = kDiskLimit};
  if (*format == "ext3" || *format == "ext4") {
    grow.argv = {"resize2fs", device};
  } else if (*format == "xfs") {
    grow.argv = {"xfs_growfs", "-d", mount_path};
  } else if (*format == "btrfs") {
    grow.argv = {"btrfs", "filesystem", "resize", "max", mount_path};
  } else {
    return Error(ErrorKind::unimplemented, "resize of format " + *format + " is not supported for device " + device +
                                               " mounted at " + mount_path);
  }
  auto grown = run_checked(programs, grow, "resize of device " + device + " failed");
  if (!grown.ok()) return std::move(grown).error();
  return true;
}

}  // namespace keelson::volume
