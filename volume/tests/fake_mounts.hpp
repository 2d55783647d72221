// A mount table in memory; what is "mounted" is only remembered, but for the mode that the kernel gives a new tmpfs.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "volume/mounts.hpp"

namespace keelson::volume {

class FakeMounts final : public Mounts {
 public:
  Result<std::vector<MountPoint>> at_or_below(const std::string& path) override {
    std::vector<MountPoint> found;
    for (const auto& mount : table) {
      if (is_at_or_below(mount.path, path)) found.push_back(mount);
    }
    return found;
  }
  Status mount_tmpfs(const std::string& path, std::int64_t size) override {
    if (tmpfs_mode != 0) ::chmod(path.c_str(), tmpfs_mode);
    table.push_back({path, "tmpfs"});
    sizes.push_back(size);
    return {};
  }
  Status unmount(const std::string& path) override {
    std::erase_if(table, [&](const MountPoint& mount) { return mount.path == path; });
    return {};
  }
  std::vector<MountPoint> table;
  std::vector<std::int64_t> sizes;
  mode_t tmpfs_mode = 0;  // 01777 in the kernel
};

}  // namespace keelson::volume
