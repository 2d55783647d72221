// LockFile: --lock-file and --exit-on-lock-contention.
//
// acquire() takes an exclusive flock(2) of the file, made when missing (0600), and waits as long as another process
// holds it; hold the object for the process's life. watch() calls `on_contention` once on the loop when anybody opens
// or deletes the file afterwards: a new agent asks us to give way. Owner: main(). Thread: the loop's, before it runs
// (acquire blocks). Stops: the destructor ends the watch and drops the lock; the file stays. What fails: the file
// cannot be made (path named), `cancelled` when a signal ended the wait. Source: contract 01 §3 (flags).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file.hpp"
#include "base/logger.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"

namespace keelson::agent {

// The rule for the two flags: the second needs the first.
Status check_lock_flags(const std::string& lock_file, bool exit_on_lock_contention);

class LockFile {
 public:
  static Result<std::unique_ptr<LockFile>> acquire(const std::string& path, const base::Logger& log);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  Status watch(base::Loop& loop, std::function<void()> on_contention);

 private:
  struct Watch;
  LockFile(std::string path, base::UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  base::UniqueFd fd_;
  std::shared_ptr<Watch> watch_;
};

}  // namespace keelson::agent
