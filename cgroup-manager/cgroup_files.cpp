#include "cgroup-manager/cgroup_files.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/file.hpp"

namespace keelson::cgroups {

Status RealCgroupFiles::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) {
    // The umask must not hide the group from tools that run as other users.
    if (::chmod(path.c_str(), 0755) != 0) return errno_error("chmod " + path, errno);
    return {};
  }
  if (errno == EEXIST) return {};
  return errno_error("mkdir " + path, errno);
}

Status RealCgroupFiles::remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error("rmdir " + path, errno);
}

bool RealCgroupFiles::is_directory(const std::string& path) { return base::is_directory(path); }

Result<std::vector<std::string>> RealCgroupFiles::directories(const std::string& path) {
  return base::list_subdirectories(path);
}

Result<std::string> RealCgroupFiles::read(const std::string& path) {
  auto text = base::read_file(path);
  if (text.ok() && text.value().ends_with('\n')) text.value().pop_back();
  return text;
}

Status RealCgroupFiles::write(const std::string& path, std::string_view text) {
  const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return errno_error("open " + path, errno);
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  if (written < 0) return errno_error("write \"" + std::string(text) + "\" to " + path, errno);
  if (static_cast<std::size_t>(written) != text.size()) return errno_error("write to " + path + " was cut short", EIO);
  return {};
}

Status RealCgroupFiles::kill_process(pid_t pid) {
  if (pid <= 1 || pid == ::getpid())
    return Error(ErrorKind::invalid, "refusing to kill process " + std::to_string(pid));
  if (::kill(pid, SIGKILL) == 0 || errno == ESRCH) return {};
  return errno_error("kill " + std::to_string(pid), errno);
}

void RealCgroupFiles::pause(std::chrono::milliseconds time) {
  timespec left{time.count() / 1000, (time.count() % 1000) * 1'000'000};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace keelson::cgroups
