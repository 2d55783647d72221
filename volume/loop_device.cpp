#include "volume/loop_device.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/file.hpp"

namespace keelson::volume {
namespace {

constexpr int kTries = 64;  // another program may take the free device first

// sysfs writes the path with a newline, and with this when the file is gone.
std::string backing_file(const std::string& device) {
  constexpr std::string_view kDeleted = " (deleted)";
  std::string text = base::read_file("/sys/block/" + device + "/loop/backing_file", 1u << 16).value_or("");
  while (text.ends_with('\n')) text.pop_back();
  if (text.ends_with(kDeleted)) text.resize(text.size() - kDeleted.size());
  return text;
}

base::UniqueFd open_file(const std::string& file, bool& read_only) {
  base::UniqueFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  read_only = !fd;
  if (!fd && (errno == EACCES || errno == EROFS || errno == EPERM)) {
    fd = base::UniqueFd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  }
  return fd;
}

// The two steps of kernels before 5.8.
bool configure_in_steps(int loop, const loop_config& config) {
  if (::ioctl(loop, LOOP_SET_FD, config.fd) != 0) return false;
  loop_info64 info = config.info;
  if (::ioctl(loop, LOOP_SET_STATUS64, &info) == 0) return true;
  const int error = errno;
  ::ioctl(loop, LOOP_CLR_FD, 0);
  errno = error;
  return false;
}

bool configure(int loop, const loop_config& config) {
  if (::ioctl(loop, LOOP_CONFIGURE, &config) == 0) return true;
  if (errno != EINVAL && errno != ENOTTY && errno != ENOSYS) return false;
  return configure_in_steps(loop, config);
}

}  // namespace

std::optional<std::string> HostLoopDevices::find(const std::string& file) {
  std::error_code ignored;
  const std::string real = std::filesystem::canonical(file, ignored).string();
  const auto devices = base::list_directory("/sys/block");
  if (!devices.ok()) return std::nullopt;
  for (const auto& device : *devices) {
    if (!device.starts_with("loop")) continue;
    const std::string backing = backing_file(device);
    if (!backing.empty() && (backing == file || backing == real)) return "/dev/" + device;
  }
  return std::nullopt;
}

Result<std::string> HostLoopDevices::attach(const std::string& file) {
  const std::string what = "loop device of " + file;
  if (auto there = find(file)) return *there;
  const base::UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return errno_error(what + ": open /dev/loop-control", errno);
  bool read_only = false;
  const base::UniqueFd backing = open_file(file, read_only);
  if (!backing) return errno_error(what + ": open", errno);
  loop_config config{};
  config.fd = static_cast<std::uint32_t>(backing.get());
  if (read_only) config.info.lo_flags = LO_FLAGS_READ_ONLY;
  // What `losetup -l` shows; sysfs has the whole path.
  file.copy(reinterpret_cast<char*>(config.info.lo_file_name), LO_NAME_SIZE - 1);
  for (int i = 0; i < kTries; ++i) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return errno_error(what + ": no free one", errno);
    const std::string path = "/dev/loop" + std::to_string(number);
    const base::UniqueFd loop(::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
    if (!loop) return errno_error(what + ": open " + path, errno);
    if (configure(loop.get(), config)) return path;
    if (errno != EBUSY) return errno_error(what + ": setting up " + path, errno);
  }
  return Error(ErrorKind::unavailable, what + ": each free one was taken by others");
}

Status HostLoopDevices::detach(const std::string& file) {
  const auto device = find(file);
  if (!device) return {};
  const base::UniqueFd loop(::open(device->c_str(), O_RDONLY | O_CLOEXEC));
  if (!loop && errno == ENOENT) return {};
  if (!loop) return errno_error("open " + *device + " of " + file, errno);
  if (::ioctl(loop.get(), LOOP_CLR_FD, 0) == 0 || errno == ENXIO) return {};
  return errno_error("taking " + *device + " off " + file, errno);
}

}  // namespace keelson::volume
