#include "base/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

namespace keelson::base {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_error("write " + path, errno);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using UniqueDir = std::unique_ptr<DIR, CloseDir>;

}  // namespace

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  // O_NONBLOCK: a FIFO that somebody put there must not hang us.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return errno_error("open " + path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error("stat " + path, errno);
  if (!S_ISREG(info.st_mode)) return Error(ErrorKind::invalid, path + ": not a regular file");
  std::string content;
  if (info.st_size > 0) content.reserve(std::min(static_cast<std::size_t>(info.st_size), limit) + 1);
  char buffer[16384];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno_error("read " + path, errno);
    }
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > limit) {
      return Error(ErrorKind::invalid, path + ": larger than the limit of " + std::to_string(limit) + " bytes");
    }
  }
}

Status write_file_atomically(const std::string& path, std::string_view content, mode_t mode) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_error("create " + temporary, errno);
  auto written = [&]() -> Status {
    KEELSON_TRY(write_all(fd.get(), content, temporary));
    if (::fchmod(fd.get(), mode) != 0) return errno_error("chmod " + temporary, errno);
    if (::fsync(fd.get()) != 0) return errno_error("fsync " + temporary, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      return errno_error("rename " + temporary + " to " + path, errno);
    return {};
  }();
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  const std::string parent = parent_of(path);
  UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return errno_error("fsync " + parent, errno);
  return {};
}

Status write_file(const std::string& path, std::string_view content, mode_t mode) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd) return errno_error("create " + path, errno);
  if (::fchmod(fd.get(), mode) != 0) return errno_error("chmod " + path, errno);
  return write_all(fd.get(), content, path);
}

Status make_directories(const std::string& path, mode_t mode) {
  // Most are there already, and nearly all parents: mkdir is tried only below the deepest of those.
  if (is_directory(path)) return {};
  std::size_t known = path.rfind('/');
  while (known != std::string::npos && known > 0 && !is_directory(path.substr(0, known))) {
    known = path.rfind('/', known - 1);
  }
  if (known == std::string::npos) known = 0;
  for (std::size_t end = path.find('/', known + 1);; end = path.find('/', end + 1)) {
    const std::string level = path.substr(0, end);
    if (::mkdir(level.c_str(), mode) == 0) {
      if (::chmod(level.c_str(), mode) != 0) return errno_error("chmod " + level, errno);
    } else if (errno != EEXIST) {
      return errno_error("mkdir " + level, errno);
    }
    if (end == std::string::npos) break;
  }
  if (!is_directory(path)) return Error(ErrorKind::invalid, path + ": exists and is not a directory", ENOTDIR);
  return {};
}

bool path_exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

namespace {

// Those that `wanted` wants, given the entry and the directory's descriptor.
template <class Wanted>
Result<std::vector<std::string>> list_entries(const std::string& path, Wanted wanted) {
  UniqueDir dir(::opendir(path.c_str()));
  if (!dir) return errno_error("open " + path, errno);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return errno_error("read " + path, errno);
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && wanted(*entry, ::dirfd(dir.get()))) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<std::vector<std::string>> list_directory(const std::string& path) {
  return list_entries(path, [](const dirent&, int) { return true; });
}

Result<std::vector<std::string>> list_subdirectories(const std::string& path) {
  return list_entries(path, [](const dirent& entry, int directory) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat info {};
    return ::fstatat(directory, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
  });
}

}  // namespace keelson::base
