#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "base/file.hpp"
#include "volume/local.hpp"

namespace keelson::volume {
namespace {

struct TypeRule {
  std::string_view type;
  mode_t wanted;  // S_IF*
  std::string_view is_not;
};

constexpr std::array<TypeRule, 7> rules{{
    {"DirectoryOrCreate", S_IFDIR, "a directory"},
    {"Directory", S_IFDIR, "a directory"},
    {"FileOrCreate", S_IFREG, "a file"},
    {"File", S_IFREG, "a file"},
    {"Socket", S_IFSOCK, "a socket file"},
    {"CharDevice", S_IFCHR, "a character device"},
    {"BlockDevice", S_IFBLK, "a block device"},
}};

bool climbs(const std::string& path) {
  for (const auto& element : std::filesystem::path(path)) {
    if (element == "..") return true;
  }
  return false;
}

Status create_directory(const std::string& path) {
  return base::make_directories(path, 0755).wrap("making hostPath directory " + path);
}

Status create_file(const std::string& path) {
  const base::UniqueFd fd(open(path.c_str(), O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return errno_error("making hostPath file " + path, errno);
  return {};
}

}  // namespace

Status check_host_path(const std::string& path, const std::string& type) {
  if (path.empty()) return Error(ErrorKind::invalid, "hostPath has no path");
  if (climbs(path)) return Error(ErrorKind::invalid, "hostPath " + path + " must not contain '..'");
  if (type.empty()) return {};
  for (const TypeRule& rule : rules) {
    if (rule.type != type) continue;
    struct stat info {};
    const bool exists = stat(path.c_str(), &info) == 0;
    if (!exists && errno != ENOENT) return errno_error("hostPath type check failed: stat " + path, errno);
    if (!exists && type == "DirectoryOrCreate") return create_directory(path);
    if (!exists && type == "FileOrCreate") return create_file(path);
    if (exists && (info.st_mode & S_IFMT) == rule.wanted) return {};
    return Error(exists ? ErrorKind::invalid : ErrorKind::not_found,
                 "hostPath type check failed: " + path + " is not " + std::string(rule.is_not));
  }
  return Error(ErrorKind::invalid, type + " is an invalid volume type");
}

}  // namespace keelson::volume
