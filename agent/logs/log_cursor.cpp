#include "agent/logs/log_cursor.hpp"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "base/go_text.hpp"

namespace keelson::logs {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
constexpr int kTries = 3;                   // to open one file while others are rotated
constexpr std::size_t kSearch = 64u << 20;  // of a tail, in one step

std::string quoted(const std::string& path) { return base::go_quote(path); }

Error failed(const std::string& what, const std::string& cause, int number) {
  const Error plain = errno_error(what, number);
  return Error(plain.kind(), what + ": " + cause + ": " + base::go_errno(number), number);
}

// The first of the path's prefixes that is not there, which is what the kubelet's text names.
std::string first_missing(const std::string& path) {
  for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    struct stat info {};
    std::string prefix = path.substr(0, slash);
    if (::lstat(prefix.c_str(), &info) != 0) return prefix;
  }
  return path;
}

Result<std::string> resolved(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (real) return std::string(real.get());
  const int number = errno;
  return failed("failed to try resolving symlinks in path " + quoted(path), "lstat " + first_missing(path), number);
}

// Opened for reading only once it is known to be a file: opening a device may set something in motion. errno is ENOTSUP
// for anything else.
base::UniqueFd open_log(const std::string& path) {
  const base::UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat info {};
  if (!place || ::fstat(place.get(), &info) != 0) return {};
  if (!S_ISREG(info.st_mode)) {
    errno = ENOTSUP;
    return {};
  }
  const std::string same = "/proc/self/fd/" + std::to_string(place.get());
  return base::UniqueFd(::open(same.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

bool is_later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }
std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace

LogCursor::LogCursor(std::string path, base::UniqueFd fd, const LogOptions& options, std::int64_t size)
    : path_(std::move(path)),
      fd_(std::move(fd)),
      options_(options),
      text_(options),
      tail_(size, options.tail.value_or(0)) {}

Result<LogCursorPtr> LogCursor::open(const std::string& path, const LogOptions& options) {
  auto real = resolved(path);
  if (!real.ok()) return std::move(real).error();
  const std::string what = "failed to open log file " + quoted(*real);
  base::UniqueFd fd = open_log(*real);
  if (!fd && errno == ENOTSUP) return Error(ErrorKind::invalid, what + ": not a regular file");
  if (!fd) return failed(what, "open " + *real, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return failed(what, "stat " + *real, errno);
  return LogCursorPtr(new LogCursor(std::move(*real), std::move(fd), options, info.st_size));
}

Result<bool> LogCursor::seek() {
  if (!options_.tail) return true;
  auto found = tail_.step(fd_.get(), kSearch);
  if (!found.ok()) {
    const std::string lines = std::to_string(*options_.tail);
    return std::move(found).error().wrap("failed to tail " + lines + " lines of log file " + quoted(path_));
  }
  if (*found) offset_ = tail_.start();
  return *found;
}

// True: the step has enough.
Result<bool> LogCursor::take(Step& step, std::string_view bytes) {
  offset_ += static_cast<std::int64_t>(bytes.size());
  if (bytes.empty()) {
    step.end = Step::End::drained;
    return true;
  }
  KEELSON_TRY(text_.feed(bytes, step.out));
  if (text_.done()) step.end = Step::End::done;
  return text_.done() || step.out.size() >= most_out;
}

Result<LogCursor::Step> LogCursor::read() {
  Step step;
  if (text_.done()) step.end = Step::End::done;
  std::string buffer(text_.done() ? 0 : kChunk, '\0');
  for (std::size_t total = 0; step.end == Step::End::more && total < most_read;) {
    const ssize_t got = ::pread(fd_.get(), buffer.data(), buffer.size(), offset_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("failed to read log file " + quoted(path_), "read " + path_, errno);
    total += static_cast<std::size_t>(got);
    const auto enough = take(step, std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
    if (!enough.ok()) return enough.error();
    if (*enough) break;
  }
  return step;
}

Result<LogCursor::Step> LogCursor::peek() {
  Step step;
  step.end = text_.done() ? Step::End::done : Step::End::blocked;
  if (text_.done() || !can_peek_) return step;
  std::string buffer(kChunk, '\0');
  iovec into{buffer.data(), buffer.size()};
  const ssize_t got = ::preadv2(fd_.get(), &into, 1, offset_, RWF_NOWAIT);
  if (got < 0) {
    can_peek_ = errno == EAGAIN || errno == EINTR;
    return step;  // read() will say what is wrong, if anything is
  }
  step.end = Step::End::more;
  const auto enough = take(step, std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  if (!enough.ok()) return enough.error();
  return step;
}

Result<LogCursor::Step> LogCursor::finish() {
  Step step;
  step.end = Step::End::done;
  KEELSON_TRY(text_.finish(step.out));
  return step;
}

LogCursor::Look LogCursor::look() {
  struct stat mine {
  }, named{};
  if (::fstat(fd_.get(), &mine) != 0) return Look::same;
  // Between its renaming and the runtime's opening of a new one the name leads nowhere.
  if (::stat(path_.c_str(), &named) != 0) return Look::same;
  if (!same_file(mine, named)) return Look::replaced;
  if (mine.st_size >= offset_) return Look::same;
  offset_ = 0;
  text_.start_over();
  return Look::cut;
}

// A reader that is slow may be some files behind. Rotated files that have been compressed are left out; of the others
// the one that was written to next after this one follows.
std::string LogCursor::successor(const struct stat& mine) const {
  std::string next = path_;
  std::optional<timespec> earliest;
  const std::string directory = parent_of(path_), start = name_of(path_) + ".";
  const auto names = base::list_directory(directory);
  for (const std::string& name : names.value_or({})) {
    if (!name.starts_with(start) || name.ends_with(".gz") || name.ends_with(".tmp")) continue;
    struct stat info {};
    const std::string path = directory + "/" + name;
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || same_file(info, mine)) continue;
    if (!is_later(info.st_mtim, mine.st_mtim) || (earliest && !is_later(*earliest, info.st_mtim))) continue;
    earliest = info.st_mtim;
    next = path;
  }
  return next;
}

base::UniqueFd LogCursor::open_successor() const {
  struct stat mine {};
  if (::fstat(fd_.get(), &mine) != 0) return {};
  base::UniqueFd fd;
  std::string next = successor(mine);
  for (int tries = 0; tries < kTries; ++tries) {
    fd = open_log(next);
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || same_file(info, mine)) return {};
    // Rotated in between: what had the log's name a moment ago comes first.
    const std::string now = next == path_ ? successor(mine) : next;
    if (now == next) break;
    next = now;
  }
  return fd;
}

Result<bool> LogCursor::next_file() {
  base::UniqueFd fd = open_successor();
  if (!fd) return false;
  fd_ = std::move(fd);
  offset_ = 0;
  text_.start_over();
  return true;
}

}  // namespace keelson::logs
