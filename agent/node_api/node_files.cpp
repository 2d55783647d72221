#include "agent/node_api/node_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace keelson::node_api {
namespace {

constexpr base::Duration kLimit = std::chrono::seconds(30);
constexpr std::int64_t kFarthest = 9'000'000'000;  // seconds from 1970: the year 2255

// Only to be looked at: nothing happens to a device or pipe.
Result<base::UniqueFd> look_up(const std::string& root, const std::string& path) {
  const base::UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return errno_error("open " + root, errno);
  const std::string below = "." + clean_path(path);
  // The kernel would take the part before it for the whole name.
  if (below.find('\0') != std::string::npos) return errno_error("open " + root, EINVAL);
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  base::UniqueFd found(static_cast<int>(::syscall(SYS_openat2, directory.get(), below.c_str(), &how, sizeof how)));
  // Kernels before 5.6.
  if (!found && errno == ENOSYS) found = base::UniqueFd(::openat(directory.get(), below.c_str(), O_PATH | O_CLOEXEC));
  if (!found) return errno_error("open " + root + clean_path(path), errno);
  return found;
}

// Files may be dated outside of what our clock counts.
base::SystemTime time_of(const timespec& time) {
  const std::chrono::seconds seconds(std::clamp<std::int64_t>(time.tv_sec, -kFarthest, kFarthest));
  return base::SystemTime(seconds + std::chrono::nanoseconds(time.tv_nsec));
}

Result<NodeFile> open_now(const std::string& root, const std::string& path) {
  auto found = look_up(root, path);
  if (!found.ok()) return std::move(found).error();
  struct stat info {};
  if (::fstat(found->get(), &info) != 0) return errno_error("stat " + root + clean_path(path), errno);
  if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
    return errno_error("open " + root + clean_path(path) + ": neither a file nor a directory", EACCES);
  }
  const std::string again = "/proc/self/fd/" + std::to_string(found->get());
  auto fd = std::make_shared<base::UniqueFd>(::open(again.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!*fd) return errno_error("open " + root + clean_path(path), errno);
  NodeFile file;
  file.fd = std::move(fd);
  file.directory = S_ISDIR(info.st_mode);
  file.size = info.st_size;
  file.modified = time_of(info.st_mtim);
  return file;
}

Result<std::string> read_now(int fd, std::int64_t offset, std::size_t count) {
  std::string text(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(fd, text.data() + done, count - done, offset + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read", errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

bool is_directory(int fd, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat info {};
  return ::fstatat(fd, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

Result<std::vector<ListedName>> list_now(int fd) {
  base::UniqueFd copy(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return errno_error("open a directory", errno);
  DIR* stream = ::fdopendir(copy.get());
  if (stream == nullptr) return errno_error("read a directory", errno);
  copy.release();
  const std::unique_ptr<DIR, int (*)(DIR*)> guard(stream, ::closedir);
  std::vector<ListedName> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
      ListedName listed;
      listed.name = entry->d_name;
      listed.directory = is_directory(fd, *entry);
      names.push_back(std::move(listed));
    }
    errno = 0;
  }
  if (errno != 0) return errno_error("read a directory", errno);
  return names;
}

}  // namespace

// Not coroutines: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<NodeFile>> NodeFiles::open(std::string path) {
  return pool_.run<NodeFile>("open a file of the node", kLimit, [root = root_, path] { return open_now(root, path); });
}

base::Task<Result<std::string>> NodeFiles::read(const NodeFile& file, std::int64_t offset, std::size_t count) {
  return pool_.run<std::string>("read a file of the node", kLimit,
                                [fd = file.fd, offset, count] { return read_now(fd->get(), offset, count); });
}

base::Task<Result<std::vector<ListedName>>> NodeFiles::list(const NodeFile& directory) {
  return pool_.run<std::vector<ListedName>>("list a directory of the node", kLimit,
                                            [fd = directory.fd] { return list_now(fd->get()); });
}

}  // namespace keelson::node_api
