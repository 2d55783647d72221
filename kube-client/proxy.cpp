#include "kube-client/proxy.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "kube-client/x509.hpp"

namespace keelson::kube {
namespace {

struct Address {
  std::array<unsigned char, 16> bytes{};
  std::size_t size = 0;
};

std::optional<Address> parse_address(const std::string& text) {
  Address address;
  for (const auto& [family, size] : {std::pair<int, std::size_t>{AF_INET, 4}, {AF_INET6, 16}}) {
    if (::inet_pton(family, text.c_str(), address.bytes.data()) != 1) continue;
    address.size = size;
    return address;
  }
  return std::nullopt;
}

bool is_loopback(const Address& address) {
  if (address.size == 4) return address.bytes[0] == 127;
  return std::all_of(address.bytes.begin(), address.bytes.end() - 1, [](unsigned char b) { return b == 0; }) &&
         address.bytes[15] == 1;
}

// `text` is "address/bits".
bool network_holds(const std::string& text, const Address& address) {
  const std::size_t slash = text.find('/');
  const auto network = parse_address(text.substr(0, slash));
  std::size_t bits = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
  if (!network || network->size != address.size || parsed.ec != std::errc() || parsed.ptr != end) return false;
  if (bits > address.size * 8) return false;
  for (std::size_t i = 0; i < bits; ++i) {
    const unsigned char mask = static_cast<unsigned char>(0x80u >> (i % 8));
    if ((network->bytes[i / 8] & mask) != (address.bytes[i / 8] & mask)) return false;
  }
  return true;
}

// One entry of NO_PROXY, blanks removed, in lower case.
bool excepts(std::string entry, const std::string& host, const std::string& port,
             const std::optional<Address>& address) {
  if (entry == "*") return true;
  if (entry.find('/') != std::string::npos) return address.has_value() && network_holds(entry, *address);
  std::string only_port;
  if (entry.starts_with('[')) {
    const std::size_t end = entry.find(']');
    if (end == std::string::npos) return false;
    if (entry.compare(end + 1, 1, ":") == 0) only_port = entry.substr(end + 2);
    entry = entry.substr(1, end - 1);
  } else if (std::count(entry.begin(), entry.end(), ':') == 1) {
    only_port = entry.substr(entry.find(':') + 1);
    entry = entry.substr(0, entry.find(':'));
  }
  if (entry.empty() || (!only_port.empty() && only_port != port)) return false;
  const std::string as_address = canonical_ip(entry);
  if (!as_address.empty()) return as_address == host;
  if (entry.starts_with("*.")) entry.erase(0, 1);
  if (entry.starts_with('.')) return host.ends_with(entry);
  return host == entry || host.ends_with("." + entry);
}

bool is_excepted(const std::string& list, const std::string& host, const std::string& port) {
  const auto address = parse_address(host);
  if (host == "localhost" || (address && is_loopback(*address))) return true;
  std::string entry;
  for (const char c : list + ",") {
    if (c != ',') {
      if (c != ' ' && c != '\t') entry.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
      continue;
    }
    if (!entry.empty() && excepts(entry, host, port, address)) return true;
    entry.clear();
  }
  return false;
}

std::pair<std::string, std::string> variable(const Environment& environment, const std::string& upper,
                                             const std::string& lower) {
  for (const auto& name : {upper, lower}) {
    const auto found = environment.find(name);
    if (found != environment.end() && !found->second.empty()) return *found;
  }
  return {};
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

Result<std::string> normal_proxy(const std::string& text) {
  const auto url = parse_url(text);
  if (!url.ok()) return url.error();
  if (url->scheme != "http" && url->scheme != "https") {
    return Error(ErrorKind::invalid, "scheme \"" + url->scheme + "\" is not supported, expected http or https");
  }
  const std::string port = !url->port.empty() ? url->port : url->scheme == "https" ? "443" : "80";
  const std::string user = url->user_info.empty() ? "" : url->user_info + "@";
  return url->scheme + "://" + user + join_host_port(url->host, port);
}

Result<std::string> proxy_for(const Url& server, const Environment& environment) {
  const bool secure = server.scheme == "https";
  const auto [name, value] =
      secure ? variable(environment, "HTTPS_PROXY", "https_proxy") : variable(environment, "HTTP_PROXY", "http_proxy");
  if (value.empty()) return std::string();
  const std::string port = !server.port.empty() ? server.port : secure ? "443" : "80";
  if (is_excepted(variable(environment, "NO_PROXY", "no_proxy").second, server.host, port)) return std::string();
  auto proxy = normal_proxy(value.find("://") == std::string::npos ? "http://" + value : value);
  if (!proxy.ok()) return std::move(proxy).error().wrap("environment variable " + name);
  return proxy;
}

}  // namespace keelson::kube
