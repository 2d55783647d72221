#include "volume/mounts.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "base/file.hpp"

namespace keelson::volume {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

template <class Visit>
void for_each_mount(std::string_view mountinfo, Visit visit) {
  std::istringstream lines{std::string(mountinfo)};
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string id, parent, device, root, path, options, word, type;
    fields >> id >> parent >> device >> root >> path >> options;
    bool shared = false;
    while (fields >> word && word != "-") shared = shared || word.starts_with("shared:");
    if (word == "-" && fields >> type) visit(MountPoint{unescape(path), type}, shared);
  }
}

// In a user namespace the kernel refuses `noswap`, and so does one that is older than 6.4: both answer EINVAL or EPERM.
bool option_refused(int error) { return error == EINVAL || error == EPERM; }

}  // namespace

bool is_at_or_below(const std::string& path, const std::string& top) {
  return path == top || (path.starts_with(top) && (top.ends_with('/') || path[top.size()] == '/'));
}

std::vector<MountPoint> parse_mountinfo(std::string_view text) {
  std::vector<MountPoint> mounts;
  for_each_mount(text, [&](MountPoint mount, bool) { mounts.push_back(std::move(mount)); });
  return mounts;
}

// The last of the longest ones is the one that is seen.
bool is_on_shared_mount(std::string_view mountinfo, const std::string& path) {
  bool result = false;
  std::size_t longest = 0;
  for_each_mount(mountinfo, [&](const MountPoint& mount, bool shared) {
    if (!is_at_or_below(path, mount.path) || mount.path.size() < longest) return;
    longest = mount.path.size();
    result = shared;
  });
  return result;
}

Status make_shared(const std::string& path) {
  std::string real = path;
  if (char* resolved = realpath(path.c_str(), nullptr)) {
    real = resolved;
    free(resolved);
  }
  auto text = base::read_file("/proc/self/mountinfo");
  if (!text.ok()) return std::move(text).error();
  if (is_on_shared_mount(*text, real)) return {};
  if (mount(real.c_str(), real.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return errno_error("bind mount " + real, errno);
  if (mount(nullptr, real.c_str(), nullptr, MS_REC | MS_SHARED, nullptr) == 0) return {};
  return errno_error("making the mount " + real + " shared", errno);
}

Result<std::vector<MountPoint>> LinuxMounts::at_or_below(const std::string& path) {
  auto text = base::read_file("/proc/self/mountinfo");
  if (!text.ok()) return std::move(text).error();
  // The kernel writes real paths; ours may lead through a link (a root directory moved to another disk).
  std::string top = path;
  if (char* real = realpath(path.c_str(), nullptr)) {
    top = real;
    free(real);
  } else if (errno == ENOENT) {
    return std::vector<MountPoint>();
  }
  std::vector<MountPoint> found;
  for (auto& mount : parse_mountinfo(*text)) {
    if (!is_at_or_below(mount.path, top)) continue;
    mount.path = path + mount.path.substr(top.size());
    found.push_back(std::move(mount));
  }
  return found;
}

Status LinuxMounts::mount_tmpfs(const std::string& path, std::int64_t size) {
  const std::string options = "size=" + std::to_string(size);
  if (mount("tmpfs", path.c_str(), "tmpfs", 0, (options + ",noswap").c_str()) == 0) return {};
  if (option_refused(errno) && mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) == 0) return {};
  return errno_error("mount tmpfs (" + options + ") on " + path, errno);
}

Status LinuxMounts::bind(const std::string& source, const std::string& target) {
  if (mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return errno_error("bind mount " + source + " on " + target, errno);
}

Status LinuxMounts::unmount(const std::string& path) {
  if (umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) return {};
  return errno_error("unmount " + path, errno);
}

}  // namespace keelson::volume
