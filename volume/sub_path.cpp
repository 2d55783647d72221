#include "volume/sub_path.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/file.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr int kTries = 32;  // a walk that somebody disturbs is begun again

std::vector<std::string> elements_of(const std::string& path) {
  std::vector<std::string> elements;
  for (std::size_t at = 0; at < path.size();) {
    const auto slash = std::min(path.find('/', at), path.size());
    std::string element = path.substr(at, slash - at);
    if (!element.empty() && element != ".") elements.push_back(std::move(element));
    at = slash + 1;
  }
  return elements;
}

// errno tells why not: EXDEV when the path leads out of the volume.
base::UniqueFd open_inside(int root, const std::string& path, std::uint64_t flags, std::uint64_t more_rules = 0) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | more_rules;
  for (int i = 0; i < kTries; ++i) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) return base::UniqueFd(static_cast<int>(fd));
  }
  return {};
}

// A link may lead by an absolute path to where it stays inside: followed by the host's names, what it leads to is
// walked once more without any link, so that nobody can change it meanwhile (contract 04 §14).
base::UniqueFd open_resolved(int root, const SubPath& wanted) {
  std::error_code error;
  const std::filesystem::path top = std::filesystem::canonical(wanted.volume_path, error);
  std::filesystem::path real;
  if (!error) real = std::filesystem::canonical(top / wanted.path, error);
  if (error) {
    errno = error.value();
    return {};
  }
  const std::filesystem::path inside = real.lexically_relative(top);
  if (inside.empty() || *inside.begin() == "..") {
    errno = EXDEV;
    return {};
  }
  return open_inside(root, inside.string(), O_PATH, RESOLVE_NO_SYMLINKS);
}

Error failed(const std::string& what, const SubPath& wanted) {
  return errno_error(what + " " + wanted.path + " in volume " + wanted.volume_path, errno);
}

// One level below `parent`: made, or there already.
Status make_level(int parent, const std::string& name, mode_t mode, const SubPath& wanted) {
  if (::mkdirat(parent, name.c_str(), mode & 0777) != 0) {
    return errno == EEXIST ? Status() : Status(failed("making " + name + " of", wanted));
  }
  const base::UniqueFd made(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made || ::fchmod(made.get(), mode) != 0) return failed("setting the mode of " + name + " of", wanted);
  return {};
}

Status make_missing(int root, const SubPath& wanted) {
  struct stat info {};
  if (::fstat(root, &info) != 0) return failed("looking for", wanted);
  const mode_t mode = info.st_mode & (S_ISGID | 0777);
  std::string prefix = ".";
  for (const auto& element : elements_of(wanted.path)) {
    const base::UniqueFd parent = open_inside(root, prefix, O_PATH | O_DIRECTORY);
    if (!parent) return failed("opening " + prefix + " of", wanted);
    prefix += "/" + element;
    if (open_inside(root, prefix, O_PATH)) continue;
    if (errno != ENOENT) return failed("opening " + prefix + " of", wanted);
    KEELSON_TRY(make_level(parent.get(), element, mode, wanted));
  }
  return {};
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

Status make_target(const std::string& target, bool directory) {
  KEELSON_TRY(base::make_directories(target.substr(0, target.find_last_of('/')), 0750));
  if (directory) return base::make_directories(target, 0750);
  return base::write_file(target, "", 0640);
}

// A file or an empty directory, then those above it that are empty, up to volume-subpaths.
void remove_target(std::string path) {
  ::unlink(path.c_str());
  for (int level = 0; level < 4 && (::rmdir(path.c_str()) == 0 || errno == ENOENT); ++level) {
    path = path.substr(0, path.find_last_of('/'));
  }
}

Status bind_to_target(int source, const SubPath& wanted, Mounts& mounts) {
  struct stat info {};
  if (::fstat(source, &info) != 0) return failed("looking at", wanted);
  for (int i = 0; i < kTries; ++i) {
    const auto mounted = is_mount_point(wanted.target, mounts);
    if (!mounted.ok()) return mounted.error();
    if (!*mounted) break;
    struct stat bound {};
    if (::stat(wanted.target.c_str(), &bound) == 0 && same_file(info, bound)) return {};
    KEELSON_TRY(mounts.unmount(wanted.target));
  }
  remove_target(wanted.target);
  Status made = make_target(wanted.target, S_ISDIR(info.st_mode));
  // Through /proc: the descriptor, not the name, says what is mounted.
  if (made.ok()) made = mounts.bind("/proc/self/fd/" + std::to_string(source), wanted.target);
  if (!made.ok()) remove_target(wanted.target);
  return made;
}

std::optional<SubPathFailure> failure(const std::string& what, const SubPath& wanted, Error reason) {
  return SubPathFailure{
      "failed to " + what + " for volumeMount \"" + wanted.volume + "\" of container \"" + wanted.container + "\"",
      std::move(reason)};
}

Result<std::vector<std::string>> names_in(const std::string& path) {
  if (!base::path_exists(path)) return std::vector<std::string>();
  return base::list_directory(path);
}

Status remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error("rmdir " + path, errno);
}

Status clear_one(const std::string& path, Mounts& mounts) {
  for (int i = 0; i < kTries; ++i) {
    const auto mounted = is_mount_point(path, mounts);
    if (!mounted.ok()) return mounted.error();
    if (!*mounted) break;
    KEELSON_TRY(mounts.unmount(path));
  }
  // What cannot be removed so is no empty place of ours.
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return remove_directory(path);
}

}  // namespace

std::optional<SubPathFailure> prepare_sub_path(const SubPath& wanted, Mounts& mounts) {
  const base::UniqueFd root(::open(wanted.volume_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failure("prepare subPath", wanted, failed("opening", wanted));
  base::UniqueFd source = open_inside(root.get(), wanted.path, O_PATH);
  if (!source && errno == ENOENT) {
    if (Status made = make_missing(root.get(), wanted); !made.ok()) {
      return failure("create subPath directory", wanted, std::move(made).error());
    }
    source = open_inside(root.get(), wanted.path, O_PATH);
  }
  if (!source && errno == EXDEV) source = open_resolved(root.get(), wanted);
  if (!source) return failure("prepare subPath", wanted, failed("opening", wanted));
  if (Status bound = bind_to_target(source.get(), wanted, mounts); !bound.ok()) {
    return failure("prepare subPath", wanted, std::move(bound).error());
  }
  return std::nullopt;
}

Status clear_sub_paths(const std::string& root, const std::string& uid, Mounts& mounts) {
  const std::string top = pod_dir(root, uid) + "/volume-subpaths";
  const auto volumes = names_in(top);
  if (!volumes.ok()) return volumes.error();
  for (const auto& volume : *volumes) {
    const auto containers = names_in(top + "/" + volume);
    if (!containers.ok()) return containers.error();
    for (const auto& container : *containers) {
      const std::string directory = top + "/" + volume + "/" + container;
      const auto targets = names_in(directory);
      if (!targets.ok()) return targets.error();
      for (const auto& target : *targets) KEELSON_TRY(clear_one(directory + "/" + target, mounts));
      KEELSON_TRY(remove_directory(directory));
    }
    KEELSON_TRY(remove_directory(top + "/" + volume));
  }
  return remove_directory(top);
}

}  // namespace keelson::volume
