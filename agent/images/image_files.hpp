// ImageFiles: the small files that pulling images reads and writes: pull records, the node's Docker configuration.
//
// DiskImageFiles does it on the blocking pool, tests and the simulation in memory. Thread: the loop. Every call has a
// deadline and names the path that failed; while a call hangs in the kernel, others of its kind are refused instead of
// taking more threads. Source: contract 02 §16.2, §16.3 (modes, .tmp and rename).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/in_flight.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

class ImageFiles {
 public:
  struct Entry {
    std::string name;
    Result<std::string> content;
  };
  virtual ~ImageFiles() = default;

  // `not_found` when it is not there.
  virtual base::Task<Result<std::string>> read(std::string path) = 0;
  // The files of a directory, sorted by name; none when there is no such directory.
  virtual base::Task<Result<std::vector<Entry>>> read_all(std::string directory) = 0;
  // Whole or not at all, mode 0600; missing directories are made with mode 0700. It is on the disk when it has
  // answered.
  virtual base::Task<Status> write(std::string path, std::string content) = 0;
  // A file that is not there is success.
  virtual base::Task<Status> remove(std::string path) = 0;
};

// Where nothing is kept.
class NoImageFiles final : public ImageFiles {
 public:
  base::Task<Result<std::string>> read(std::string path) override {
    co_return Error(ErrorKind::not_found, "open " + path + ": no files are kept");
  }
  base::Task<Result<std::vector<Entry>>> read_all(std::string) override { co_return std::vector<Entry>(); }
  base::Task<Status> write(std::string, std::string) override { co_return Status(); }
  base::Task<Status> remove(std::string) override { co_return Status(); }
};

class DiskImageFiles final : public ImageFiles {
 public:
  explicit DiskImageFiles(base::BlockingPool& pool) : pool_(pool) {}

  base::Task<Result<std::string>> read(std::string path) override;
  base::Task<Result<std::vector<Entry>>> read_all(std::string directory) override;
  base::Task<Status> write(std::string path, std::string content) override;
  base::Task<Status> remove(std::string path) override;

 private:
  base::BlockingPool& pool_;
  base::InFlight in_flight_;
};

}  // namespace keelson::agent
