#include "api/json_text.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace keelson::api {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

void append_escaped(std::string& out, unsigned char c) {
  constexpr std::string_view hex = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  out += "\\u00";
  out += hex[c >> 4];
  out += hex[c & 15];
}

void write(std::string& out, const Node& node, int indent) {
  const bool pretty = indent >= 0;
  const int inner = pretty ? indent + 1 : -1;
  const auto line = [&](int level) {
    if (pretty) out.append("\n").append(static_cast<std::size_t>(level) * 2, ' ');
  };
  switch (node.kind) {
    case Node::Kind::null: out += "null"; return;
    case Node::Kind::boolean: out += node.boolean ? "true" : "false"; return;
    case Node::Kind::integer:
    case Node::Kind::floating: out += node.text; return;
    case Node::Kind::string: append_quoted(out, node.text); return;
    case Node::Kind::list: {
      out += '[';
      bool first = true;
      for (const Node& item : node.items) {
        if (!first) out += ',';
        first = false;
        line(inner);
        write(out, item, inner);
      }
      if (!first) line(indent);
      out += ']';
      return;
    }
    case Node::Kind::map: break;
  }
  out += '{';
  bool first = true;
  for (const Node::Entry& entry : node.entries) {
    if (entry.shadowed) continue;
    if (!first) out += ',';
    first = false;
    line(inner);
    append_quoted(out, entry.key);
    out += pretty ? ": " : ":";
    write(out, entry.value, inner);
  }
  if (!first) line(indent);
  out += '}';
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t pos) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[pos + i]); };
  const auto tail = [&](std::size_t i) { return pos + i < text.size() && (byte(i) & 0xc0) == 0x80; };
  if (pos >= text.size()) return 0;
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
    if (lead == 0xed && byte(1) >= 0xa0) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (lead == 0xf0 && byte(1) < 0x90) return 0;   // overlong
    if (lead == 0xf4 && byte(1) >= 0x90) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t length = utf8_length(text, pos);
    if (length == 0) return false;
    pos += length;
  }
  return true;
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t pos = 0; pos < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[pos]);
    if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
      append_escaped(out, c);
      ++pos;
      continue;
    }
    const std::size_t length = utf8_length(text, pos);
    if (length == 0) {
      out += kReplacement;
      ++pos;
      continue;
    }
    out.append(text, pos, length);
    pos += length;
  }
  out += '"';
}

std::string format_double(double value) {
  std::array<char, 64> buffer{};
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-6 || size >= 1e21)) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
    std::string text(buffer.data(), end.ptr);
    // Go writes e-7, not e-07.
    const std::size_t e = text.find("e-0");
    if (e != std::string::npos) text.erase(e + 2, 1);
    return text;
  }
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return std::string(buffer.data(), end.ptr);
}

bool is_integer_text(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string to_json(const Node& node) {
  std::string out;
  write(out, node, -1);
  return out;
}

std::string to_pretty_json(const Node& node) {
  std::string out;
  write(out, node, 0);
  return out;
}

std::string prefix(Position at) {
  if (!at.known()) return "";
  return "line " + std::to_string(at.line) + ", column " + std::to_string(at.column) + ": ";
}

std::string describe(const Node& node) {
  constexpr std::size_t kLongest = 60;
  switch (node.kind) {
    case Node::Kind::boolean: return node.boolean ? "boolean true" : "boolean false";
    case Node::Kind::integer:
    case Node::Kind::floating: return "number " + node.text.substr(0, kLongest);
    case Node::Kind::string: {
      std::size_t cut = std::min(node.text.size(), kLongest);
      while (cut < node.text.size() && cut > 0 && (static_cast<unsigned char>(node.text[cut]) & 0xc0) == 0x80) --cut;
      std::string out = "string ";
      append_quoted(out, std::string_view(node.text).substr(0, cut));
      if (cut < node.text.size()) out += "...";
      return out;
    }
    default: return std::string(node.kind_name());
  }
}

}  // namespace keelson::api
