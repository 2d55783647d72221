// Texts in the form that Go programs write, where other programs read or compare them byte by byte.
//
// Pure functions, any thread. Source: contract 02 §3 (JSON of annotations and of the hash), §3.2 (labels as lines).
#pragma once

#include <string>
#include <string_view>

namespace keelson::agent {

// A JSON string with its quotes: <, > and & as \u003c, \u003e and \u0026, invalid UTF-8 as \ufffd.
std::string go_json_string(std::string_view text);
// Go's %q: quotes, backslashes, control and unprintable characters escaped.
std::string go_quote(std::string_view text);

}  // namespace keelson::agent
