#include "kube-client/proxy.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace keelson::kube {
namespace {

std::string base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    unsigned value = 0;
    if (text[at] == '%' && at + 2 < text.size() &&
        std::from_chars(text.data() + at + 1, text.data() + at + 3, value, 16).ptr == text.data() + at + 3) {
      out.push_back(static_cast<char>(value));
      at += 2;
    } else {
      out.push_back(text[at]);
    }
  }
  return out;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

Error bad_url(std::string_view why) {
  // The URL itself may hold a password.
  return Error(ErrorKind::invalid, "proxy URL: " + std::string(why) + " (expected http://[user:password@]host:port)");
}

}  // namespace

Result<Proxy> parse_proxy(std::string_view url) {
  Proxy proxy;
  if (take_prefix(url, "https://")) {
    proxy.tls = true;
  } else if (!take_prefix(url, "http://")) {
    const auto scheme = url.substr(0, url.find("://"));
    return bad_url(scheme.size() == url.size() ? "it has no scheme"
                                               : "the scheme " + std::string(scheme.substr(0, 16)) + " is not known");
  }
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = url.substr(0, at);
    const auto colon = user.find(':');
    std::string pair = percent_decode(user.substr(0, colon)) + ":";
    if (colon != std::string_view::npos) pair += percent_decode(user.substr(colon + 1));
    proxy.authorization = "Basic " + base64(pair);
    url.remove_prefix(at + 1);
  }
  proxy.port = proxy.tls ? "443" : "80";
  std::size_t host_end = 0;
  if (!url.empty() && url.front() == '[') {
    const auto close = url.find(']');
    if (close == std::string_view::npos) return bad_url("the bracket of the address is not closed");
    proxy.host = url.substr(1, close - 1);
    host_end = close + 1;
  } else {
    host_end = std::min(url.find(':'), url.size());
    proxy.host = url.substr(0, host_end);
  }
  if (host_end < url.size() && url[host_end] == ':') {
    proxy.port = url.substr(host_end + 1);
    unsigned number = 0;
    const char* end = proxy.port.data() + proxy.port.size();
    const auto read = std::from_chars(proxy.port.data(), end, number);
    if (read.ptr != end || number == 0 || number > 65535) return bad_url("its port is no number from 1 to 65535");
  } else if (host_end != url.size()) {
    return bad_url("something follows the host");
  }
  if (proxy.host.empty()) return bad_url("it has no host");
  return proxy;
}

std::string connect_request(const Proxy& proxy, const std::string& authority, const std::string& user_agent) {
  std::string text = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  if (!user_agent.empty()) text += "User-Agent: " + user_agent + "\r\n";
  if (!proxy.authorization.empty()) text += "Proxy-Authorization: " + proxy.authorization + "\r\n";
  return text + "\r\n";
}

Status check_connect_answer(std::string_view head, const std::string& authority) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  int status = 0;
  if (line.substr(0, 7) == "HTTP/1." && line.size() >= 12 && line[8] == ' ') {
    std::from_chars(line.data() + 9, line.data() + 12, status);
  }
  if (status >= 200 && status < 300) return {};
  if (status == 0) return Error(ErrorKind::unavailable, "its answer to CONNECT is not HTTP");
  std::string shown(line.substr(9, 80));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, '?');
  return Error(ErrorKind::unavailable, "it does not let us through to " + authority + ": " + shown, status);
}

}  // namespace keelson::kube
