// A mount table in memory; what is "mounted" is only remembered, but for the mode that the kernel gives a new tmpfs.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
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
  Result<std::optional<std::string>> type_at(const std::string& path) override {
    std::optional<std::string> type;
    for (const auto& mount : table) {
      if (mount.path == path) type = mount.type;
    }
    return type;
  }
  // Each mount is a file system of its own, or shows a part of another (bind). "/" is the host's.
  Result<std::vector<MountEntry>> entries() override {
    std::vector<MountEntry> all{{.id = 1, .device = "8:1", .root = "/", .path = "/", .type = "ext4"}};
    for (std::size_t i = 0; i < table.size(); ++i) {
      MountEntry entry;
      if (const auto known = details.find(table[i].path); known != details.end()) entry = known->second;
      entry.id = static_cast<int>(i) + 2;
      if (entry.device.empty()) entry.device = "0:" + std::to_string(100 + i);
      if (entry.root.empty()) entry.root = "/";
      entry.path = table[i].path;
      entry.type = table[i].type;
      all.push_back(std::move(entry));
    }
    return all;
  }
  Result<std::string> real_path(const std::string& path) override {
    if (is_mounted_at(*entries(), path)) return path;
    std::error_code error;
    auto real = std::filesystem::canonical(path, error);
    if (error) return errno_error("resolving " + path, error.value());
    return real.string();
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
    std::error_code no_link;
    auto shown = std::filesystem::read_symlink(source, no_link);
    bound[target] = no_link ? source : shown.string();
    return {};
  }
  Status bind_with(const std::string& source, const std::string& target,
                   const std::vector<std::string>& options) override {
    if (!bind_fails.ok()) return bind_fails;
    const auto all = *entries();
    const MountEntry& from = *mount_of(all, source);
    const std::string below = source.substr(from.path == "/" ? 0 : from.path.size());
    details[target] = {.device = from.device,
                       .root = below.empty() ? from.root : (from.root == "/" ? "" : from.root) + below,
                       .source = from.source};
    table.push_back({target, from.type});
    bound[target] = source;
    bind_options[target] = options;
    return {};
  }
  Status mount(const FileSystemMount& wanted) override {
    mounted.push_back(wanted);
    if (!mount_fails.ok()) return mount_fails;
    details[wanted.target] = {.device = "7:" + std::to_string(mounted.size()), .source = wanted.source};
    for (const auto& option : wanted.options) {
      if (option == "pagesize=2Mi") details[wanted.target].super_options = "rw,pagesize=2M";  // as the kernel writes it
      if (option == "pagesize=1Gi") details[wanted.target].super_options = "rw,pagesize=1024M";
    }
    table.push_back({wanted.target, wanted.type});
    return {};
  }
  Status unmount(const std::string& path) override {
    unmounted.push_back(path);
    if (!unmount_fails.ok()) return unmount_fails;
    std::erase_if(table, [&](const MountPoint& mount) { return mount.path == path; });
    details.erase(path);
    return {};
  }
  Status unmount_by_force(const std::string& path, std::chrono::milliseconds) override {
    forced.push_back(path);
    return unmount(path);
  }

  std::vector<MountPoint> table;
  std::map<std::string, MountEntry> details;  // by path: what a mount of the table shows
  std::vector<std::int64_t> sizes;
  std::map<std::string, std::string> bound;  // target -> what is shown there
  std::map<std::string, std::vector<std::string>> bind_options;
  std::vector<FileSystemMount> mounted;
  std::vector<std::string> unmounted;
  std::vector<std::string> forced;
  Status bind_fails;
  Status mount_fails;
  Status unmount_fails;
  mode_t tmpfs_mode = 0;  // 01777 in the kernel
};

}  // namespace keelson::volume
