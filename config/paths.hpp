// Path texts, as Go's path/filepath treats them. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace keelson::config {

// The shortest path that means the same: no `.`, no inner `..`, no doubled or trailing `/`; "" is ".".
std::string clean_path(std::string_view path);
bool is_absolute(std::string_view path);
// Everything before the last `/`: "/etc/x.yaml" -> "/etc", "x.yaml" -> ".".
std::string folder_of(std::string_view path);
// `path` as seen from `folder` unless it is absolute; cleaned when joined.
std::string resolve_path(std::string_view folder, std::string_view path);

}  // namespace keelson::config
