#include "api/yaml_scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "api/base64.hpp"
#include "api/json_text.hpp"

namespace keelson::api::internal {
namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

struct Word {
  std::string_view text;
  Node::Kind kind;
  bool value;
};

constexpr std::array kWords = {
    Word{"y", Node::Kind::boolean, true},      Word{"Y", Node::Kind::boolean, true},
    Word{"yes", Node::Kind::boolean, true},    Word{"Yes", Node::Kind::boolean, true},
    Word{"YES", Node::Kind::boolean, true},    Word{"true", Node::Kind::boolean, true},
    Word{"True", Node::Kind::boolean, true},   Word{"TRUE", Node::Kind::boolean, true},
    Word{"on", Node::Kind::boolean, true},     Word{"On", Node::Kind::boolean, true},
    Word{"ON", Node::Kind::boolean, true},     Word{"n", Node::Kind::boolean, false},
    Word{"N", Node::Kind::boolean, false},     Word{"no", Node::Kind::boolean, false},
    Word{"No", Node::Kind::boolean, false},    Word{"NO", Node::Kind::boolean, false},
    Word{"false", Node::Kind::boolean, false}, Word{"False", Node::Kind::boolean, false},
    Word{"FALSE", Node::Kind::boolean, false}, Word{"off", Node::Kind::boolean, false},
    Word{"Off", Node::Kind::boolean, false},   Word{"OFF", Node::Kind::boolean, false},
    Word{"", Node::Kind::null, false},         Word{"~", Node::Kind::null, false},
    Word{"null", Node::Kind::null, false},     Word{"Null", Node::Kind::null, false},
    Word{"NULL", Node::Kind::null, false},
};

constexpr std::array<std::string_view, 12> kNotFinite = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                                         "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// Digits of any base as decimal text without leading zeros.
std::string to_decimal(std::string_view digits, int base) {
  std::string reversed = "0";
  for (const char c : digits) {
    int carry = digit_value(c);
    for (char& d : reversed) {
      carry += (d - '0') * base;
      d = static_cast<char>('0' + carry % 10);
      carry /= 10;
    }
    for (; carry > 0; carry /= 10) reversed += static_cast<char>('0' + carry % 10);
  }
  while (reversed.size() > 1 && reversed.back() == '0') reversed.pop_back();
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

bool fits_64_bits(std::string_view decimal, bool negative) {
  const char* end = decimal.data() + decimal.size();
  std::uint64_t value = 0;
  const auto read = std::from_chars(decimal.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return false;
  return !negative || value <= std::uint64_t{1} << 63;
}

// [sign] [0x|0o|0b|0] digits; decimal numbers beyond 64 bits are left to the float rule, as in Go.
std::optional<std::string> whole_number(std::string_view plain) {
  bool negative = false;
  if (!plain.empty() && (plain.front() == '-' || plain.front() == '+')) {
    negative = plain.front() == '-';
    plain.remove_prefix(1);
  }
  int base = 10;
  bool marked = false;  // by a letter, so that it can be nothing but a whole number
  if (plain.size() > 1 && plain[0] == '0') {
    const char mark = static_cast<char>(plain[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    marked = mark == 'x' || mark == 'b' || mark == 'o';
    plain.remove_prefix(marked ? 2 : 1);
  }
  constexpr std::size_t kLongest = 200;
  if (plain.empty() || plain.size() > kLongest) return std::nullopt;
  if (std::any_of(plain.begin(), plain.end(), [&](char c) { return digit_value(c) >= base; })) return std::nullopt;
  const std::string decimal = to_decimal(plain, base);
  if (!marked && !fits_64_bits(decimal, negative)) return std::nullopt;
  return negative && decimal != "0" ? "-" + decimal : decimal;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool is_float_text(std::string_view text) {
  std::size_t pos = 0;
  const auto digits = [&] {
    const std::size_t from = pos;
    while (pos < text.size() && is_digit(text[pos])) ++pos;
    return pos - from;
  };
  if (pos < text.size() && (text[pos] == '-' || text[pos] == '+')) ++pos;
  const std::size_t whole = digits();
  if (pos < text.size() && text[pos] == '.') {
    ++pos;
    if (digits() == 0 && whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (pos < text.size() && (text[pos] == 'e' || text[pos] == 'E')) {
    ++pos;
    if (pos < text.size() && (text[pos] == '-' || text[pos] == '+')) ++pos;
    if (digits() == 0) return false;
  }
  return pos == text.size();
}

std::optional<double> float_number(std::string_view plain) {
  if (!is_float_text(plain)) return std::nullopt;
  if (plain.front() == '+') plain.remove_prefix(1);
  double value = 0;
  const auto read = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (read.ec == std::errc::result_out_of_range) {
    // Too small is zero in Go; too large is no number at all.
    value = std::strtod(std::string(plain).c_str(), nullptr);
    if (std::isinf(value)) return std::nullopt;
    return value;
  }
  if (read.ec != std::errc() || read.ptr != plain.data() + plain.size()) return std::nullopt;
  return value;
}

void set_float(Node& node, double value) {
  node.text = format_double(value);
  node.kind = is_integer_text(node.text) ? Node::Kind::integer : Node::Kind::floating;
}

Error not_finite(std::string_view text) {
  return Error(ErrorKind::invalid, "number " + std::string(text) + " has no meaning here: expected a finite number");
}

// Without a tag: what the text looks like.
Status resolve_plain(std::string_view text, Node& node) {
  const char first = text.empty() ? '~' : text.front();
  const auto word = std::find_if(kWords.begin(), kWords.end(), [&](const Word& w) { return w.text == text; });
  if (word != kWords.end()) {
    node.kind = word->kind;
    node.boolean = word->value;
    return {};
  }
  if (std::find(kNotFinite.begin(), kNotFinite.end(), text) != kNotFinite.end()) return not_finite(text);
  if (is_digit(first) || first == '-' || first == '+' || first == '.') {
    std::string plain(text);
    if (first != '.') std::erase(plain, '_');
    if (const auto whole = first == '.' ? std::nullopt : whole_number(plain)) {
      node.kind = Node::Kind::integer;
      node.text = *whole;
      return {};
    }
    if (const auto number = float_number(plain)) {
      set_float(node, *number);
      return {};
    }
  }
  node.kind = Node::Kind::string;
  node.text = text;
  return {};
}

Status mismatch(std::string_view text, std::string_view tag) {
  return Error(ErrorKind::invalid,
               "value \"" + std::string(text) + "\" is not what its tag !!" + std::string(tag) + " says");
}

}  // namespace

Status resolve_scalar(std::string_view tag, std::string_view text, Node& node) {
  if (tag == "?" || tag.empty()) return resolve_plain(text, node);
  const std::string_view kind = tag.starts_with(kTagPrefix) ? tag.substr(kTagPrefix.size()) : std::string_view();
  if (kind == "binary") {
    auto bytes = base64_decode(text);
    if (!bytes || !is_utf8(*bytes)) return Error(ErrorKind::invalid, "!!binary value is not base64 of UTF-8 text");
    node.kind = Node::Kind::string;
    node.text = std::move(*bytes);
    return {};
  }
  if (kind == "bool" || kind == "int" || kind == "float" || kind == "null") {
    KEELSON_TRY(resolve_plain(text, node));
    const bool number = node.kind == Node::Kind::integer || node.kind == Node::Kind::floating;
    const bool fits = kind == "bool"   ? node.kind == Node::Kind::boolean
                      : kind == "null" ? node.kind == Node::Kind::null
                      : kind == "int"  ? node.kind == Node::Kind::integer
                                       : number;
    if (!fits) return mismatch(text, kind);
    return {};
  }
  // Quoted, !!str, !!timestamp and tags nobody knows.
  node.kind = Node::Kind::string;
  node.text = text;
  return {};
}

bool resolves_to_other_than_string(std::string_view text) {
  Node node;
  return !resolve_plain(text, node).ok() || node.kind != Node::Kind::string;
}

}  // namespace keelson::api::internal
