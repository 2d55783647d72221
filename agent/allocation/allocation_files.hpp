// AllocationFiles: where the two checkpoints are kept.
//
// Allocations asks through this interface; DiskAllocationFiles keeps them in ROOT, tests and the simulation in memory.
// Thread: the loop; saving happens on the blocking pool. What fails: `not_found` when there is none yet, else what the
// disk says. Source: contract 02 §8, contract 03 §12.
#pragma once

#include <string>

#include "base/blocking_pool.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

class AllocationFiles {
 public:
  virtual ~AllocationFiles() = default;
  // At start only, so it may block.
  virtual Result<std::string> load(const std::string& name) = 0;
  // What cannot be read is put aside under another name, for people to look at.
  virtual void set_aside(const std::string& name) = 0;
  // Whole or not at all, and on the disk when it returns.
  virtual base::Task<Status> save(std::string name, std::string text) = 0;
};

class DiskAllocationFiles final : public AllocationFiles {
 public:
  DiskAllocationFiles(base::BlockingPool& pool, std::string root) : pool_(pool), root_(std::move(root)) {}

  Result<std::string> load(const std::string& name) override;
  void set_aside(const std::string& name) override;
  base::Task<Status> save(std::string name, std::string text) override;

 private:
  base::BlockingPool& pool_;
  std::string root_;
};

}  // namespace keelson::agent
