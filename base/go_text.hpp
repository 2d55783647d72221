// Texts as Go prints them, which users know from the kubelet. Pure, any thread. Source: Go, packages strconv and
// syscall.
#pragma once

#include <string>
#include <string_view>

namespace keelson::base {

// %q of at most the first 1024 bytes of `text`.
std::string go_quote(std::string_view text);
// "no such file or directory".
std::string go_errno(int number);

}  // namespace keelson::base
