#include "volume/mounts.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/file.hpp"

namespace keelson::volume {
namespace {

using namespace std::string_literals;

constexpr auto kProbeLimit = std::chrono::seconds(10);

// In a user namespace the kernel refuses `noswap`, and so does one that is older than 6.4: both answer EINVAL or EPERM.
bool option_refused(int error) { return error == EINVAL || error == EPERM; }

Result<std::vector<MountEntry>> read_table() {
  auto text = base::read_file("/proc/self/mountinfo", 64u << 20);
  if (!text.ok()) return std::move(text).error();
  return parse_mount_table(*text);
}

Result<std::string> resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return errno_error("resolving " + path, errno);
  std::string text = real;
  ::free(real);
  return text;
}

// Only the directories above are looked at, and the last element only when nothing is mounted on it.
Result<std::string> resolved(const std::string& path, const std::vector<MountEntry>& table) {
  const auto last = path.find_last_not_of('/');
  if (last == std::string::npos) return std::string("/");
  const auto slash = path.find_last_of('/', last);
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1, last - slash);
  if (name == "." || name == "..") return resolved(path);
  auto parent = resolved(slash == std::string::npos ? "." : path.substr(0, slash + 1));
  if (!parent.ok()) return parent;
  const std::string real = (*parent == "/" ? "" : *parent) + "/" + name;
  if (is_mounted_at(table, real)) return real;
  std::array<char, 1> target;
  if (::readlink(real.c_str(), target.data(), target.size()) >= 0) return resolved(real);
  if (errno == ENOENT) return errno_error("resolving " + path, errno);
  return real;
}

struct FlagOption {
  std::string_view option;
  unsigned long flag;
};
constexpr std::array kFlagOptions{FlagOption{"ro", MS_RDONLY},         FlagOption{"nosuid", MS_NOSUID},
                                  FlagOption{"nodev", MS_NODEV},       FlagOption{"noexec", MS_NOEXEC},
                                  FlagOption{"noatime", MS_NOATIME},   FlagOption{"nodiratime", MS_NODIRATIME},
                                  FlagOption{"relatime", MS_RELATIME}, FlagOption{"strictatime", MS_STRICTATIME}};
constexpr std::array kUnsetOptions{FlagOption{"rw", MS_RDONLY}, FlagOption{"suid", MS_NOSUID},
                                   FlagOption{"dev", MS_NODEV}, FlagOption{"exec", MS_NOEXEC},
                                   FlagOption{"atime", MS_NOATIME}};
struct StatfsFlag {
  unsigned long statfs;
  unsigned long mount;
};
constexpr std::array kStatfsFlags{StatfsFlag{ST_RDONLY, MS_RDONLY},    StatfsFlag{ST_NOSUID, MS_NOSUID},
                                  StatfsFlag{ST_NODEV, MS_NODEV},      StatfsFlag{ST_NOEXEC, MS_NOEXEC},
                                  StatfsFlag{ST_NOATIME, MS_NOATIME},  StatfsFlag{ST_NODIRATIME, MS_NODIRATIME},
                                  StatfsFlag{ST_RELATIME, MS_RELATIME}};

std::string joined(const std::vector<std::string>& options) {
  std::string text;
  for (const auto& option : options) text += (text.empty() ? "" : ",") + option;
  return text;
}

// As for the kubelet: what may bring a process of its own runs in a scope of its own, so that it outlives us.
bool wants_scope(const std::string& type) {
  return type != "tmpfs" && type != "hugetlbfs" && type != "nfs" && type != "nfs4";
}

bool has_option(const std::vector<std::string>& options, std::string_view option) {
  return std::find(options.begin(), options.end(), option) != options.end();
}

}  // namespace

unsigned long bind_flags(const std::vector<std::string>& options, unsigned long source_flags) {
  unsigned long flags = 0;
  for (const auto& option : options) {
    for (const auto& row : kFlagOptions) {
      if (row.option == option) flags |= row.flag;
    }
    for (const auto& row : kUnsetOptions) {
      if (row.option == option) flags &= ~row.flag;
    }
  }
  for (const auto& row : kStatfsFlags) {
    if ((source_flags & row.statfs) != 0) flags |= row.mount;
  }
  return flags;
}

