#include "agent/service/lock_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

namespace keelson::agent {

Status check_lock_flags(const std::string& lock_file, bool exit_on_lock_contention) {
  if (!exit_on_lock_contention || !lock_file.empty()) return {};
  return Error(ErrorKind::invalid, "--exit-on-lock-contention needs --lock-file: there is no lock file to watch");
}

Result<std::unique_ptr<LockFile>> LockFile::acquire(const std::string& path, const base::Logger& log) {
  base::UniqueFd fd(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return errno_error("lock file " + path, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error("locking " + path, errno);
    log.info("Waiting for another process to release the lock file", {{"path", path}});
    if (flock(fd.get(), LOCK_EX) != 0) {
      if (errno == EINTR) return Error(ErrorKind::cancelled, "stopped while waiting for the lock file " + path, EINTR);
      return errno_error("locking " + path, errno);
    }
  }
  return std::unique_ptr<LockFile>(new LockFile(path, std::move(fd)));
}

struct LockFile::Watch : std::enable_shared_from_this<LockFile::Watch> {
  Watch(base::Loop& loop, int fd, std::function<void()> hook)
      : events(loop.context(), fd), on_contention(std::move(hook)) {}

  void listen() {
    events.async_read_some(base::asio::buffer(buffer),
                           [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                             if (!error && !self->closed) self->on_contention();
                           });
  }

  base::asio::posix::stream_descriptor events;
  std::function<void()> on_contention;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  bool closed = false;
};

Status LockFile::watch(base::Loop& loop, std::function<void()> on_contention) {
  base::UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return errno_error("inotify for the lock file " + path_, errno);
  if (inotify_add_watch(inotify.get(), path_.c_str(), IN_OPEN | IN_DELETE_SELF) < 0) {
    return errno_error("watching the lock file " + path_, errno);
  }
  watch_ = std::make_shared<Watch>(loop, inotify.release(), std::move(on_contention));
  watch_->listen();
  return {};
}

LockFile::~LockFile() {
  if (!watch_) return;
  watch_->closed = true;
  boost::system::error_code ignored;
  watch_->events.close(ignored);
}

}  // namespace keelson::agent
