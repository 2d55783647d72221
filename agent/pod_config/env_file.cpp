#include "agent/pod_config/env_file.hpp"

#include <algorithm>

namespace keelson::agent {
namespace {

constexpr std::string_view kBlanks = " \t\r";

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  int line() const { return line_; }
  bool starts_with(char c) const { return text_.starts_with(c); }
  bool at_line_end() const { return text_.empty() || text_.front() == '\n'; }

  void skip_blanks() { text_.remove_prefix(std::min(text_.find_first_not_of(kBlanks), text_.size())); }
  void skip_line() { take(std::min(text_.find('\n'), text_.size() - 1) + 1); }
  std::string_view take(std::size_t count) {
    const auto taken = text_.substr(0, count);
    text_.remove_prefix(taken.size());
    line_ += static_cast<int>(std::count(taken.begin(), taken.end(), '\n'));
    return taken;
  }
  // Up to, not including, the first of `characters`; npos when none follows.
  std::size_t distance_to(std::string_view characters) const { return text_.find_first_of(characters); }
  bool blank_follows() const { return !text_.empty() && kBlanks.find(text_.front()) != std::string_view::npos; }

 private:
  std::string_view text_;
  int line_ = 1;
};

Error bad_line(int line, std::string_view expected) {
  return {ErrorKind::invalid,
          "invalid environment file: line " + std::to_string(line) + ": expected " + std::string(expected)};
}

// What stands right behind the '='.
Result<std::string> read_value(Reader& reader) {
  if (reader.at_line_end() || reader.blank_follows()) {
    if (!reader.at_end()) reader.skip_line();
    return std::string();
  }
  const int line = reader.line();
  if (!reader.starts_with('\'')) return bad_line(line, "a value in single quotes");
  reader.take(1);
  const auto length = reader.distance_to("'");
  if (length == std::string_view::npos) return bad_line(line, "a closing single quote");
  std::string value(reader.take(length));
  reader.take(1);
  reader.skip_blanks();
  if (!reader.at_line_end() && !reader.starts_with('#')) {
    return bad_line(reader.line(), "nothing but a comment behind the closing quote");
  }
  if (!reader.at_end()) reader.skip_line();
  return value;
}

}  // namespace

Result<std::optional<std::string>> find_in_env_file(std::string_view content, std::string_view key) {
  Reader reader(content);
  while (!reader.at_end()) {
    reader.skip_blanks();
    if (reader.at_end()) break;
    if (reader.at_line_end() || reader.starts_with('#')) {
      reader.skip_line();
      continue;
    }
    const int line = reader.line();
    const auto length = reader.distance_to("=\n");
    const auto name = reader.take(length == std::string_view::npos ? content.size() : length);
    if (!reader.starts_with('=') || name.empty() || name.find_first_of(kBlanks) != std::string_view::npos) {
      return bad_line(line, "NAME='value'");
    }
    reader.take(1);
    auto value = read_value(reader);
    if (!value.ok()) return value.error();
    if (name == key) return std::optional<std::string>(std::move(value).value());
  }
  return std::optional<std::string>();
}

}  // namespace keelson::agent
