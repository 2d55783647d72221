#include "agent/pod_config/go_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace keelson::agent {
namespace {

struct Rune {
  char32_t value = 0;
  std::size_t length = 1;
};

// The first character of a non-empty text; nothing when it is not valid UTF-8.
std::optional<Rune> decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return Rune{first, 1};
  struct Form {
    unsigned char mask, lead;
    std::size_t length;
    char32_t min;
  };
  static constexpr std::array<Form, 3> kForms{
      {{0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}}};
  for (const auto& form : kForms) {
    if ((first & form.mask) != form.lead) continue;
    if (text.size() < form.length) return std::nullopt;
    char32_t value = first & static_cast<unsigned char>(~form.mask);
    for (std::size_t i = 1; i < form.length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
      value = (value << 6) | (byte(i) & 0x3fu);
    }
    if (value < form.min || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return std::nullopt;
    return Rune{value, form.length};
  }
  return std::nullopt;
}

std::string hex(const char* format, unsigned value) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

// Characters beyond ASCII that have no glyph: controls, separators, format characters, private use. Code points that
// Unicode has not assigned are taken as printable.
bool is_printable(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr std::array<Range, 17> kUnprintable{{{0x7f, 0xa0},
                                                       {0xad, 0xad},
                                                       {0x600, 0x605},
                                                       {0x61c, 0x61c},
                                                       {0x6dd, 0x6dd},
                                                       {0x70f, 0x70f},
                                                       {0x1680, 0x1680},
                                                       {0x180e, 0x180e},
                                                       {0x2000, 0x200f},
                                                       {0x2028, 0x202f},
                                                       {0x205f, 0x206f},
                                                       {0x3000, 0x3000},
                                                       {0xd800, 0xf8ff},
                                                       {0xfeff, 0xfeff},
                                                       {0xfff0, 0xfffb},
                                                       {0xfffe, 0xffff},
                                                       {0xe0000, 0x10ffff}}};
  if (c < 0x20) return false;
  return std::none_of(kUnprintable.begin(), kUnprintable.end(),
                      [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// The letter of a one-letter escape, 0 when there is none.
char escape_letter(char c, std::string_view characters, std::string_view letters) {
  const auto at = characters.find(c);
  return at == std::string_view::npos ? '\0' : letters[at];
}

}  // namespace

std::string go_json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto rune = decode(text);
    if (!rune) {
      out += "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    const char c = text[0];
    if (const char letter = escape_letter(c, "\"\\\b\f\n\r\t", "\"\\bfnrt"); rune->length == 1 && letter != 0) {
      out += '\\';
      out += letter;
    } else if (rune->value < 0x20 || c == '<' || c == '>' || c == '&' || rune->value == 0x2028 ||
               rune->value == 0x2029) {
      out += hex("\\u%04x", rune->value);
    } else {
      out += text.substr(0, rune->length);
    }
    text.remove_prefix(rune->length);
  }
  return out + "\"";
}

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto rune = decode(text);
    if (!rune) {
      out += hex("\\x%02x", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    const char c = text[0];
    if (const char letter = escape_letter(c, "\"\\\a\b\f\n\r\t\v", "\"\\abfnrtv"); rune->length == 1 && letter != 0) {
      out += '\\';
      out += letter;
    } else if (is_printable(rune->value)) {
      out += text.substr(0, rune->length);
    } else if (rune->value < 0x80) {
      out += hex("\\x%02x", rune->value);
    } else if (rune->value < 0x10000) {
      out += hex("\\u%04x", rune->value);
    } else {
      out += hex("\\U%08x", rune->value);
    }
    text.remove_prefix(rune->length);
  }
  return out + "\"";
}

}  // namespace keelson::agent
