#include "agent/plugins/plugin_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

constexpr std::uint32_t kMask =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr int kReadsAtOnce = 16;  // so that a flood of events cannot keep the loop
constexpr int kMaxDepth = 16;

bool is_below(const std::string& path, const std::string& top) {
  return path.size() > top.size() && path.starts_with(top) && path[top.size()] == '/';
}

}  // namespace

PluginWatch::PluginWatch(base::Loop& loop, std::string directory) : directory_(std::move(directory)) {
  while (directory_.size() > 1 && directory_.back() == '/') directory_.pop_back();
  base::UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) {
    error_ = errno_error("inotify_init1", errno);
    return;
  }
  descriptor_.emplace(loop.context(), fd.release());
}

std::map<std::string, std::uint64_t> PluginWatch::sockets() const {
  std::map<std::string, std::uint64_t> out;
  for (const auto& [path, socket] : sockets_) out.emplace(path, socket.number);
  return out;
}

void PluginWatch::scan() {
  if (available()) error_.reset();
  armed_ = available();
  const std::map<std::string, Socket> before = std::exchange(sockets_, {});
  scan_tree(directory_, 0);
  // A socket that is the one of before keeps its number.
  for (auto& [path, socket] : sockets_) {
    const auto known = before.find(path);
    if (known == before.end()) continue;
    const bool same = known->second.device == socket.device && known->second.inode == socket.inode;
    if (same) socket.number = known->second.number;
  }
}

// The watch comes before the look, so that what appears in between is told by an event.
void PluginWatch::scan_tree(const std::string& directory, int depth) {
  if (depth > kMaxDepth) return;
  if (available()) {
    const int wd = ::inotify_add_watch(descriptor_->native_handle(), directory.c_str(), kMask);
    if (wd >= 0) {
      directories_[wd] = directory;
    } else {
      if (directory == directory_) armed_ = false;
      if (errno != ENOENT) error_ = errno_error("inotify_add_watch " + directory, errno);
    }
  }
  const auto names = base::list_directory(directory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!name.starts_with('.')) note(directory + "/" + name, depth);
  }
}

void PluginWatch::note(const std::string& path, int depth) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return;
  if (S_ISDIR(info.st_mode)) return scan_tree(path, depth + 1);
  if (!S_ISSOCK(info.st_mode)) return;
  Socket& socket = sockets_[path];
  // Told twice: by a look at its directory and by the event of its making.
  if (socket.number != 0 && socket.device == info.st_dev && socket.inode == info.st_ino) return;
  socket = {++last_number_, info.st_dev, info.st_ino};
}

void PluginWatch::forget_below(const std::string& path) {
  std::erase_if(sockets_, [&](const auto& entry) { return entry.first == path || is_below(entry.first, path); });
  for (auto entry = directories_.begin(); entry != directories_.end();) {
    if (entry->second == path || is_below(entry->second, path)) {
      ::inotify_rm_watch(descriptor_->native_handle(), entry->first);
      entry = directories_.erase(entry);
    } else {
      ++entry;
    }
  }
}

void PluginWatch::handle(std::uint32_t mask, const std::string& directory, const std::string& name) {
  if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0 && directory == directory_) {
    forget_below(directory_);
    armed_ = false;
    return;
  }
  if (name.empty() || name.starts_with('.')) return;
  const std::string path = directory + "/" + name;
  if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) forget_below(path);
  if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0) note(path, 0);
}

void PluginWatch::drain() {
  if (!available()) return;
  bool lost = false;
  alignas(inotify_event) char buffer[1 << 14];
  for (int reads = 0; reads < kReadsAtOnce; ++reads) {
    const ssize_t got = ::read(descriptor_->native_handle(), buffer, sizeof buffer);
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const std::string name = event.len > 0 ? std::string(buffer + at + sizeof event) : std::string();
      at += static_cast<ssize_t>(sizeof event + event.len);
      lost = lost || (event.mask & IN_Q_OVERFLOW) != 0;
      const auto directory = directories_.find(event.wd);
      if (directory == directories_.end()) continue;
      if ((event.mask & IN_IGNORED) != 0) {
        directories_.erase(directory);
        continue;
      }
      handle(event.mask, std::string(directory->second), name);
    }
  }
  if (lost) scan();
}

base::Task<void> PluginWatch::readable() {
  co_await descriptor_->async_wait(boost::asio::posix::descriptor_base::wait_read, boost::asio::use_awaitable);
}

}  // namespace keelson::agent
