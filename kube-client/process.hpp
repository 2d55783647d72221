// run_process(): a program with arguments, its output and how it ended, without blocking the loop.
//
// It runs in a process group of its own with nothing on standard input and only the given environment; what of the
// group is left is killed when time is up or the awaiting task is cancelled. Owner, thread: a task on the loop. Fails
// with `not_found` when there is no such program, `permission_denied` when it must not run, `deadline_exceeded`,
// `exhausted` when it says too much; an exit status other than 0 is no error here. Source: posix_spawn(3),
// pidfd_open(2).
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "kube-client/proxy.hpp"

namespace keelson::kube {

struct ProcessRequest {
  std::string command;  // without a slash: looked for in our PATH
  std::vector<std::string> args;
  Environment environment;
  base::Duration limit{};
  std::size_t max_output = 1u << 20;
};

struct ProcessResult {
  std::string out;
  std::string err;
  int exit_code = 0;
  int signal = 0;  // not 0: killed by it
};

base::Task<Result<ProcessResult>> run_process(base::Loop& loop, base::Clock& clock, ProcessRequest request);

}  // namespace keelson::kube