Status make_shared(const std::string& path) {
  const std::string real = resolved(path).value_or(path);
  auto text = base::read_file("/proc/self/mountinfo", 64u << 20);
  if (!text.ok()) return std::move(text).error();
  if (is_on_shared_mount(*text, real)) return {};
  if (::mount(real.c_str(), real.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return errno_error("bind mount " + real, errno);
  if (::mount(nullptr, real.c_str(), nullptr, MS_REC | MS_SHARED, nullptr) == 0) return {};
  return errno_error("making the mount " + real + " shared", errno);
}

Result<bool> is_mount_point(const std::string& path, Mounts& mounts) {
  auto found = mounts.at_or_below(path);
  if (!found.ok()) return std::move(found).error();
  return std::any_of(found->begin(), found->end(), [&](const MountPoint& mount) {
    return mount.path == path || mount.path == path + "//deleted";  // the directory under it is gone
  });
}

Result<std::vector<std::string>> references_below(const std::string& path, const std::string& top, Mounts& mounts) {
  auto table = mounts.entries();
  if (!table.ok()) return std::move(table).error();
  std::vector<std::string> found;
  const auto real = mounts.real_path(path);
  if (!real.ok() && real.error().kind() == ErrorKind::not_found) return found;
  if (!real.ok()) return real.error();
  const std::string real_top = mounts.real_path(top).value_or(top);
  for (auto& reference : mount_references(*table, *real)) {
    // Spelled as the caller spells the top.
    if (is_at_or_below(reference, real_top)) found.push_back(top + reference.substr(real_top.size()));
  }
  return found;
}

LinuxMounts::LinuxMounts()
    : LinuxMounts([]() -> Programs& {
        static HostPrograms programs;  // holds nothing
        return programs;
      }()) {}

Result<std::vector<MountPoint>> LinuxMounts::at_or_below(const std::string& path) {
  auto table = read_table();
  if (!table.ok()) return std::move(table).error();
  // The kernel writes real paths; ours may lead through a link (a root directory moved to another disk).
  const auto real = resolved(path, *table);
  if (!real.ok() && real.error().kind() == ErrorKind::not_found) return std::vector<MountPoint>();
  const std::string top = real.value_or(path);
  std::vector<MountPoint> found;
  for (auto& entry : *table) {
    if (is_at_or_below(entry.path, top)) found.push_back({path + entry.path.substr(top.size()), entry.type});
  }
  return found;
}

Result<std::optional<std::string>> LinuxMounts::type_at(const std::string& path) {
  struct statx info {};
  constexpr int kOnlyHere = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (::statx(AT_FDCWD, path.c_str(), kOnlyHere, STATX_TYPE, &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return errno_error("statx " + path, errno);
  }
  const bool told = (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0;
  if (told && (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) return std::optional<std::string>();
  struct statfs system {};
  if (told && ::statfs(path.c_str(), &system) == 0 && system.f_type == TMPFS_MAGIC) return std::optional("tmpfs"s);
  // An older kernel, or a type whose name only the table has; the last mount is the one that is seen.
  auto found = at_or_below(path);
  if (!found.ok()) return std::move(found).error();
  std::optional<std::string> type;
  for (auto& mount : *found) {
    if (mount.path == path) type = std::move(mount.type);
  }
  return type;
}

Result<std::vector<MountEntry>> LinuxMounts::entries() { return read_table(); }

Result<std::string> LinuxMounts::real_path(const std::string& path) {
  auto table = read_table();
  if (!table.ok()) return std::move(table).error();
  return resolved(path, *table);
}

Status LinuxMounts::mount_tmpfs(const std::string& path, std::int64_t size) {
  const std::string options = "size=" + std::to_string(size);
  if (::mount("tmpfs", path.c_str(), "tmpfs", 0, (options + ",noswap").c_str()) == 0) return {};
  if (option_refused(errno) && ::mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) == 0) return {};
  return errno_error("mount tmpfs (" + options + ") on " + path, errno);
}

Status LinuxMounts::bind(const std::string& source, const std::string& target) {
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return errno_error("bind mount " + source + " on " + target, errno);
}

Status LinuxMounts::bind_with(const std::string& source, const std::string& target,
                              const std::vector<std::string>& options) {
  if (has_option(options, "_netdev")) {
    // Only mount(8) writes down what the system is told by it at shutdown: that this needs the network.
    const std::string what = "bind mount " + source + " on " + target;
    auto done = run_checked(programs_, {.argv = {"mount", "-o", "bind,_netdev", source, target}}, what);
    if (!done.ok()) return std::move(done).error();
  } else {
    KEELSON_TRY(bind(source, target));
  }
  struct statfs info {};
  int failed = ::statfs(source.c_str(), &info) == 0 ? 0 : errno;
  if (failed == 0) {
    const unsigned long flags = bind_flags(options, static_cast<unsigned long>(info.f_flags));
    if (::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | flags, nullptr) == 0) return {};
    failed = errno;
  }
  // With other options than asked for (writable, say) it must not be there.
  (void)unmount(target);
  return errno_error("setting the options (" + joined(options) + ") of the bind mount " + target, failed);
}

bool LinuxMounts::has_systemd() {
  if (systemd_ == Answer::unknown) {
    const auto probe = programs_.run(
        {.argv = {"systemd-run", "--description=Kubernetes systemd probe", "--scope", "true"}, .limit = kProbeLimit});
    systemd_ = probe.ok() && probe->ok() ? Answer::yes : Answer::no;
  }
  return systemd_ == Answer::yes;
}

Status LinuxMounts::mount(const FileSystemMount& wanted) {
  ProgramRequest request{.limit = wanted.limit};
  if (wants_scope(wanted.type) && has_systemd()) {
    request.argv = {"systemd-run", "--description=Kubernetes transient mount for " + wanted.target, "--scope", "--"};
  }
  request.argv.emplace_back("mount");
  std::string what = "mount failed: mount";
  const auto add = [&](const std::string& word) {
    request.argv.push_back(word);
    what += " " + word;
  };
  if (!wanted.type.empty()) {
    add("-t");
    add(wanted.type);
  }
  if (!wanted.options.empty()) {
    add("-o");
    add(joined(wanted.options));
  }
  add(wanted.source);
  add(wanted.target);
  auto done = run_checked(programs_, request, what);
  if (!done.ok()) return std::move(done).error();
  return {};
}

Status LinuxMounts::unmount(const std::string& path) {
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) return {};
  return errno_error("unmount " + path, errno);
}

Status LinuxMounts::unmount_by_force(const std::string& path, std::chrono::milliseconds patience) {
  auto done = programs_.run({.argv = {"umount", path}, .limit = patience});
  if (!done.ok() && done.error().kind() == ErrorKind::deadline_exceeded) {
    done = programs_.run({.argv = {"umount", "-f", path}, .limit = patience});
  }
  if (!done.ok()) return std::move(done).error().wrap("unmount " + path);
  if (done->ok() || done->err.find("not mounted") != std::string::npos) return {};
  return Error(ErrorKind::unavailable, "unmount " + path + ": " + ending_of(*done));
}

}  // namespace keelson::volume
