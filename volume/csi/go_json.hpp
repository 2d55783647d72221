// JSON as Go writes it where a driver or another agent reads it: map keys sorted, `<`, `>` and `&` escaped, no blanks.
//
// Pure functions, any thread. Source: contract 04 §21; Go's encoding/json.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace keelson::volume {

std::string go_json_string(std::string_view text);
std::string go_json_map(const std::map<std::string, std::string>& map);

}  // namespace keelson::volume
