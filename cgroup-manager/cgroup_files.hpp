// CgroupFiles: the few file operations that cgroups need, so that tests can stand in for the kernel.
//
// Blocking, any one thread at a time. RealCgroupFiles touches the machine; it never creates files, only directories.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::cgroups {

class CgroupFiles {
 public:
  virtual ~CgroupFiles() = default;
  // One level, mode 0755; there already is success.
  virtual Status make_directory(const std::string& path) = 0;
  // Missing is success; code() is the errno.
  virtual Status remove_directory(const std::string& path) = 0;
  virtual bool is_directory(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> directories(const std::string& path) = 0;  // names, sorted
  virtual Result<std::string> read(const std::string& path) = 0;                      // without the last newline
  virtual Status write(const std::string& path, std::string_view text) = 0;  // one write(2); the file must exist
  // SIGKILL; a process that is gone is success.
  virtual Status kill_process(pid_t pid) = 0;
  virtual void pause(std::chrono::milliseconds time) = 0;
};

class RealCgroupFiles final : public CgroupFiles {
 public:
  Status make_directory(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  bool is_directory(const std::string& path) override;
  Result<std::vector<std::string>> directories(const std::string& path) override;
  Result<std::string> read(const std::string& path) override;
  Status write(const std::string& path, std::string_view text) override;
  Status kill_process(pid_t pid) override;
  void pause(std::chrono::milliseconds time) override;
};

}  // namespace keelson::cgroups
