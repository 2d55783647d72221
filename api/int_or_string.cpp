#include "api/int_or_string.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace keelson::api {
namespace {

constexpr std::int64_t kInt = 0;
constexpr std::int64_t kString = 1;

std::optional<std::int32_t> number(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  std::int32_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

IntOrString make_int(std::int32_t value) {
  IntOrString out;
  out.set_type(kInt);
  out.set_intval(value);
  return out;
}

IntOrString make_string(std::string_view value) {
  IntOrString out;
  out.set_type(kString);
  out.set_strval(std::string(value));
  return out;
}

IntOrString parse_int_or_string(std::string_view text) {
  const auto value = number(text);
  return value ? make_int(*value) : make_string(text);
}

bool is_string(const IntOrString& value) { return value.type() == kString; }

std::int32_t int_value(const IntOrString& value) {
  return is_string(value) ? number(value.strval()).value_or(0) : value.intval();
}

std::string to_string(const IntOrString& value) {
  return is_string(value) ? value.strval() : std::to_string(value.intval());
}

Result<std::int32_t> scaled_value(const IntOrString& value, std::int32_t total, bool round_up) {
  if (!is_string(value)) return value.intval();
  std::string_view text = value.strval();
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const auto share = number(text);
  if (!percent || !share) {
    return Error(ErrorKind::invalid, "invalid value \"" + value.strval() + "\": expected a number or a percentage");
  }
  const std::int64_t product = static_cast<std::int64_t>(*share) * total;
  // Up and down as on the number line, so that -0.5 rounds to 0 and -1.
  std::int64_t result = product / 100;
  if (product % 100 > 0 && round_up) ++result;
  if (product % 100 < 0 && !round_up) --result;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(result, std::numeric_limits<std::int32_t>::min(),
                                                            std::numeric_limits<std::int32_t>::max()));
}

}  // namespace keelson::api
