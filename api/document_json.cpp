// A strict JSON reader that keeps positions (RFC 8259; nothing of JSON5).
#include <array>

#include "api/document_internal.hpp"
#include "api/json_text.hpp"

namespace keelson::api::internal {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class JsonReader {
 public:
  JsonReader(std::string_view text, const DocumentLimits& limits) : text_(text), limits_(limits) {}

  Result<std::vector<Node>> read_all(bool several) {
    std::vector<Node> out;
    do {
      Node node;
      KEELSON_TRY(read_value(node, 1));
      out.push_back(std::move(node));
      skip_blanks();
    } while (several && !at_end());
    if (!at_end()) return fail("expected the end of the text, found " + found() + " behind the JSON value");
    return out;
  }

 private:
  bool at_end() const { return pos_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[pos_]; }
  Position here() const { return {line_, static_cast<int>(pos_ - line_start_) + 1}; }
  Error fail(const std::string& message) const { return at(here(), message); }

  std::string found() const {
    if (at_end()) return "the end of the text";
    std::string out;
    append_quoted(out, text_.substr(pos_, std::max<std::size_t>(utf8_length(text_, pos_), 1)));
    return out;
  }

  void skip_blanks() {
    for (; !at_end(); ++pos_) {
      const char c = text_[pos_];
      if (c == '\n') {
        ++line_;
        line_start_ = pos_ + 1;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  Status read_value(Node& node, int depth) {
    skip_blanks();
    node.at = here();
    if (++nodes_ > limits_.nodes) return fail("more than " + std::to_string(limits_.nodes) + " values in one document");
    const char c = peek();
    if (c == '{' || c == '[') {
      if (depth > limits_.depth) return fail("nested deeper than " + std::to_string(limits_.depth) + " levels");
      return c == '{' ? read_object(node, depth) : read_list(node, depth);
    }
    if (c == '"') {
      node.kind = Node::Kind::string;
      return read_string(node.text);
    }
    if (c == '-' || is_digit(c)) return read_number(node);
    return read_word(node);
  }

  Status read_word(Node& node) {
    const auto take = [&](std::string_view word) {
      if (text_.substr(pos_, word.size()) != word) return false;
      pos_ += word.size();
      return true;
    };
    if (take("true") || take("false")) {
      node.kind = Node::Kind::boolean;
      node.boolean = text_[pos_ - 2] == 'u';
      return {};
    }
    if (take("null")) return {};
    return fail("expected a JSON value, found " + found());
  }

  Status read_number(Node& node) {
    const std::size_t first = pos_;
    const auto digits = [&] {
      const std::size_t from = pos_;
      while (is_digit(peek())) ++pos_;
      return pos_ > from;
    };
    node.kind = Node::Kind::integer;
    if (peek() == '-') ++pos_;
    if (peek() == '0') {
      ++pos_;
      if (is_digit(peek())) return fail("a number must not start with 0");
    } else if (!digits()) {
      return fail("expected a digit, found " + found());
    }
    if (peek() == '.') {
      node.kind = Node::Kind::floating;
      ++pos_;
      if (!digits()) return fail("expected a digit behind the decimal point, found " + found());
    }
    if (peek() == 'e' || peek() == 'E') {
      node.kind = Node::Kind::floating;
      ++pos_;
      if (peek() == '+' || peek() == '-') ++pos_;
      if (!digits()) return fail("expected a digit in the exponent, found " + found());
    }
    node.text = text_.substr(first, pos_ - first);
    return {};
  }

  bool read_hex4(char32_t& value) {
    if (pos_ + 4 > text_.size()) return false;
    value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[pos_ + i];
      char32_t digit = 0;
      if (is_digit(c)) {
        digit = c - '0';
      } else if (c >= 'a' && c <= 'f') {
        digit = c - 'a' + 10;
      } else if (c >= 'A' && c <= 'F') {
        digit = c - 'A' + 10;
      } else {
        return false;
      }
      value = value * 16 + digit;
    }
    pos_ += 4;
    return true;
  }

  // Behind "\u". A lone surrogate becomes U+FFFD, as in Go.
  Status read_unicode_escape(std::string& out) {
    char32_t c = 0;
    if (!read_hex4(c)) return fail("expected four hexadecimal digits behind \\u");
    if (c >= 0xd800 && c <= 0xdbff && text_.substr(pos_, 2) == "\\u") {
      const std::size_t back = pos_;
      char32_t low = 0;
      pos_ += 2;
      if (read_hex4(low) && low >= 0xdc00 && low <= 0xdfff) {
        append_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
        return {};
      }
      pos_ = back;
    }
    append_utf8(out, c >= 0xd800 && c <= 0xdfff ? 0xfffd : c);
    return {};
  }

  Status read_string(std::string& out) {
    static constexpr std::string_view kEscapes = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const Position start = here();
    ++pos_;
    while (true) {
      if (at_end()) return at(start, "string without a closing quote");
      const char c = text_[pos_];
      if (c == '"') {
        ++pos_;
        return {};
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return fail("control character in a string: expected it escaped (a newline is \\n)");
      }
      ++pos_;
      if (c != '\\') {
        out += c;
        continue;
      }
      const char escape = peek();
      if (escape == 'u') {
        ++pos_;
        KEELSON_TRY(read_unicode_escape(out));
        continue;
      }
      const std::size_t which = at_end() ? std::string_view::npos : kEscapes.find(escape);
      if (which == std::string_view::npos)
        return fail("unknown escape: expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
      out += kMeanings[which];
      ++pos_;
    }
  }

  Status read_list(Node& node, int depth) {
    node.kind = Node::Kind::list;
    ++pos_;
    skip_blanks();
    if (peek() == ']') {
      ++pos_;
      return {};
    }
    while (true) {
      node.items.emplace_back();
      KEELSON_TRY(read_value(node.items.back(), depth + 1));
      skip_blanks();
      const char c = peek();
      if (c != ',' && c != ']') return fail("expected ',' or ']' in a list, found " + found());
      ++pos_;
      if (c == ']') return {};
    }
  }

  Status read_object(Node& node, int depth) {
    node.kind = Node::Kind::map;
    ++pos_;
    skip_blanks();
    if (peek() == '}') {
      ++pos_;
      return {};
    }
    while (true) {
      skip_blanks();
      if (peek() != '"')
        return fail("expected a field name in double quotes, found " + found() +
                    " (text that starts with '{' is read as JSON)");
      node.entries.emplace_back();
      Node::Entry& entry = node.entries.back();
      entry.at = here();
      KEELSON_TRY(read_string(entry.key));
      skip_blanks();
      if (peek() != ':') return fail("expected ':' behind a field name, found " + found());
      ++pos_;
      KEELSON_TRY(read_value(entry.value, depth + 1));
      skip_blanks();
      const char c = peek();
      if (c != ',' && c != '}') return fail("expected ',' or '}' in an object, found " + found());
      ++pos_;
      if (c == '}') break;
    }
    mark_duplicates(node);
    return {};
  }

  std::string_view text_;
  const DocumentLimits& limits_;
  std::size_t pos_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
  std::size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<Node>> read_json(std::string_view text, const DocumentLimits& limits, bool several) {
  return JsonReader(text, limits).read_all(several);
}

}  // namespace keelson::api::internal
