// LoopDevices: a loop device on a file, which keeps the file open: the lock on a block device while a pod has it.
//
// As `losetup -f FILE` and `losetup -d`, by the kernel's own calls, behind an interface so that tests need no
// privileges. Blocking; on the pool. Owner: main() or a test. What fails: no /dev/loop-control, no privilege, no free
// device; errors name the file. Source: contract 04 §15 (map and unmap order); loop(4).
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"

namespace keelson::volume {

class LoopDevices {
 public:
  virtual ~LoopDevices() = default;
  // The loop device whose file this is: the one that is there, or a new one.
  virtual Result<std::string> attach(const std::string& file) = 0;
  // Success when there is none.
  virtual Status detach(const std::string& file) = 0;
};

class HostLoopDevices final : public LoopDevices {
 public:
  Result<std::string> attach(const std::string& file) override;
  Status detach(const std::string& file) override;
  // "/dev/loop3"
  static std::optional<std::string> find(const std::string& file);
};

}  // namespace keelson::volume
