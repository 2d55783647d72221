// The way in: from a command line to a validated configuration, a text to print, or all that is wrong.
//
// Pure but for what `Files` reads. Call once at start, before the loop runs. Order of precedence: defaults, the file of
// --config, drop-ins of --config-dir in lexical order, flags that were given. Without --config the defaults are the
// older ones of flags.
//
// Source: contract 01 §1, §3, §4.4.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/configuration.hpp"
#include "config/files.hpp"

namespace keelson::config {

// Start with this. `warnings` are one line each: deprecated flags, unknown fields, what has no effect.
struct Run {
  Configuration configuration;
  std::vector<std::string> warnings;
};

// Print and exit: --help, --version, a --check-config that found nothing.
struct Print {
  std::string text;  // ends with a newline
  int exit_code = 0;
  std::vector<std::string> warnings;
};

// Do not start: every problem, one line each. `warnings` as above.
struct Refuse {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

using Outcome = std::variant<Run, Print, Refuse>;

// `args` without the program's name.
Outcome load(const std::vector<std::string>& args, const Files& files);

}  // namespace keelson::config
