#include "agent/logs/log_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "base/file.hpp"

namespace keelson::logs {
namespace {

constexpr std::uint32_t kMask =
    IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
constexpr int kReadsAtOnce = 16;  // so that a flood of events cannot keep the loop

// What rotation makes of a log while it compresses it is none of a follower's business.
bool is_compressed(std::string_view name) { return name.ends_with(".gz") || name.ends_with(".tmp"); }

}  // namespace

LogWatch::Ear::~Ear() { watch_.leave(*this); }

void LogWatch::Ear::hear(std::uint32_t mask, std::string_view name) {
  const bool own = name == name_;
  const bool rotated = !own && name.size() > name_.size() && name.starts_with(name_) && name[name_.size()] == '.';
  if (!own && (!rotated || is_compressed(name))) return;
  if ((mask & IN_CLOSE_WRITE) != 0) (own ? closed_ : rotated_closed_) = true;
  bell_.notify();
}

LogWatch::LogWatch(base::Loop& loop, base::Logger log) : log_(std::move(log)), gate_(loop) {
  base::UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd) {
    inotify_.emplace(loop.context(), fd.release());
  } else {
    log_.warning("Logs are followed by looking at them each second", {{"err", errno_error("inotify_init1", errno)}});
  }
}

base::Task<void> LogWatch::stop() { return gate_.stop(); }

std::unique_ptr<LogWatch::Ear> LogWatch::listen(const std::string& file, base::Notification& bell) {
  const auto slash = file.find_last_of('/');
  std::unique_ptr<Ear> ear(new Ear(*this, file.substr(slash + 1), bell));
  if (!inotify_) return ear;
  if (!std::exchange(running_, true)) base::spawn(gate_, "watch of logs", run());
  const std::string directory = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  ear->descriptor_ = ::inotify_add_watch(inotify_->native_handle(), directory.c_str(), kMask);
  if (ear->descriptor_ >= 0) {
    ears_[ear->descriptor_].insert(ear.get());
  } else if (!std::exchange(complained_, true)) {
    log_.warning("A log is followed by looking at it each second",
                 {{"err", errno_error("inotify_add_watch " + directory, errno)}});
  }
  return ear;
}

void LogWatch::leave(Ear& ear) {
  const auto directory = ears_.find(ear.descriptor_);
  if (directory == ears_.end()) return;
  directory->second.erase(&ear);
  if (!directory->second.empty()) return;
  ears_.erase(directory);
  ::inotify_rm_watch(inotify_->native_handle(), ear.descriptor_);
}

base::Task<void> LogWatch::run() {
  while (true) {
    co_await inotify_->async_wait(boost::asio::posix::descriptor_base::wait_read, boost::asio::use_awaitable);
    drain();
  }
}

void LogWatch::drain() {
  alignas(inotify_event) char buffer[1 << 14];
  for (int reads = 0; reads < kReadsAtOnce; ++reads) {
    const ssize_t got = ::read(inotify_->native_handle(), buffer, sizeof buffer);
    if (got <= 0) return;
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const char* name = buffer + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      tell(event.wd, event.mask, std::string_view(name, event.len > 0 ? ::strnlen(name, event.len) : 0));
    }
  }
}

void LogWatch::tell(int descriptor, std::uint32_t mask, std::string_view name) {
  if ((mask & IN_Q_OVERFLOW) != 0) return ring_all();
  const auto directory = ears_.find(descriptor);
  if (directory == ears_.end()) return;  // the last one has left
  if ((mask & IN_IGNORED) != 0) {        // the directory has gone
    for (Ear* ear : directory->second) {
      ear->descriptor_ = -1;
      ear->bell_.notify();
    }
    ears_.erase(directory);
    return;
  }
  for (Ear* ear : directory->second) ear->hear(mask, name);
}

void LogWatch::ring_all() {
  for (auto& [descriptor, ears] : ears_) {
    for (Ear* ear : ears) ear->bell_.notify();
  }
}

}  // namespace keelson::logs
