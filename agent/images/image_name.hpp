// Image references as far as the node reads them.
//
// Pure. Source: contract 02 §16.1 (default tag, default pull policy, InvalidImageName).
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::agent {

// The name as it is sent to the runtime: `:latest` appended when it has neither tag nor digest. `invalid` when it
// cannot be parsed.
Result<std::string> with_default_tag(std::string_view image);

}  // namespace keelson::agent
