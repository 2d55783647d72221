// JSON text helpers shared by the document reader and the codec: quoting, numbers as Go writes them, UTF-8 checks.
//
// Pure functions, any thread; internal to api. Source: contract 05a; Go's encoding/json number format.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "api/document.hpp"

namespace keelson::api {

// Appends `text` in double quotes. Bytes that are not UTF-8 become U+FFFD, as Go's writer does.
void append_quoted(std::string& out, std::string_view text);
// The shortest text that reads back as the same double, exponent form below 1e-6 and from 1e21 on.
std::string format_double(double value);
// A whole number in digits with an optional '-'.
bool is_integer_text(std::string_view text);
// Length of the UTF-8 character at `pos`, 0 when it is not valid (overlong, surrogate, beyond U+10FFFF, cut).
std::size_t utf8_length(std::string_view text, std::size_t pos);
bool is_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);

// Two spaces per level, one key per line.
std::string to_pretty_json(const Node& node);
// Block style, keys sorted, lists at the level of their key: what `kubectl get -o yaml` looks like.
std::string to_yaml(const Node& node);

// "line 3, column 7: ", or nothing for an unknown position.
std::string prefix(Position at);
// What was found, for messages: `string "abc"`, `number 5`, `object`, `null`; long text is cut.
std::string describe(const Node& node);

}  // namespace keelson::api
