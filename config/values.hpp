// Reading, writing and comparing the value of one field, whatever its type.
//
// Pure functions, any thread. Nothing here throws on bad input: what is wrong is told in one line without the field's
// name, which the caller puts before it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/document.hpp"
#include "base/result.hpp"
#include "config/fields.hpp"

namespace keelson::config {

// Something to say about a part of a field's value. `subpath` is "" for the value itself, else "[memory.available]".
struct Remark {
  std::string subpath;
  api::Position at;
  std::string text;
  bool unknown_field = false;  // an unknown or doubled key: ignored by the lenient reading
};

struct DecodeOptions {
  // A drop-in merges into maps key by key and takes null for "remove".
  bool patch = false;
};

// Reads a document's value into `slot`. On a wrong type the slot may hold a part; remarks say what is wrong.
void decode(const api::Node& node, Slot slot, Form form, const DecodeOptions& options, std::vector<Remark>& remarks);

// Reads the text of a flag. `first`: a list or map starts anew, else the flag was repeated and adds to it.
Status parse_flag_text(std::string_view text, Slot slot, Form form, bool first);

nlohmann::json encode(Slot slot);
// Zero, empty text, zero duration: what a plain field takes for "not set". Lists and maps that are given are never
// zero.
bool is_zero(Slot slot);
// Nothing in it: what /configz leaves out.
bool is_empty(Slot slot);
void copy_value(Slot from, Slot to);
// A value as messages show it: text quoted, numbers plain, durations as 1m30s.
std::string show(Slot slot);

// Text in double quotes, control characters escaped.
std::string quote(std::string_view text);
// "a", "b" or "c"
std::string one_of(const std::vector<std::string_view>& words);
// The text with control characters escaped, so that it is one line: names of fields may hold anything.
std::string on_one_line(std::string_view text);
bool is_utf8(const std::string& text);
Result<bool> parse_bool(std::string_view text);
bool is_ip_address(const std::string& text);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

}  // namespace keelson::config
