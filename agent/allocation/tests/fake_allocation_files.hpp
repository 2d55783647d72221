// FakeAllocationFiles: checkpoints on a disk in memory, which outlives any number of agents.
//
// A save takes a moment, and one that is cancelled before its end has changed nothing: so an agent may crash before,
// during and after it. Owner: a test. Thread: the loop.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "agent/allocation/allocation_files.hpp"
#include "base/clock.hpp"

namespace keelson::agent::testing {

class FakeAllocationFiles final : public AllocationFiles {
 public:
  explicit FakeAllocationFiles(base::Clock& clock) : clock_(clock) {}

  std::map<std::string, std::string> files;
  std::map<std::string, std::string> aside;
  Status save_fails;
  base::Duration takes = std::chrono::milliseconds(1);
  int saves = 0;

  Result<std::string> load(const std::string& name) override {
    const auto found = files.find(name);
    if (found == files.end()) return Error(ErrorKind::not_found, name + ": no such file");
    return found->second;
  }
  void set_aside(const std::string& name) override {
    aside[name] = files[name];
    files.erase(name);
  }
  base::Task<Status> save(std::string name, std::string text) override {
    co_await clock_.sleep_for(takes);
    if (!save_fails.ok()) co_return save_fails;
    ++saves;
    files[name] = std::move(text);
    co_return Status();
  }

 private:
  base::Clock& clock_;
};

}  // namespace keelson::agent::testing
