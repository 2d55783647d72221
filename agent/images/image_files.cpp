#include "agent/images/image_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

using base::Task;
using Entries = std::vector<ImageFiles::Entry>;

constexpr auto kLimit = std::chrono::seconds(10);
constexpr std::size_t kLargest = 1u << 20;

std::string parent_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

Status flush(const std::string& path, int flags) {
  const base::UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return errno_error("fsync " + path, errno);
  return {};
}

Status write_on_disk(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".tmp";
  KEELSON_TRY(base::make_directories(parent_of(path), 0700));
  auto written = [&]() -> Status {
    KEELSON_TRY(base::write_file(temporary, content, 0600));
    KEELSON_TRY(flush(temporary, O_RDONLY));
    if (::rename(temporary.c_str(), path.c_str()) != 0) return errno_error("rename " + temporary, errno);
    return {};
  }();
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  return flush(parent_of(path), O_RDONLY | O_DIRECTORY);
}

Status remove_on_disk(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + path, errno);
  return {};
}

Result<Entries> read_all_on_disk(const std::string& directory) {
  Entries entries;
  if (!base::path_exists(directory)) return entries;
  auto names = base::list_directory(directory);
  if (!names.ok()) return std::move(names).error();
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    if (!base::is_directory(path)) entries.push_back({name, base::read_file(path, kLargest)});
  }
  return entries;
}

template <class T>
Task<Result<T>> still_busy() {
  co_return Error(ErrorKind::exhausted, "an earlier access to these files still hangs in the kernel");
}

}  // namespace

// Not coroutines: GCC 12 frees a closure twice that is made inside one.
Task<Result<std::string>> DiskImageFiles::read(std::string path) {
  auto token = in_flight_.enter(path);
  if (!token) return still_busy<std::string>();
  return pool_.run<std::string>("read " + path, kLimit, [path, token] { return base::read_file(path, kLargest); });
}

Task<Result<Entries>> DiskImageFiles::read_all(std::string directory) {
  auto token = in_flight_.enter(directory);
  if (!token) return still_busy<Entries>();
  return pool_.run<Entries>("read " + directory, kLimit, [directory, token] { return read_all_on_disk(directory); });
}

Task<Status> DiskImageFiles::write(std::string path, std::string content) {
  auto token = in_flight_.enter("write");
  if (!token) return still_busy<void>();
  return pool_.run<void>("write " + path, kLimit, [path, content, token] { return write_on_disk(path, content); });
}

Task<Status> DiskImageFiles::remove(std::string path) {
  auto token = in_flight_.enter("write");
  if (!token) return still_busy<void>();
  return pool_.run<void>("remove " + path, kLimit, [path, token] { return remove_on_disk(path); });
}

}  // namespace keelson::agent
