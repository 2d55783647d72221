// Resource versions: opaque texts that are decimal numbers in practice, compared as such whatever their length.
//
// Pure functions, any thread. Versions that are no numbers compare only by equality. Source: contract 01 §10; the API's
// own rules for resource versions (decimal integers that grow with every change).
#pragma once

#include <string_view>

namespace keelson::kube {

// Whether `version` is known to be from before `other`.
bool older(std::string_view version, std::string_view other);
// Older or equal.
bool not_newer(std::string_view version, std::string_view other);

}  // namespace keelson::kube
