// start_program(): posix_spawn with pipes, as everybody here starts programs.
//
// The program runs in a process group of its own, with no signal blocked or ignored, with `input` on standard input and
// no other descriptor of ours than its two pipes. The input lies in memory of its own from the start, so a program that
// never reads it holds up nothing. Our ends of the pipes do not block. Any thread. Who calls it waits for the program
// and ends it, also when this fails after `pid` was set. Source: posix_spawn(3), pidfd_open(2), memfd_create(2).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/result.hpp"

namespace keelson::base {

struct StartedProgram {
  pid_t pid = -1;  // and that of its group
  UniqueFd out;
  UniqueFd err;
  UniqueFd ended;  // a pidfd: readable once it has ended
};

// `argv` begins with the program: without a slash it is looked for in our PATH. Only the given environment
// ("NAME=value"). Fails with the kind of the errno.
Status start_program(std::vector<std::string> argv, std::vector<std::string> environment, const std::string& input,
                     StartedProgram& started);

}  // namespace keelson::base
