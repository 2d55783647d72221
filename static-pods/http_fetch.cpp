// fetch_url: one GET with cpp-httplib, on a pool thread.
#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#define CPPHTTPLIB_OPENSSL_SUPPORT
#endif
#include <httplib.h>

#include <chrono>

#include "static-pods/url_source.hpp"

namespace keelson::static_pods {
namespace {

constexpr auto kLimit = std::chrono::seconds(10);

struct UrlParts {
  std::string server;  // "https://host:port"
  std::string user;
  std::string password;
  std::string target;  // path and query
};

std::optional<UrlParts> split_url(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return {};
  const std::string name = url.substr(0, scheme);
  if (name != "http" && name != "https") return {};
  const auto start = scheme + 3;
  const auto end = std::min(url.find_first_of("/?#", start), url.size());
  UrlParts parts;
  std::string authority = url.substr(start, end - start);
  if (const auto at = authority.rfind('@'); at != std::string::npos) {
    const std::string login = authority.substr(0, at);
    const auto colon = login.find(':');
    parts.user = httplib::detail::decode_url(login.substr(0, colon), false);
    if (colon != std::string::npos) parts.password = httplib::detail::decode_url(login.substr(colon + 1), false);
    authority = authority.substr(at + 1);
  }
  if (authority.empty()) return {};
  parts.server = name + "://" + authority;
  parts.target = url.substr(end, url.find('#', end) - end);
  if (parts.target.empty() || parts.target.front() != '/') parts.target = "/" + parts.target;
  return parts;
}

}  // namespace

Result<std::string> fetch_url(const std::string& url, const HttpHeaders& headers) {
  const std::string shown = shown_url(url);
  const auto parts = split_url(url);
  if (!parts) return Error(ErrorKind::invalid, shown + ": expected a URL like http://host:port/path or https://...");

  httplib::Client client(parts->server);
  if (!client.is_valid()) return Error(ErrorKind::invalid, shown + ": not a server that can be called");
  client.set_connection_timeout(kLimit);
  client.set_read_timeout(kLimit);
  client.set_write_timeout(kLimit);
  client.set_follow_location(true);
  if (!parts->user.empty()) client.set_basic_auth(parts->user, parts->password);

  // The body is taken piece by piece: neither a slow drip nor an endless one may hold the thread.
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  std::string body;
  bool too_large = false;
  bool too_slow = false;
  const auto receive = [&](const char* data, std::size_t size) {
    too_large = body.size() + size > kMaxManifestBytes;
    too_slow = std::chrono::steady_clock::now() > deadline;
    if (too_large || too_slow) return false;
    body.append(data, size);
    return true;
  };
  int status = 0;
  const auto on_response = [&](const httplib::Response& response) {
    status = response.status;
    body.clear();  // of a redirect
    return true;
  };
  httplib::Headers request;
  for (const auto& [name, value] : headers) request.emplace(name, value);
  const auto result = client.Get(parts->target, request, on_response, receive);
  if (too_large) return Error(ErrorKind::invalid, "GET " + shown + ": the answer is larger than 10 MiB");
  if (too_slow) return Error(ErrorKind::deadline_exceeded, "GET " + shown + ": the answer is not complete after 10 s");
  if (!result) {
    return Error(ErrorKind::unavailable, "GET " + shown + ": no answer: " + httplib::to_string(result.error()));
  }
  status = result->status;
  if (status != 200) {
    return Error(ErrorKind::unavailable, "GET " + shown + ": expected status 200, got " + std::to_string(status));
  }
  return body;
}

}  // namespace keelson::static_pods
