// Base64, standard alphabet with padding: `bytes` fields in JSON (Secret.data, caBundle).
//
// Pure functions, any thread. Reading allows line breaks, as Go does; anything else that is not base64 is `invalid`.
// Source: contract 05a "JSON <-> protobuf quirks" (bytes).
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::api {

std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);

}  // namespace keelson::api
