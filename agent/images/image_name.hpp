// Image references as far as the node reads them.
//
// Pure. Source: contract 02 §16.1 (default tag, default pull policy, InvalidImageName), §16.2 (normalised names).
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::agent {

// The name as it is sent to the runtime: `:latest` appended when it has neither tag nor digest. `invalid` when it
// cannot be parsed.
Result<std::string> with_default_tag(std::string_view image);

// The repository as runtimes name it, without tag and digest: "busybox" is "docker.io/library/busybox".
Result<std::string> normal_repository(std::string_view image);
// The same with its digest, or its tag where it has none: "busybox" is "docker.io/library/busybox:latest".
Result<std::string> normal_reference(std::string_view image);

}  // namespace keelson::agent
