// Files of environment variables that fileKeyRef reads.
//
// Lines `NAME='value'`: the value only in single quotes, where it may span lines; blank lines and those that begin with
// '#' are ignored, as are blanks at the start of a line and blanks or a comment behind the closing quote. Pure, any
// thread. Source: contract 02 §3.2 fileKeyRef.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::agent {

// The first value of `key`; nothing when the file has none. `invalid` names the line that cannot be read.
Result<std::optional<std::string>> find_in_env_file(std::string_view content, std::string_view key);

}  // namespace keelson::agent
