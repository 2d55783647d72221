// A mount table in memory; what is "mounted" is only remembered, but for the mode that the kernel gives a new tmpfs.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
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
  Status bind(const std::string& source, const std::string& target) override {
    if (!bind_fails.ok()) return bind_fails;
    table.push_back({target, "bind"});
    bound[target] = std::filesystem::read_symlink(source).string();
    return {};
  }
  Status unmount(const std::string& path) override {
    std::erase_if(table, [&](const MountPoint& mount) { return mount.path == path; });
    return {};
  }
  std::vector<MountPoint> table;
  std::vector<std::int64_t> sizes;
  std::map<std::string, std::string> bound;  // target -> what is shown there
  Status bind_fails;
  mode_t tmpfs_mode = 0;  // 01777 in the kernel
};

}  // namespace keelson::volume
