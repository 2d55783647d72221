// `keelson ps`, `explain`, `doctor` and `help`: the commands for the person on the node.
//
// main() hands over to cli_main() when is_cli_command(argv[1]). Blocking, one thread, no loop but doctor's own while it
// asks the runtime. Exit status: 0 done; 1 error, or doctor with warnings only; 2 doctor with failures; 3 the agent is
// not running; 64 wrong usage.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "agent/cli/arguments.hpp"
#include "agent/cli/doctor.hpp"
#include "agent/control/client.hpp"
#include "config/files.hpp"

namespace keelson::agent {

enum CliExit : int { exit_ok = 0, exit_error = 1, exit_failures = 2, exit_not_running = 3, exit_usage = 64 };

// What the commands touch; real in cli_main(), faked in tests.
struct CliWorld {
  std::ostream& out;
  std::ostream& err;
  std::function<base::SystemTime()> now;
  std::function<Result<ControlReply>(const std::string& socket, const std::string& target)> ask;
  Host& host;
  const config::Files& files;
  // Waits until the next picture of `ps --watch` is due; false ends it.
  std::function<bool()> next_picture;
};

// `args` begins with the command's name.
int run_cli(const std::vector<std::string>& args, CliWorld& world);

// argv[1] is the command.
int cli_main(int argc, char** argv);

}  // namespace keelson::agent
