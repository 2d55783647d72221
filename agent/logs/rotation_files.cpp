#include "agent/logs/rotation_files.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <utility>

#include "agent/logs/rotation_plan.hpp"

namespace keelson::logs {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
// A fast level: the time is the node's, and the last tenth of the size is not worth it.
constexpr int kLevel = 3;
constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, a gzip header
constexpr int kMemory = 8;            // zlib's default

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("unlink " + path, errno);
  return {};
}

// The regular files among the names.
std::vector<std::string> files_of(const std::string& directory, std::vector<std::string> names) {
  std::erase_if(names, [&](const std::string& name) {
    struct stat info {};
    return ::lstat((directory + name).c_str(), &info) != 0 || !S_ISREG(info.st_mode);
  });
  return names;
}

// False: there is a file of that name.
Result<bool> rename_to_free_name(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno != EINVAL && errno != ENOSYS) return errno_error("rename " + from + " to " + to, errno);
  // A file system that cannot promise it: nobody else makes files of such names.
  if (base::path_exists(to)) return false;
  if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("rename " + from + " to " + to, errno);
  return true;
}

Status write_all(int fd, const unsigned char* bytes, std::size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t written = ::write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("write " + path, errno);
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return {};
}

}  // namespace

std::vector<std::optional<std::int64_t>> log_sizes(const std::vector<std::string>& paths) {
  std::vector<std::optional<std::int64_t>> sizes;
  sizes.reserve(paths.size());
  for (const std::string& path : paths) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) {
      sizes.emplace_back(info.st_size);
    } else if (errno == ENOENT) {
      sizes.emplace_back(std::nullopt);
    } else {
      sizes.emplace_back(0);
    }
  }
  return sizes;
}

Result<PutAside> put_aside(const std::string& log, const std::string& rotated, int max_files,
                           const std::string& in_work) {
  if (base::path_exists(rotated) || base::path_exists(rotated + kCompressed)) return PutAside();
  const std::size_t split = log.find_last_of('/') + 1;
  const std::string directory = log.substr(0, split);
  auto names = base::list_directory(directory.empty() ? "." : directory);
  if (!names.ok()) return std::move(names).error();
  const auto working = in_work.empty() ? std::string() : in_work.substr(split);
  const RotationPlan plan =
      plan_rotation(log.substr(split), files_of(directory, std::move(*names)), max_files, working);
  for (const std::string& name : plan.remove) KEELSON_TRY(remove_file(directory + name));
  PutAside out;
  for (const std::string& name : plan.compress) out.compress.push_back(directory + name);
  const auto renamed = rename_to_free_name(log, rotated);
  if (!renamed.ok()) return renamed.error();
  if (!*renamed) return PutAside();
  out.done = true;
  return out;
}

Status put_back(const std::string& rotated, const std::string& log) {
  const auto renamed = rename_to_free_name(rotated, log);
  return renamed.ok() ? Status() : Status(renamed.error());
}

struct GzipFile::Stream {
  Stream() { good = ::deflateInit2(&zlib, kLevel, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) == Z_OK; }
  ~Stream() {
    if (good) ::deflateEnd(&zlib);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  z_stream zlib{};
  bool good = false;
  unsigned char in[kPiece];
  unsigned char out[kPiece];
};

GzipFile::GzipFile(std::string path, base::UniqueFd in, base::UniqueFd out, mode_t mode)
    : path_(std::move(path)),
      unfinished_(path_ + kUnfinished),
      in_(std::move(in)),
      out_(std::move(out)),
      mode_(mode),
      stream_(std::make_unique<Stream>()) {}

GzipFile::~GzipFile() {
  if (!finished_ && is_ours()) ::unlink(unfinished_.c_str());
}

// One whose last step hung may find that a later one has begun anew under the same name.
bool GzipFile::is_ours() const {
  struct stat mine {};
  struct stat there {};
  return ::fstat(out_.get(), &mine) == 0 && ::lstat(unfinished_.c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
         mine.st_ino == there.st_ino;
}

Result<std::shared_ptr<GzipFile>> GzipFile::open(const std::string& path) {
  base::UniqueFd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!in) return errno_error("open " + path, errno);
  struct stat info {};
  if (::fstat(in.get(), &info) != 0) return errno_error("stat " + path, errno);
  if (!S_ISREG(info.st_mode)) return Error(ErrorKind::not_found, "compress " + path + ": it is no file");
  const std::string unfinished = path + kUnfinished;
  base::UniqueFd out(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out) return errno_error("open " + unfinished, errno);
  std::shared_ptr<GzipFile> file(new GzipFile(path, std::move(in), std::move(out), info.st_mode & 07777));
  if (!file->stream_->good) return Error(ErrorKind::exhausted, "compress " + path + ": no memory");
  return file;
}

Result<bool> GzipFile::step(std::size_t bytes) {
  auto removed = is_removed();
  if (!removed.ok()) return removed;
  if (*removed) return Error(ErrorKind::cancelled, "compress " + path_ + ": it has been removed");
  for (std::size_t done = 0; done < bytes;) {
    const auto got = read_some();
    if (!got.ok()) return got.error();
    KEELSON_TRY(deflate_some(*got, *got == 0));
    if (*got == 0) {
      KEELSON_TRY(finish());
      return true;
    }
    done += *got;
  }
  return false;
}

Result<bool> GzipFile::is_removed() const {
  struct stat info {};
  if (::fstat(in_.get(), &info) != 0) return errno_error("stat " + path_, errno);
  return info.st_nlink == 0;
}

Result<std::size_t> GzipFile::read_some() {
  while (true) {
    const ssize_t got = ::read(in_.get(), stream_->in, kPiece);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return errno_error("read " + path_, errno);
  }
}

Status GzipFile::deflate_some(std::size_t size, bool last) {
  z_stream& zlib = stream_->zlib;
  zlib.next_in = stream_->in;
  zlib.avail_in = static_cast<uInt>(size);
  do {
    zlib.next_out = stream_->out;
    zlib.avail_out = static_cast<uInt>(kPiece);
    if (::deflate(&zlib, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR) {
      return Error(ErrorKind::internal, "compress " + path_ + ": zlib is confused");
    }
    KEELSON_TRY(write_all(out_.get(), stream_->out, kPiece - zlib.avail_out, unfinished_));
  } while (zlib.avail_out == 0);
  return {};
}

// The original goes only once the copy is on the disk.
Status GzipFile::finish() {
  if (::fchmod(out_.get(), mode_) != 0) return errno_error("chmod " + unfinished_, errno);
  if (::fsync(out_.get()) != 0) return errno_error("fsync " + unfinished_, errno);
  const std::string compressed = path_ + kCompressed;
  if (!is_ours()) return Error(ErrorKind::cancelled, "compress " + path_ + ": somebody else does");
  if (::rename(unfinished_.c_str(), compressed.c_str()) != 0) {
    return errno_error("rename " + unfinished_ + " to " + compressed, errno);
  }
  finished_ = true;
  return remove_file(path_);
}

}  // namespace keelson::logs
