#include "volume/scsi.hpp"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "base/file.hpp"

namespace keelson::volume {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLookAgain(1000);  // also without a word from the kernel
constexpr std::size_t kMaxAttribute = 1u << 16;

std::optional<std::string> attribute(const std::string& path) {
  auto text = base::read_file(path, kMaxAttribute);
  if (!text.ok()) return std::nullopt;
  while (!text->empty() && static_cast<unsigned char>(text->back()) <= ' ') text->pop_back();
  return *text;
}

Status write_attribute(const std::string& path, std::string_view text) {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path, errno);
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return errno_error("write " + path, errno);
  return {};
}

std::optional<int> number_after(std::string_view prefix, std::string_view name) {
  int number = 0;
  if (!name.starts_with(prefix)) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

// Without what is missing; other failures are told.
Result<std::vector<std::string>> list(const std::string& path) {
  auto names = base::list_directory(path);
  if (!names.ok() && names.error().kind() == ErrorKind::not_found) return std::vector<std::string>();
  return names;
}

std::vector<std::string> with_prefix(std::vector<std::string> names, std::string_view prefix) {
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(prefix); });
  return names;
}

std::string deepest_directory(std::string path) {
  while (path.size() > 1 && !base::is_directory(path)) path = path.substr(0, path.find_last_of('/'));
  return path.empty() ? "/" : path;
}

std::optional<std::string> first_match(const std::string& pattern) {
  glob_t found{};
  std::optional<std::string> path;
  struct stat info {};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc && !path; ++i) {
      if (::stat(found.gl_pathv[i], &info) == 0)
        path = found.gl_pathv[i];  // a link that leads nowhere yet does not count
    }
  }
  ::globfree(&found);
  return path;
}

// What `look` finds, asked again whenever something new is in the directory (or in that above it, while it is missing).
template <class Look>
std::optional<std::string> wait_until(const std::string& directory, milliseconds limit, Look look) {
  const auto until = steady_clock::now() + limit;
  while (true) {
    // Watched before it is looked for, so that nothing comes between unseen.
    const base::UniqueFd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    ::inotify_add_watch(changes.get(), deepest_directory(directory).c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    if (auto found = look()) return found;
    const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    pollfd event{changes.get(), POLLIN, 0};
    (void)::poll(&event, 1, static_cast<int>(std::min(left, kLookAgain).count()));
  }
}

}  // namespace

// Sessions that go away meanwhile are passed over.
template <class Visit>
Status ScsiDevices::for_each_session(const std::string& iqn, Visit visit) const {
  const std::string top = sys_ + "/class/iscsi_host";
  const auto hosts = list(top);
  if (!hosts.ok()) return hosts.error();
  for (const auto& host : *hosts) {
    const auto number = number_after("host", host);
    if (!number) continue;
    const std::string device = top + "/" + host + "/device";
    for (const auto& session : with_prefix(list(device).value_or({}), "session")) {
      const std::string path = device + "/" + session;
      if (attribute(path + "/iscsi_session/" + session + "/targetname") == iqn) visit(*number, path);
    }
  }
  return {};
}

Result<std::map<std::string, int>> ScsiDevices::iscsi_hosts(const std::string& iqn) const {
  std::map<std::string, int> hosts;
  const Status visited = for_each_session(iqn, [&](int host, const std::string& session) {
    for (const auto& connection : with_prefix(list(session).value_or({}), "connection")) {
      const std::string path = session + "/" + connection + "/iscsi_connection/" + connection + "/";
      for (const char* kind : {"", "persistent_"}) {
        const auto address = attribute(path + kind + "address");
        const auto port = attribute(path + kind + "port");
        if (!address || !port) continue;
        hosts[*address + ":" + *port] = host;
        // The spec writes an IPv6 address in brackets, the kernel does not.
        if (address->find(':') != std::string::npos) hosts["[" + *address + "]:" + *port] = host;
      }
    }
  });
  if (!visited.ok()) return visited.error();
  return hosts;
}

Result<std::vector<std::string>> ScsiDevices::iscsi_disks(const std::string& iqn, int lun) const {
  std::vector<std::string> disks;
  const Status visited = for_each_session(iqn, [&](int host, const std::string& session) {
    const std::string number = std::to_string(host);
    const std::string path = session + "/target" + number + ":0:0/" + number + ":0:0:" + std::to_string(lun) + "/block";
    const auto names = list(path).value_or({});
    if (!names.empty()) disks.push_back(names.front());
  });
  if (!visited.ok()) return visited.error();
  return disks;
}

Status ScsiDevices::scan(int host, int lun) const {
  return write_attribute(sys_ + "/class/scsi_host/host" + std::to_string(host) + "/scan", "0 0 " + std::to_string(lun));
}

void ScsiDevices::scan_all() const {
  const std::string top = sys_ + "/class/scsi_host";
  for (const auto& host : list(top).value_or({})) (void)write_attribute(top + "/" + host + "/scan", "- - -");
}

std::optional<std::string> ScsiDevices::disk_of(const std::string& link) const {
  std::error_code error;
  const auto real = std::filesystem::canonical(link, error);
  if (error || real.parent_path() != std::filesystem::canonical(dev_, error)) return std::nullopt;
  return dev_ + "/" + real.filename().string();
}

std::optional<std::string> ScsiDevices::multipath_of(const std::string& device) const {
  const auto disk = disk_of(device);
  if (!disk) return std::nullopt;
  const std::string name = disk->substr(dev_.size() + 1);
  for (const auto& mapped : with_prefix(list(sys_ + "/block").value_or({}), "dm-")) {
    if (base::path_exists(sys_ + "/block/" + mapped + "/slaves/" + name)) return dev_ + "/" + mapped;
  }
  return std::nullopt;
}

std::vector<std::string> ScsiDevices::members_of(const std::string& multipath) const {
  const std::string name = multipath.substr(multipath.find_last_of('/') + 1);
  std::vector<std::string> members = list(sys_ + "/block/" + name + "/slaves").value_or({});
  for (auto& member : members) member = dev_ + "/" + member;
  return members;
}

std::vector<std::string> ScsiDevices::names_in(const std::string& directory) const {
  return list(dev_ + "/" + directory).value_or({});
}

Status ScsiDevices::remove(const std::string& disk) const {
  const std::string name = disk.substr(disk.find_last_of('/') + 1);
  Status done = write_attribute(sys_ + "/block/" + name + "/device/delete", "1");
  if (!done.ok() && done.error().kind() == ErrorKind::not_found) return {};
  return done;
}

std::optional<std::string> ScsiDevices::number_of(const std::string& device) const {
  return attribute(sys_ + "/block/" + device.substr(device.find_last_of('/') + 1) + "/dev");
}

std::optional<std::string> ScsiDevices::wait_for(const std::string& pattern, milliseconds limit) const {
  const std::string full = dev_ + "/" + pattern;
  return wait_until(full.substr(0, full.find_last_of('/')), limit, [&] { return first_match(full); });
}

std::optional<std::string> ScsiDevices::wait_for_multipath(const std::vector<std::string>& paths,
                                                           milliseconds limit) const {
  return wait_until(dev_, limit, [&]() -> std::optional<std::string> {
    for (const auto& path : paths) {
      if (auto multipath = multipath_of(path)) return multipath;
    }
    return std::nullopt;
  });
}

}  // namespace keelson::volume
