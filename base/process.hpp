// run_process(): a program with arguments, its output and how it ended, without blocking the loop.
//
// It runs in a process group of its own, with the given text on standard input and only the given environment; what of
// the group is left is killed when time is up or the awaiting task is cancelled. The input lies in memory of its own
// from the start, so a program that never reads it holds up nothing. Owner, thread: a task on the loop. Fails with
// `not_found` when there is no such program, `permission_denied` when it must not run, `deadline_exceeded`, `exhausted`
// when it says too much; an exit status other than 0 is no error here. Source: posix_spawn(3), pidfd_open(2),
// memfd_create(2).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::base {

struct ProcessRequest {
  std::string command;  // without a slash: looked for in our PATH
  std::vector<std::string> args;
  std::map<std::string, std::string> environment;
  std::string input;
  Duration limit{};
  std::size_t max_output = 1u << 20;
};

struct ProcessResult {
  std::string out;
  std::string err;
  int exit_code = 0;
  int signal = 0;  // not 0: killed by it
};

Task<Result<ProcessResult>> run_process(Loop& loop, Clock& clock, ProcessRequest request);

}  // namespace keelson::base
