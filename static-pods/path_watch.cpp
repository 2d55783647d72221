#include "static-pods/path_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "base/file.hpp"

namespace keelson::static_pods {
namespace {

constexpr std::uint32_t kMask = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM |
                                IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// Above a directory only names matter: what is written to its neighbours must not wake us.
constexpr std::uint32_t kNamesMask =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr int kReadsAtOnce = 16;  // so that a flood of events cannot keep the loop

std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// A link and a second name of a file come without anybody writing to them.
bool nobody_writes(const std::string& file) {
  struct stat info {};
  return ::lstat(file.c_str(), &info) == 0 && (!S_ISREG(info.st_mode) || info.st_nlink > 1);
}

PathEvent::Kind kind_of(std::uint32_t mask, const std::string& file) {
  if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) return PathEvent::Kind::complete;
  if (mask & (IN_DELETE | IN_MOVED_FROM)) return PathEvent::Kind::gone;
  if (mask & IN_ATTRIB) return PathEvent::Kind::touched;
  if (mask & IN_CREATE) return nobody_writes(file) ? PathEvent::Kind::complete : PathEvent::Kind::writing;
  return PathEvent::Kind::writing;
}

}  // namespace

PathWatch::PathWatch(base::Loop& loop, std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  base::UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) {
    error_ = errno_error("inotify_init1", errno);
    return;
  }
  descriptor_.emplace(loop.context(), fd.release());
}

void PathWatch::watch(const std::string& directory, const std::string& name, std::uint32_t mask,
                      std::map<int, std::vector<Target>>& wanted) {
  const int wd = ::inotify_add_watch(descriptor_->native_handle(), directory.c_str(), mask);
  if (wd < 0) {
    // No permission or no more watches: the rescan remains. Not there: an ancestor is watched instead.
    if (errno != ENOENT && errno != ENOTDIR) error_ = errno_error("inotify_add_watch " + directory, errno);
    return;
  }
  wanted[wd].push_back({directory, name});
}

void PathWatch::arm() {
  if (!descriptor_) return;
  error_.reset();
  std::map<int, std::vector<Target>> wanted;
  const bool is_directory = base::is_directory(path_);
  if (is_directory) watch(path_, "", kMask, wanted);
  auto [directory, name] = split(path_);
  while (!base::is_directory(directory) && directory != "/" && directory != ".") {
    std::tie(directory, name) = split(directory);
  }
  // The path may be a file, which its folder's watch tells of; further up only names count.
  const bool may_be_file = !is_directory && directory == split(path_).first;
  if (!name.empty()) watch(directory, name, may_be_file ? kMask : kNamesMask, wanted);
  for (const auto& [wd, targets] : targets_) {
    if (wanted.count(wd) == 0) ::inotify_rm_watch(descriptor_->native_handle(), wd);
  }
  targets_ = std::move(wanted);
}

std::vector<PathEvent> PathWatch::drain() {
  std::vector<PathEvent> events;
  if (!descriptor_) return events;
  alignas(inotify_event) char buffer[1 << 14];
  for (int reads = 0; reads < kReadsAtOnce; ++reads) {
    const ssize_t got = ::read(descriptor_->native_handle(), buffer, sizeof buffer);
    if (got <= 0) return events;
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const std::string name = event.len > 0 ? std::string(buffer + at + sizeof event) : std::string();
      at += static_cast<ssize_t>(sizeof event + event.len);
      if (event.mask & IN_Q_OVERFLOW) {
        events.push_back({PathEvent::Kind::lost, ""});
        continue;
      }
      const auto targets = targets_.find(event.wd);
      if (targets == targets_.end()) continue;
      for (const auto& target : targets->second) {
        if (name.empty()) {
          events.push_back({PathEvent::Kind::path, ""});
        } else if (target.name.empty()) {
          const std::string file = target.directory + "/" + name;
          events.push_back({kind_of(event.mask, file), file});
        } else if (target.name == name) {
          const std::string file = target.directory == "/" ? "/" + name : target.directory + "/" + name;
          events.push_back({PathEvent::Kind::path, ""});
          if (file == path_) events.push_back({kind_of(event.mask, file), file});
        }
      }
    }
  }
  return events;
}

base::Task<void> PathWatch::readable() {
  co_await descriptor_->async_wait(boost::asio::posix::descriptor_base::wait_read, boost::asio::use_awaitable);
}

}  // namespace keelson::static_pods
