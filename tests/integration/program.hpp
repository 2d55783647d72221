// Programs that tests run: to their end (run_program) or as a child that lives on (spawn_program).
//
// A child dies with the test that started it. Thread: the caller's; run_program() blocks until the program ended or its
// limit is over, then it is killed.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace keelson::integration {

struct ProgramResult {
  int exit_code = -1;  // 128 + signal when a signal ended it, as in a shell
  std::string out;
  std::string err;
};

using ProgramArguments = std::vector<std::string>;
using EnvironmentVariables = std::map<std::string, std::string>;

ProgramResult run_program(const ProgramArguments& arguments, const EnvironmentVariables& variables = {},
                          std::chrono::seconds limit = std::chrono::seconds(20));

// Both of its outputs are appended to `log`. The process id, or -1.
pid_t spawn_program(const ProgramArguments& arguments, const EnvironmentVariables& variables, const std::string& log);

// The exit code as in ProgramResult, of a child that has ended; -1 while it runs.
int exit_code_of(pid_t pid);

}  // namespace keelson::integration
