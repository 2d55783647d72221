// The reason phrases of HTTP, in Go's words. Pure, any thread. Source: RFC 9110 §15; Go, package net/http.
#pragma once

#include <string_view>

namespace keelson::server {

// Empty for a code that has none.
std::string_view status_text(int status);

}  // namespace keelson::server
