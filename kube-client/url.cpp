#include "kube-client/url.hpp"

#include <algorithm>
#include <cctype>

#include "kube-client/x509.hpp"

namespace keelson::kube {
namespace {

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  int number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + (c - '0');
  }
  return number >= 1 && number <= 65535;
}

bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c >= 0x80;
  });
}

Status split_authority(std::string_view authority, Url& url) {
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    url.user_info = std::string(authority.substr(0, at));
    authority.remove_prefix(at + 1);
  }
  std::string_view rest;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad("the host lacks its ']'");
    url.host = canonical_ip(std::string(authority.substr(1, end - 1)));
    if (url.host.empty() || url.host.find(':') == std::string::npos) {
      return bad("the host in brackets is no IPv6 address");
    }
    rest = authority.substr(end + 1);
  } else {
    const std::size_t colon = authority.find(':');
    const std::string_view host = authority.substr(0, colon);
    if (!is_name(host)) return bad("\"" + std::string(host) + "\" is no host name or address");
    url.host = lower(host);
    if (colon != std::string_view::npos) rest = authority.substr(colon);
  }
  if (url.host.empty()) return bad("there is no host in it");
  if (rest.empty() || rest == ":") return {};
  if (!rest.starts_with(':') || !is_port(rest.substr(1))) {
    return bad("\"" + std::string(rest) + "\" is no port, expected :1 to :65535");
  }
  url.port = std::string(rest.substr(1));
  return {};
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const auto is_space = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_space)) return bad("there is white space in it");
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) {
    return bad("expected scheme://host[:port][/path]");
  }
  Url url;
  url.scheme = lower(text.substr(0, scheme_end));
  text.remove_prefix(scheme_end + 3);
  text = text.substr(0, text.find('#'));
  const std::size_t query = text.find('?');
  if (query != std::string_view::npos) {
    url.query = std::string(text.substr(query + 1));
    text = text.substr(0, query);
  }
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    url.path = std::string(text.substr(slash));
    text = text.substr(0, slash);
  }
  KEELSON_TRY(split_authority(text, url));
  return url;
}

std::string join_host_port(const std::string& host, const std::string& port) {
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + port;
}

}  // namespace keelson::kube
