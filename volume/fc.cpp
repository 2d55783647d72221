#include "volume/fc.hpp"

#include <algorithm>
#include <charconv>

#include "base/file.hpp"
#include "volume/mount_point.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : "-") + word;
  return text;
}

// "WWN1-WWN2-lun-N" or "WWID1-WWID2"
std::string name_of(const FcDisk& disk) {
  return disk.wwns.empty() ? joined(disk.wwids) : joined(disk.wwns) + "-lun-" + std::to_string(disk.lun);
}

// "pci-0000:03:00.0-fc-0xWWN-lun-N" or "fc-0xWWN-lun-N"
bool is_path_of(const std::string& name, const std::string& wwn, int lun) {
  const std::string end = "fc-0x" + wwn + "-lun-" + std::to_string(lun);
  return name == end || (name.starts_with("pci-") && name.ends_with("-" + end));
}

struct Found {
  std::optional<std::string> disk;
  std::optional<std::string> multipath;
};

Found found_at(const std::string& link, const ScsiDevices& devices) {
  return {devices.disk_of(link), devices.multipath_of(link)};
}

Found find_by_wwn(const std::string& wwn, int lun, const ScsiDevices& devices) {
  for (const auto& name : devices.names_in("disk/by-path")) {
    if (!is_path_of(name, wwn, lun)) continue;
    Found found = found_at(devices.dev() + "/disk/by-path/" + name, devices);
    if (found.disk) return found;
  }
  return {};
}

Found find_by_wwid(const std::string& wwid, const ScsiDevices& devices) {
  for (const auto& name : devices.names_in("disk/by-id")) {
    if (name == "scsi-" + wwid) return found_at(devices.dev() + "/disk/by-id/" + name, devices);
  }
  return {};
}

// By all names, until one leads to a multipath device; else a disk that was found.
Found find(const FcDisk& disk, const ScsiDevices& devices) {
  Found result;
  const auto& names = disk.wwns.empty() ? disk.wwids : disk.wwns;
  for (const auto& name : names) {
    Found found = disk.wwns.empty() ? find_by_wwid(name, devices) : find_by_wwn(name, disk.lun, devices);
    if (found.multipath) return found;
    if (found.disk) result = std::move(found);
  }
  return result;
}

}  // namespace

Result<FcDisk> fc_disk(const api::core::FCVolumeSource& source) {
  FcDisk disk;
  if (source.has_lun() && !source.targetwwns().empty()) {
    disk.wwns = {source.targetwwns().begin(), source.targetwwns().end()};
    disk.lun = source.lun();
  } else if (!source.wwids().empty()) {
    disk.wwids = {source.wwids().begin(), source.wwids().end()};
    for (auto& wwid : disk.wwids) std::replace(wwid.begin(), wwid.end(), ' ', '_');
  } else {
    return Error(ErrorKind::invalid, "fc: no fc disk information found: expected targetWWNs and lun, or wwids");
  }
  for (const auto* names : {&disk.wwns, &disk.wwids}) {
    for (const auto& name : *names) KEELSON_TRY(check_element("fc: name", name));
  }
  return disk;
}

std::string fc_global_dir(const std::string& root, const FcDisk& disk, FcUse use) {
  return plugin_dir(root, fc_plugin) + (use == FcUse::block ? "/volumeDevices/" : "/") + name_of(disk);
}

std::optional<FcDisk> parse_fc_global_dir(const std::string& path) {
  std::vector<std::string> words;
  std::string name = path.substr(path.find_last_of('/') + 1);
  while (true) {
    const auto dash = name.find('-');
    words.push_back(name.substr(0, dash));
    if (dash == std::string::npos) break;
    name = name.substr(dash + 1);
  }
  FcDisk disk;
  const auto count = words.size();
  if (count < 2 || words[count - 2] != "lun") {
    disk.wwids = std::move(words);
    return disk;
  }
  const std::string& lun = words.back();
  const auto [end, error] = std::from_chars(lun.data(), lun.data() + lun.size(), disk.lun);
  if (count == 2 || error != std::errc() || end != lun.data() + lun.size()) return std::nullopt;
  disk.wwns.assign(words.begin(), words.end() - 2);
  return disk;
}

Result<std::string> attach_fc(const FcDisk& disk, const FcHost& host) {
  Found found = find(disk, host.devices);
  if (!found.multipath) {
    host.devices.scan_all();
    found = find(disk, host.devices);
  }
  if (found.multipath) return *found.multipath;
  if (found.disk) return *found.disk;
  return Error(ErrorKind::unavailable, "no fc disk found: " + name_of(disk));
}

DiskMounted mount_fc_device(const FcDisk& disk, const std::string& device, const std::string& fs_type,
                            const std::vector<std::string>& options, const FcHost& host) {
  return mount_device({device, fc_global_dir(host.root, disk, FcUse::file_system), fs_type, options}, host.programs,
                      host.mounts);
}

Result<std::string> unmount_fc(const std::string& global_dir, const FcHost& host) {
  auto table = host.mounts.entries();
  if (!table.ok()) return std::move(table).error();
  const std::string real = host.mounts.real_path(global_dir).value_or(global_dir);
  std::string device;
  if (is_mounted_at(*table, real)) device = mount_of(*table, real)->source;
  KEELSON_TRY(clean_up_mount_point(global_dir, host.mounts));
  return device;
}

Result<std::string> fc_block_device(const std::string& global_dir, const FcHost& host) {
  const auto disk = parse_fc_global_dir(global_dir);
  if (!disk) return Error(ErrorKind::invalid, "fc: " + global_dir + " is not named after a disk");
  const Found found = find(*disk, host.devices);
  return found.multipath.value_or(found.disk.value_or(""));
}

Status take_out_fc(const std::string& device, const FcHost& host) {
  const auto disk = host.devices.disk_of(device);
  if (!disk) return {};  // gone
  auto table = host.mounts.entries();
  if (!table.ok()) return std::move(table).error();
  const auto number = host.devices.number_of(*disk);
  const auto in_use = std::find_if(table->begin(), table->end(),
                                   [&](const MountEntry& entry) { return number && entry.device == *number; });
  if (in_use != table->end()) {
    return Error(ErrorKind::unavailable, "fc: the device " + *disk + " is still mounted at " + in_use->path);
  }
  const std::string name = disk->substr(disk->find_last_of('/') + 1);
  std::vector<std::string> members{*disk};
  if (name.starts_with("dm-")) {
    members = host.devices.members_of(*disk);
    auto flushed =
        run_checked(host.programs, {.argv = {"multipath", "-f", *disk}}, "failed to flush multipath device " + *disk);
    if (!flushed.ok()) return std::move(flushed).error();
  }
  // All of them, whatever becomes of one: without its multipath device the others are not found again.
  Status first;
  for (const auto& member : members) {
    // What is not flushed in time is lost with the disk or without: it goes either way.
    (void)host.programs.run({.argv = {"blockdev", "--flushbufs", member}});
    Status removed = host.devices.remove(member);
    if (first.ok() && !removed.ok()) first = std::move(removed);
  }
  return first;
}

}  // namespace keelson::volume
