#include "agent/images/image_name.hpp"

#include <algorithm>
#include <cctype>

namespace keelson::agent {
namespace {

bool is_alnum_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// lower-case letters and digits, separated by one `.`, one or two `_`, or any number of `-`.
bool is_path_component(std::string_view text) {
  if (text.empty() || !is_alnum_lower(text.front()) || !is_alnum_lower(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_alnum_lower(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    const std::size_t run = end - i;
    const bool fine = text[i] == '-' || (text[i] == '.' && run == 1) || (text[i] == '_' && run <= 2);
    if (!fine || (end < text.size() && !is_alnum_lower(text[end]))) return false;
    i = end;
  }
  return true;
}

bool is_host_label(std::string_view text) {
  if (text.empty() || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-'; });
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return std::isdigit(static_cast<unsigned char>(c)); });
}

bool is_host(std::string_view text) {
  if (!text.empty() && text.front() == '[') {  // an IPv6 address
    const auto close = text.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view rest = text.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_digits(rest.substr(1)));
  }
  const auto colon = text.find(':');
  if (colon != std::string_view::npos) {
    if (!is_digits(text.substr(colon + 1))) return false;
    text = text.substr(0, colon);
  }
  while (true) {
    const auto dot = text.find('.');
    if (!is_host_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text = text.substr(dot + 1);
  }
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && is_word(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view hex = text.substr(colon + 1);
  return hex.size() >= 32 &&
         std::all_of(hex.begin(), hex.end(), [](char c) { return std::isxdigit(static_cast<unsigned char>(c)); });
}

bool first_part_is_host(std::string_view first) {
  return first.find_first_of(".:[") != std::string_view::npos || first == "localhost" ||
         std::any_of(first.begin(), first.end(), [](char c) { return std::isupper(static_cast<unsigned char>(c)); });
}

}  // namespace

Result<std::string> with_default_tag(std::string_view image) {
  const auto bad = [&](std::string_view why) {
    return Error(ErrorKind::invalid, "couldn't parse image name \"" + std::string(image) + "\": " + std::string(why));
  };
  std::string_view rest = image;
  bool tagged = false;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    if (!is_digest(rest.substr(at + 1))) return bad("invalid digest, expected algorithm:hex");
    tagged = true;
    rest = rest.substr(0, at);
  }
  const auto last_slash = rest.find_last_of('/');
  const auto colon = rest.find_last_of(':');
  if (colon != std::string_view::npos && (last_slash == std::string_view::npos || colon > last_slash)) {
    if (!is_tag(rest.substr(colon + 1))) return bad("invalid tag");
    tagged = true;
    rest = rest.substr(0, colon);
  }
  if (rest.empty()) return bad("invalid reference format");
  if (const auto slash = rest.find('/'); slash != std::string_view::npos && first_part_is_host(rest.substr(0, slash))) {
    if (!is_host(rest.substr(0, slash))) return bad("invalid registry host");
    rest = rest.substr(slash + 1);
  }
  while (true) {
    const auto slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (!is_path_component(part)) {
      const bool upper = std::any_of(part.begin(), part.end(), [](unsigned char c) { return std::isupper(c); });
      return bad(upper ? "invalid reference format: repository name must be lowercase" : "invalid reference format");
    }
    if (slash == std::string_view::npos) break;
    rest = rest.substr(slash + 1);
  }
  return tagged ? std::string(image) : std::string(image) + ":latest";
}

}  // namespace keelson::agent
