// IntOrString: helpers for intstr.IntOrString, a number or a text such as a port name or "25%".
//
// Pure functions, any thread. Source: contract 05a (intstr.IntOrString: type 0 int, 1 string).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/proto/intstr.pb.h"
#include "base/result.hpp"

namespace keelson::api {

using IntOrString = k8s::intstr::IntOrString;

IntOrString make_int(std::int32_t value);
IntOrString make_string(std::string_view value);
// "80" becomes the number, anything else the text.
IntOrString parse_int_or_string(std::string_view text);
bool is_string(const IntOrString& value);
// The number; text is read as a decimal number, 0 when it is none (Go's IntValue).
std::int32_t int_value(const IntOrString& value);
// The number in digits, or the text.
std::string to_string(const IntOrString& value);
// A number as it is; "25%" of `total`, rounded up or down. Anything else is `invalid`.
Result<std::int32_t> scaled_value(const IntOrString& value, std::int32_t total, bool round_up);

}  // namespace keelson::api
