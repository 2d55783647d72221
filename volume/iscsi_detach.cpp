#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/file.hpp"
#include "volume/iscsi.hpp"
#include "volume/mount_point.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr int kSessionNotFound = 2;  // exit statuses of iscsiadm
constexpr int kNothingFound = 21;
constexpr int kTries = 32;  // of mounts on top of each other

// What iscsi.json says, or without one the directory's name.
struct Known {
  IscsiDisk disk;
  bool by_json = false;
};

Result<Known> known_of(const std::string& global_dir) {
  const auto text = base::read_file(global_dir + "/iscsi.json", 1u << 20);
  if (text.ok()) {
    if (auto disk = parse_iscsi_json(*text); disk.ok()) return Known{std::move(*disk), true};
  }
  auto disk = parse_iscsi_global_dir(global_dir);
  if (disk) return Known{std::move(*disk), false};
  return Error(ErrorKind::invalid, "iscsi detach disk: malformatted mnt path: " + global_dir);
}

// How many volumes of the target there are below a directory of interfaces.
Result<std::ptrdiff_t> volumes_of(const std::string& directory, const std::string& prefix) {
  std::ptrdiff_t count = 0;
  if (!base::path_exists(directory)) return count;
  const auto interfaces = base::list_directory(directory);
  if (!interfaces.ok()) return interfaces.error();
  for (const auto& interface : *interfaces) {
    if (interface == "volumeDevices" || !base::is_directory(directory + "/" + interface)) continue;
    const auto volumes = base::list_directory(directory + "/" + interface);
    if (!volumes.ok()) return volumes.error();
    count += std::count_if(volumes->begin(), volumes->end(),
                           [&](const std::string& name) { return name.starts_with(prefix); });
  }
  return count;
}

// In doubt a session is kept.
bool is_session_busy(const IscsiDisk& disk, const std::string& root) {
  const std::string prefix = disk.portals.front() + "-" + disk.iqn;
  const auto mounted = volumes_of(plugin_dir(root, iscsi_plugin), prefix);
  const auto mapped = volumes_of(plugin_dir(root, iscsi_plugin) + "/volumeDevices", prefix);
  return !mounted.ok() || !mapped.ok() || *mounted + *mapped > 1;
}

Status run_iscsiadm(const std::vector<std::string>& argv, const std::string& what, Programs& programs) {
  const auto done = programs.run({.argv = argv});
  if (!done.ok()) return done.error().wrap(what);
  if (done->ok() || done->exit_code == kSessionNotFound || done->exit_code == kNothingFound) return {};
  return Error(ErrorKind::unavailable, what + ": " + ending_of(*done));
}

Status log_out(const Known& known, Programs& programs) {
  const IscsiDisk& disk = known.disk;
  std::set<std::string> done;
  for (const auto& portal : disk.portals) {
    if (!done.insert(portal).second) continue;
    const std::vector<std::string> node{"iscsiadm", "-m", "node", "-p", portal, "-T", disk.iqn};
    for (const auto& step : std::vector<std::vector<std::string>>{{"--logout"}, {"-o", "delete"}}) {
      std::vector<std::string> argv = node;
      argv.insert(argv.end(), step.begin(), step.end());
      argv.insert(argv.end(), {"-I", disk.interface});
      const char* what =
          step.front() == "-o" ? "iscsi: failed to delete node record " : "iscsi: failed to detach disk ";
      KEELSON_TRY(run_iscsiadm(argv, what + portal, programs));
    }
  }
  // Only an interface that was made for the volume goes.
  if (!known.by_json || disk.initiator_name.empty() || disk.interface != disk.portals.front() + ":" + disk.name) {
    return {};
  }
  return run_iscsiadm({"iscsiadm", "-m", "iface", "-I", disk.interface, "-o", "delete"},
                      "iscsi: failed to delete iface " + disk.interface, programs);
}

Status check_not_mounted(const std::set<std::string>& devices, const IscsiHost& host) {
  auto table = host.mounts.entries();
  if (!table.ok()) return std::move(table).error();
  for (const auto& device : devices) {
    const auto number = host.devices.number_of(device);
    for (const auto& entry : *table) {
      if (!number || entry.device != *number) continue;
      return Error(ErrorKind::unavailable, "the device " + device + " is still mounted at " + entry.path, EBUSY);
    }
  }
  return {};
}

// Flushes multipath devices and takes the disks out. What fails at that a logout may still put right; but a disk that
// somebody has mounted is not taken from under him.
Status take_out_disks(const IscsiDisk& disk, const IscsiHost& host) {
  std::set<std::string> disks, multipaths;
  for (const auto& name : host.devices.iscsi_disks(disk.iqn, disk.lun).value_or({})) {
    const std::string device = host.devices.dev() + "/" + name;
    disks.insert(device);
    if (const auto multipath = host.devices.multipath_of(device)) multipaths.insert(*multipath);
  }
  KEELSON_TRY(check_not_mounted(disks, host));
  KEELSON_TRY(check_not_mounted(multipaths, host));
  for (const auto& multipath : multipaths) (void)host.programs.run({.argv = {"multipath", "-f", multipath}});
  for (const auto& device : disks) (void)host.devices.remove(device);
  return {};
}

Status unmount_all(const std::string& path, Mounts& mounts) {
  for (int i = 0; i < kTries; ++i) {
    const auto mounted = is_mount_point(path, mounts);
    if (!mounted.ok()) return mounted.error();
    if (!*mounted) return {};
    KEELSON_TRY(mounts.unmount(path));
  }
  return Error(ErrorKind::unavailable, "Failed to unmount path " + path, EBUSY);
}

// Our own file, then the directory if nothing else is in it.
Status remove_global_dir(const std::string& path) {
  const std::string json = path + "/iscsi.json";
  if (::unlink(json.c_str()) != 0 && errno != ENOENT) return errno_error("unlink " + json, errno);
  return remove_empty_directory(path);
}

Status detach(const std::string& global_dir, const IscsiHost& host) {
  const auto known = known_of(global_dir);
  if (!known.ok()) return known.error();
  KEELSON_TRY(take_out_disks(known->disk, host));
  if (!is_session_busy(known->disk, host.root)) KEELSON_TRY(log_out(*known, host.programs));
  return remove_global_dir(global_dir);
}

}  // namespace

Status detach_iscsi(const std::string& global_dir, const IscsiHost& host) {
  const auto mounted = is_mount_point(global_dir, host.mounts);
  if (!mounted.ok()) return mounted.error();
  if (!*mounted && !base::path_exists(global_dir)) return {};
  KEELSON_TRY(unmount_all(global_dir, host.mounts));
  return detach(global_dir, host);
}

Status detach_iscsi_block(const std::string& global_dir, const IscsiHost& host) {
  if (!base::path_exists(global_dir)) return {};
  auto pods = host.mounts.at_or_below(global_dir);
  if (!pods.ok()) return std::move(pods).error();
  if (!pods->empty()) {
    return Error(ErrorKind::unavailable, "the device " + global_dir + " is still mapped: " + pods->front().path, EBUSY);
  }
  return detach(global_dir, host);
}

}  // namespace keelson::volume
