#include "agent/node_api/go_number.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

#include "base/go_text.hpp"

namespace keelson::node_api {

Result<std::int64_t> go_integer(std::string_view text, std::string_view function, int bits) {
  const auto bad = [&](const char* why) {
    return Error(ErrorKind::invalid,
                 "strconv." + std::string(function) + ": parsing " + base::go_quote(text) + ": " + why);
  };
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return bad("invalid syntax");

  const std::string_view number = negative ? text : digits;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{}) return bad("value out of range");
  using Small = std::numeric_limits<std::int32_t>;
  if (bits == 32 && (value < Small::min() || value > Small::max())) return bad("value out of range");
  return value;
}

}  // namespace keelson::node_api
