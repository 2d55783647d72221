#include "agent/images/image_name.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

namespace keelson::agent {
namespace {

constexpr std::size_t kIdentityDigits = 64;

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

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Of an algorithm that registries use, with its number of digits.
bool is_digest(std::string_view text) {
  constexpr std::pair<std::string_view, std::size_t> kAlgorithms[] = {{"sha256", 64}, {"sha384", 96}, {"sha512", 128}};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view hex = text.substr(colon + 1);
  return is_lower_hex(hex) && std::any_of(std::begin(kAlgorithms), std::end(kAlgorithms), [&](const auto& known) {
           return known.first == text.substr(0, colon) && known.second == hex.size();
         });
}

bool first_part_is_host(std::string_view first) {
  return first.find_first_of(".:[") != std::string_view::npos || first == "localhost" ||
         std::any_of(first.begin(), first.end(), [](char c) { return std::isupper(static_cast<unsigned char>(c)); });
}

// A reference in its parts; what is not given is empty.
struct ImageName {
  std::string_view registry;
  std::string_view path;
  std::string_view tag;
  std::string_view digest;
};

Result<ImageName> parse(std::string_view image) {
  const auto bad = [&](std::string_view why) {
    return Error(ErrorKind::invalid, "couldn't parse image name \"" + std::string(image) + "\": " + std::string(why));
  };
  // It could be the identity of an image.
  if (image.size() == kIdentityDigits && is_lower_hex(image)) return bad("64 hexadecimal digits are no name");
  ImageName name;
  std::string_view rest = image;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    name.digest = rest.substr(at + 1);
    if (!is_digest(name.digest)) return bad("invalid digest, expected algorithm:hex, as sha256 with 64 digits");
    rest = rest.substr(0, at);
  }
  const auto last_slash = rest.find_last_of('/');
  const auto colon = rest.find_last_of(':');
  if (colon != std::string_view::npos && (last_slash == std::string_view::npos || colon > last_slash)) {
    name.tag = rest.substr(colon + 1);
    if (!is_tag(name.tag)) return bad("invalid tag");
    rest = rest.substr(0, colon);
  }
  if (rest.empty()) return bad("invalid reference format");
  if (const auto slash = rest.find('/'); slash != std::string_view::npos && first_part_is_host(rest.substr(0, slash))) {
    name.registry = rest.substr(0, slash);
    if (!is_host(name.registry)) return bad("invalid registry host");
    rest = rest.substr(slash + 1);
  }
  name.path = rest;
  while (true) {
    const auto slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (!is_path_component(part)) {
      const bool upper = std::any_of(part.begin(), part.end(), [](unsigned char c) { return std::isupper(c); });
      return bad(upper ? "invalid reference format: repository name must be lowercase" : "invalid reference format");
    }
    if (slash == std::string_view::npos) return name;
    rest = rest.substr(slash + 1);
  }
}

// Images without a registry, and those of its old name, are the Docker Hub's; its images without a user are "library".
std::string repository_of(const ImageName& name) {
  const bool hub = name.registry.empty() || name.registry == "docker.io" || name.registry == "index.docker.io";
  std::string repository = hub ? "docker.io/" : std::string(name.registry) + "/";
  if (hub && name.path.find('/') == std::string_view::npos) repository += "library/";
  return repository + std::string(name.path);
}

}  // namespace

Result<std::string> with_default_tag(std::string_view image) {
  const auto name = parse(image);
  if (!name.ok()) return name.error();
  const bool complete = !name.value().tag.empty() || !name.value().digest.empty();
  return complete ? std::string(image) : std::string(image) + ":latest";
}

Result<std::string> normal_repository(std::string_view image) {
  const auto name = parse(image);
  if (!name.ok()) return name.error();
  return repository_of(*name);
}

Result<std::string> normal_reference(std::string_view image) {
  const auto name = parse(image);
  if (!name.ok()) return name.error();
  const std::string repository = repository_of(*name);
  if (!name.value().digest.empty()) return repository + "@" + std::string(name.value().digest);
  return repository + ":" + (name.value().tag.empty() ? "latest" : std::string(name.value().tag));
}

}  // namespace keelson::agent
