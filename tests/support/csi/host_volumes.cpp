#include "tests/support/csi/host_volumes.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/file.hpp"

namespace keelson::fakes {
namespace {

bool is_mount_point(const std::string& path) {
  const auto mountinfo = base::read_file("/proc/self/mountinfo");
  if (!mountinfo.ok()) return false;
  std::istringstream lines(*mountinfo);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string id, parent, device, root, where;
    if (fields >> id >> parent >> device >> root >> where && where == path) return true;
  }
  return false;
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Status make_empty_file(const std::string& path) {
  if (base::path_exists(path)) return {};
  return base::write_file(path, "", 0600);
}

}  // namespace

std::string HostVolumes::content(const std::string& volume) const {
  std::string name = volume;
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  return directory_ + "/" + name;
}

Status HostVolumes::stage(const std::string& volume, const std::string& staging, bool block) {
  if (!is_directory(staging)) return Error(ErrorKind::not_found, "staging path " + staging + " is not there");
  KEELSON_TRY(base::make_directories(content(volume), 0755));
  // A block volume's device needs no place of its own.
  if (block || !mounts_) return {};
  return show(content(volume), staging, false);
}

Status HostVolumes::unstage(const std::string&, const std::string& staging) {
  return mounts_ ? hide(staging) : Status();
}

Status HostVolumes::publish(const std::string& volume, const std::string& staging, const std::string& target,
                            bool block, bool read_only) {
  KEELSON_TRY(base::make_directories(content(volume), 0755));
  if (block) {
    const std::string device = content(volume) + "/device";
    KEELSON_TRY(make_empty_file(device));
    if (mounts_) {
      KEELSON_TRY(make_empty_file(target));
      return show(device, target, read_only);
    }
    if (::symlink(device.c_str(), target.c_str()) != 0 && errno != EEXIST)
      return errno_error("symlink " + target, errno);
    return {};
  }
  if (::mkdir(target.c_str(), 0755) != 0 && errno != EEXIST) return errno_error("mkdir " + target, errno);
  if (!mounts_) return {};
  return show(staging.empty() ? content(volume) : staging, target, read_only);
}

Status HostVolumes::unpublish(const std::string&, const std::string& target) {
  if (mounts_) KEELSON_TRY(hide(target));
  if (::unlink(target.c_str()) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return errno_error("unlink " + target, errno);
  if (::rmdir(target.c_str()) != 0) return errno_error("rmdir " + target, errno);
  return {};
}

Status HostVolumes::show(const std::string& source, const std::string& target, bool read_only) {
  if (is_mount_point(target)) return {};
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return errno_error("bind mount " + source + " on " + target, errno);
  if (!read_only) return {};
  if (::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0) return {};
  return errno_error("remount " + target + " read-only", errno);
}

Status HostVolumes::hide(const std::string& target) {
  if (!is_mount_point(target)) return {};
  if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0) return {};
  return errno_error("unmount " + target, errno);
}

}  // namespace keelson::fakes
