// The two readers behind parse_document(); internal to api.
#pragma once

#include <string_view>
#include <vector>

#include "api/document.hpp"

namespace keelson::api::internal {

// One or (with `several`) any number of JSON values with blanks between.
Result<std::vector<Node>> read_json(std::string_view text, const DocumentLimits& limits, bool several);

// YAML documents in order, empty ones as null nodes. With `only_first` it stops behind the first.
Result<std::vector<Node>> read_yaml(std::string_view text, const DocumentLimits& limits, bool only_first);

Error at(Position where, std::string_view message);
// Marks duplicate keys of a finished map: earlier ones shadowed, later ones knowing where the first is.
void mark_duplicates(Node& map);

}  // namespace keelson::api::internal
