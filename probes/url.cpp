#include "probes/url.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

namespace keelson::probes {
namespace {

bool is_alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool starts_escape(std::string_view text, std::size_t at) {
  return text.size() - at > 2 && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0;
}

bool escapes_are_whole(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && !starts_escape(path, i)) return false;
  }
  return true;
}

bool may_be_sent(std::string_view path) {
  constexpr std::string_view kAllowed = "-_.~$&+,/:;=@!'()*[]%";
  return escapes_are_whole(path) && std::all_of(path.begin(), path.end(), [&](char c) {
           return is_alphanumeric(c) || kAllowed.find(c) != std::string_view::npos;
         });
}

std::string unescape(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      out += path[i];
    } else {
      out += static_cast<char>(hex_digit(path[i + 1]) * 16 + hex_digit(path[i + 2]));
      i += 2;
    }
  }
  return out;
}

std::string escape(std::string_view path) {
  constexpr std::string_view kKept = "-_.~$&+,/:;=@";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    if (is_alphanumeric(c) || kKept.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::string sendable(std::string_view path) { return may_be_sent(path) ? std::string(path) : escape(unescape(path)); }

void split_off(std::string_view& text, char separator, std::optional<std::string>& rest) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) return;
  rest = std::string(text.substr(at + 1));
  text = text.substr(0, at);
}

// Path, query and fragment; false when it cannot be read as such.
bool read_path(std::string_view text, Url& url) {
  if (std::any_of(text.begin(), text.end(), is_control)) return false;
  std::optional<std::string> fragment;
  std::optional<std::string> query;
  split_off(text, '#', fragment);
  split_off(text, '?', query);
  if (!escapes_are_whole(text)) return false;
  url.path = sendable(text);
  url.has_query = query.has_value();
  url.query = query.value_or("");
  url.fragment = fragment.value_or("");
  return true;
}

std::string without_dots(const std::string& path) {
  std::vector<std::string_view> kept;
  const std::string_view all = path;
  std::string_view last;
  for (std::size_t at = 1; at <= all.size();) {
    const std::size_t end = std::min(all.find('/', at), all.size());
    last = all.substr(at, end - at);
    if (last == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (last != ".") {
      kept.push_back(last);
    }
    at = end + 1;
  }
  std::string out;
  for (const auto part : kept) out += "/" + std::string(part);
  if (last == "." || last == ".." || out.empty()) out += "/";
  return out;
}

// "user@host:port"; who the user is does not go on.
bool read_authority(std::string_view text, Url& url) {
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (!port.empty() && !port.starts_with(':')) return false;
  if (!port.empty()) port.remove_prefix(1);
  if (!std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  if (host.find_first_of(" /\\<>\"") != std::string_view::npos) return false;
  url.host = std::string(host);
  url.port = std::string(port);
  return true;
}

std::optional<std::string> scheme_of(std::string_view text) {
  const std::size_t colon = text.find_first_of(":/?#");
  if (colon == std::string_view::npos || colon == 0 || text[colon] != ':') return std::nullopt;
  std::string scheme(text.substr(0, colon));
  for (char& c : scheme) {
    if (!is_alphanumeric(c) && c != '+' && c != '-' && c != '.') return std::nullopt;
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return scheme;
}

Error bad_location(std::string_view location) {
  std::string text;
  for (const char c : location) text += is_control(c) ? '?' : c;
  return Error(ErrorKind::invalid, "failed to parse Location header \"" + text + "\"");
}

}  // namespace

std::string Url::authority() const {
  const bool brackets = host.find(':') != std::string::npos;
  std::string text = brackets ? "[" + host + "]" : host;
  if (!port.empty()) text += ":" + port;
  return text;
}

std::string Url::target() const {
  std::string text = path.empty() ? "/" : path;
  if (has_query) text += "?" + query;
  return text;
}

std::string Url::text() const {
  std::string all = scheme + "://" + authority() + path;
  if (has_query) all += "?" + query;
  if (!fragment.empty()) all += "#" + fragment;
  return all;
}

std::optional<int> Url::port_number() const {
  if (port.empty()) return scheme == "https" ? 443 : 80;
  int number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65535) return std::nullopt;
  return number;
}

Url make_url(std::string scheme, std::string host, int port, std::string_view path) {
  Url url;
  url.scheme = std::move(scheme);
  url.host = std::move(host);
  url.port = std::to_string(port);
  std::string_view rest = path;
  // A path that begins like a network location is one; where it leads is ours to say.
  if (rest.starts_with("//")) rest.remove_prefix(std::min(rest.find_first_of("/?#", 2), rest.size()));
  if (!read_path(rest, url)) {
    url.path = escape(path);
    url.has_query = false;
  }
  if (!url.path.empty() && url.path.front() != '/') url.path.insert(url.path.begin(), '/');
  return url;
}

Result<Url> resolve(const Url& base, std::string_view location) {
  Url url;
  std::string_view rest = location;
  const auto scheme = scheme_of(rest);
  if (scheme) rest.remove_prefix(scheme->size() + 1);
  url.scheme = scheme.value_or(base.scheme);
  if (rest.starts_with("//")) {
    const std::size_t end = std::min(rest.find_first_of("/?#", 2), rest.size());
    if (!read_authority(rest.substr(2, end - 2), url)) return bad_location(location);
    if (!read_path(rest.substr(end), url)) return bad_location(location);
    return url;
  }
  if (scheme && !rest.starts_with('/')) return bad_location(location);  // "mailto:..."
  url.host = base.host;
  url.port = base.port;
  if (!read_path(rest, url)) return bad_location(location);
  if (url.path.empty()) {
    url.path = base.path;
    if (!url.has_query) {
      url.has_query = base.has_query;
      url.query = base.query;
    }
    return url;
  }
  if (url.path.front() != '/') url.path = base.path.substr(0, base.path.rfind('/') + 1) + url.path;
  if (url.path.front() != '/') url.path.insert(url.path.begin(), '/');
  url.path = without_dots(url.path);
  return url;
}

}  // namespace keelson::probes
