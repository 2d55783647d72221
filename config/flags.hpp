// Command-line flags: which exist, what was given, and how they are laid over the configuration file.
//
// Pure functions and values, any thread. `_` in a flag's name equals `-`; bool flags take no separate value; a repeated
// flag replaces a scalar and adds to a list or map. Every problem of the command line is reported, not just the first.
//
// Source: contract 01 §1, §3.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.hpp"
#include "config/report.hpp"

namespace keelson::config {

// Values of flags that are accepted for the sake of old command lines and do nothing.
struct IgnoredFlags {
  bool boolean = false;
  std::int64_t integer = 0;
  Duration duration{};
  std::string text;
};

enum class FlagGroup { general, api_server, node, runtime, ignored };
std::string_view to_string(FlagGroup group);

// A flag that is no field of KubeletConfiguration.
struct FlagRow {
  std::string_view name;
  Slot (*slot)(Flags&, IgnoredFlags&);
  std::string_view standard;
  FlagGroup group;
  std::string_view meaning;
  std::string_view deprecated;  // "" = not; else what the deprecation line says
};
std::span<const FlagRow> flag_rows();

// One flag, whichever table it comes from.
struct FlagSpec {
  std::string_view name;
  char shorthand = 0;
  const Field* field = nullptr;
  const FlagRow* row = nullptr;
};
// Sorted by name.
const std::vector<FlagSpec>& all_flags();
const FlagSpec* find_flag(std::string_view name);

struct ParsedFlags {
  Flags flags;
  // The values of config flags that were given.
  KubeletConfiguration values;
  std::vector<const Field*> given;
  bool help = false;
  std::optional<std::string> version;  // "true" for a bare --version
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

ParsedFlags parse_flags(const std::vector<std::string>& args);

// Overrides `configuration` with the flags that were given.
void apply_flags(const ParsedFlags& flags, KubeletConfiguration& configuration, Origins& origins);

// What --help prints.
std::string help_text();

}  // namespace keelson::config
