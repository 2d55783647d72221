// A disk for a test: a file with a loop device on it, both gone at the end. Needs root and /dev/loop-control.
#pragma once

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.hpp"
#include "volume/loop_device.hpp"

namespace keelson::volume {

// Whether a file system may grow while it is mounted: the kernel wants CAP_SYS_RESOURCE for it.
inline bool may_grow_mounted() {
  constexpr int kCapSysResource = 24;
  const std::string status = base::read_file("/proc/self/status").value_or("");
  const auto at = status.find("CapEff:");
  return at != std::string::npos && (std::stoull(status.substr(at + 7), nullptr, 16) >> kCapSysResource & 1) != 0;
}

class LoopDisk {
 public:
  explicit LoopDisk(off_t size) {
    char name[] = "/tmp/keelson-disk-XXXXXX";
    directory_ = mkdtemp(name);
    if (geteuid() != 0) {
      why_not_ = "a loop device needs root";
      return;
    }
    const base::UniqueFd file(open(file_path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ftruncate(file.get(), size) != 0) why_not_ = "no room for a disk in /tmp";
    if (!why_not_.empty()) return;
    auto device = HostLoopDevices().attach(file_path());
    if (device.ok()) {
      device_ = *device;
    } else {
      why_not_ = device.error().to_string();
    }
  }
  ~LoopDisk() {
    (void)HostLoopDevices().detach(file_path());
    std::filesystem::remove_all(directory_);
  }
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  bool ready() const { return !device_.empty(); }
  const std::string& why_not() const { return why_not_; }
  const std::string& device() const { return device_; }
  const std::string& directory() const { return directory_; }
  std::string file_path() const { return directory_ + "/disk"; }
  bool grow(off_t size) const {
    const base::UniqueFd loop(open(device_.c_str(), O_RDWR | O_CLOEXEC));
    return truncate(file_path().c_str(), size) == 0 && ioctl(loop.get(), LOOP_SET_CAPACITY) == 0;
  }

 private:
  std::string directory_;
  std::string device_;
  std::string why_not_;
};

}  // namespace keelson::volume
