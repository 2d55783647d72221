// The mount table as the kernel writes it (/proc/self/mountinfo), and what can be read from it alone.
//
// Pure functions, any thread. Nothing here looks at the file systems themselves: a mount of a server that is gone makes
// stat() hang, its line in the table does not. Source: proc_pid_mountinfo(5); contract 04 §6 (unmount), §16 (restart).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::volume {

struct MountPoint {
  std::string path;
  std::string type;  // tmpfs, ext4 ...
  bool operator==(const MountPoint&) const = default;
};

// One line. Of a bind mount, `device` and `root` say what it shows.
struct MountEntry {
  int id = 0;
  std::string device;         // "8:1", the file system's
  std::string root;           // the directory (or file) in the file system that is shown
  std::string path;           // where
  std::string options;        // "rw,relatime", of this mount
  std::string type;           // tmpfs, ext4 ...
  std::string source;         // "/dev/sdb", "server:/export", "tmpfs" ...
  std::string super_options;  // "rw,pagesize=2M", of the file system
  bool shared = false;        // mounts below it are propagated
  bool operator==(const MountEntry&) const = default;
};

// In the order they were mounted; lines that are not understood are left out.
std::vector<MountEntry> parse_mount_table(std::string_view mountinfo);
std::vector<MountPoint> parse_mountinfo(std::string_view mountinfo);

bool is_at_or_below(const std::string& path, const std::string& top);
// Whether something is mounted at exactly this path, also when the directory under it is gone meanwhile.
bool is_mounted_at(const std::vector<MountEntry>& table, const std::string& path);
// The mount that a path lies on; none in an empty table.
const MountEntry* mount_of(const std::vector<MountEntry>& table, const std::string& path);
// Where else the same directory or file is mounted: other mounts of the device, of the directory that was bound ...
std::vector<std::string> mount_references(const std::vector<MountEntry>& table, const std::string& path);

// Whether what is mounted at `path` or below later is seen by those who have a copy of the mounts.
bool is_on_shared_mount(std::string_view mountinfo, const std::string& path);

// File systems of a server, which may be away.
bool is_network_type(std::string_view type);
// The value of "NAME=value" in "rw,NAME=value,..."; empty when it is not there. One with commas stands in quotes, and
// comes without them.
std::string option_value(std::string_view options, std::string_view name);

}  // namespace keelson::volume
