// Programs: a program of the host (mount, blkid, iscsiadm ...) run from a thread of the pool, behind an interface so
// that tests script what it answers.
//
// It runs in a process group of its own, with our environment but for LC_ALL=C, so that its texts are what the callers
// look for; what of the group is left when its limit has passed is killed. What it writes is kept up to a bound and
// read until it ends, not until its pipes close: a file system served by a process keeps them open. Blocking; owner:
// main() or a test, outliving the calls; any number of threads at once. What fails: `not_found` when there is no such
// program, `deadline_exceeded` when it did not end; an exit status other than 0 is no error here. No text of ours names
// its arguments, which may hold secrets. Source: posix_spawn(3), pidfd_open(2).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::volume {

struct ProgramRequest {
  std::vector<std::string> argv;  // the program without a slash is looked for in our PATH
  std::chrono::milliseconds limit = std::chrono::minutes(2);
  std::string input;
  std::size_t max_output = 64u << 10;  // of each stream; what is beyond is dropped
};

struct ProgramResult {
  std::string out;
  std::string err;
  int exit_code = 0;
  int signal = 0;  // not 0: killed by it
  bool ok() const { return exit_code == 0 && signal == 0; }
};

class Programs {
 public:
  virtual ~Programs() = default;
  virtual Result<ProgramResult> run(const ProgramRequest& request) = 0;
};

class HostPrograms final : public Programs {
 public:
  Result<ProgramResult> run(const ProgramRequest& request) override;
};

// "exit status 32: mount: /x: special device does not exist.": how it ended and what it said, on one line.
std::string ending_of(const ProgramResult& result);
// An `unavailable` error when it could not be run or did not end with exit status 0: "WHAT: exit status 1: ...".
Result<ProgramResult> run_checked(Programs& programs, const ProgramRequest& request, std::string_view what);

}  // namespace keelson::volume
