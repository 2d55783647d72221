#include "base/go_text.hpp"

#include <cctype>
#include <cstring>

namespace keelson::base {
namespace {

constexpr std::size_t kMost = 1024;

// The length of the valid UTF-8 character that begins at `at`, 0 when there is none.
std::size_t character(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (size == 0 || first >= 0xf5 || at + size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool outside = (first == 0xed && byte(1) >= 0xa0) || (first == 0xf4 && byte(1) >= 0x90);
  return overlong || outside ? 0 : size;
}

void append_escaped(std::string& out, char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  constexpr std::string_view kNamed = "\a\b\f\n\r\t\v";
  if (const std::size_t at = kNamed.find(c); at != std::string_view::npos) {
    out += '\\';
    out += "abfnrtv"[at];
    return;
  }
  out += "\\x";
  out += kDigits[static_cast<unsigned char>(c) >> 4];
  out += kDigits[static_cast<unsigned char>(c) & 15];
}

}  // namespace

std::string go_quote(std::string_view text) {
  text = text.substr(0, kMost);
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      ++at;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
      ++at;
    } else if (const std::size_t size = byte < 0x80 ? 0 : character(text, at); size > 0) {
      out += text.substr(at, size);
      at += size;
    } else {
      append_escaped(out, c);
      ++at;
    }
  }
  return out + "\"";
}

std::string go_errno(int number) {
  std::string text = std::strerror(number);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace keelson::base
