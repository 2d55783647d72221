// The grammar of image references (distribution/reference): [domain/]path[:tag][@digest].
#include <algorithm>
#include <cctype>

#include "api/pod_defaults.hpp"

namespace keelson::api {
namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Lower case words joined by one '.', one or two '_', or any number of '-'.
bool is_path_component(std::string_view text) {
  if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower_or_digit(text[i])) {
      ++i;
      continue;
    }
    const std::size_t start = i;
    while (i < text.size() && !is_lower_or_digit(text[i])) ++i;
    const auto separator = text.substr(start, i - start);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
  }
  return true;
}

bool is_path(std::string_view text) {
  for (;;) {
    const auto slash = text.find('/');
    if (!is_path_component(text.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool is_domain(std::string_view text) {
  std::string_view host = text;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(close + 1);
    if (host.empty()) return true;
    if (host.front() != ':') return false;
  }
  const auto colon = host.find(':');
  if (colon != std::string_view::npos) {
    const auto port = host.substr(colon + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
    host = host.substr(0, colon);
    if (host.empty()) return text.front() == '[';
  }
  for (;;) {
    const auto dot = host.find('.');
    const auto label = host.substr(0, dot);
    if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; })) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto hex = text.substr(colon + 1);
  return hex.size() >= 32 && std::all_of(hex.begin(), hex.end(), [](unsigned char c) { return std::isxdigit(c); });
}

bool is_repository(std::string_view text) {
  // The first component is a domain when it looks like one; "library/busybox" has none.
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto first = text.substr(0, slash);
    const bool has_upper = std::any_of(first.begin(), first.end(), [](unsigned char c) { return std::isupper(c); });
    if (first.find_first_of(".:") != std::string_view::npos || first == "localhost" || has_upper) {
      return is_domain(first) && is_path(text.substr(slash + 1));
    }
  }
  return is_path(text);
}

}  // namespace

ImageReference parse_image_reference(std::string_view image) {
  ImageReference reference;
  if (const auto at = image.find('@'); at != std::string_view::npos) {
    reference.digest = image.substr(at + 1);
    if (!is_digest(reference.digest)) return {};
    image = image.substr(0, at);
  }
  const auto slash = image.rfind('/');
  const auto colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    reference.tag = image.substr(colon + 1);
    if (!is_tag(reference.tag)) return {};
    image = image.substr(0, colon);
  }
  if (!is_repository(image)) return {};
  reference.repository = image;
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
  return reference;
}

std::string default_pull_policy(std::string_view image) {
  return parse_image_reference(image).tag == "latest" ? "Always" : "IfNotPresent";
}

}  // namespace keelson::api
