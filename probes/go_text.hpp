// Go's %q: a text in quotes as the kubelet prints it. Pure, any thread. Source: Go, package strconv.
#pragma once

#include <string>
#include <string_view>

namespace keelson::probes {

// At most the first 1024 bytes of `text`.
std::string go_quote(std::string_view text);

}  // namespace keelson::probes
