// Whole numbers as Go's strconv reads them in base 10. Pure, any thread. Source: Go, package strconv.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace keelson::node_api {

// `function` ("ParseInt", "Atoi") stands in the error, whose message is Go's own:
// `strconv.Atoi: parsing "x": invalid syntax`. `bits` is 32 or 64.
Result<std::int64_t> go_integer(std::string_view text, std::string_view function, int bits = 64);

}  // namespace keelson::node_api
