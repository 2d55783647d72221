#include "agent/server/authenticator.hpp"

#include <algorithm>
#include <utility>

#include "agent/server/websocket_token.hpp"

namespace keelson::server {
namespace {

constexpr const char* kAnonymous = "system:anonymous";
constexpr const char* kAuthenticated = "system:authenticated";
constexpr const char* kUnauthenticated = "system:unauthenticated";

using Found = Result<std::optional<User>>;

bool is_somebody(const Found& found) { return found.ok() && found->has_value(); }

User with_group(User user) {
  const auto is_either = [](const std::string& group) { return group == kAuthenticated || group == kUnauthenticated; };
  const bool told = std::any_of(user.groups.begin(), user.groups.end(), is_either);
  if (!told && user.name != kAnonymous) user.groups.emplace_back(kAuthenticated);
  return user;
}

User anonymous_user() {
  User user;
  user.name = kAnonymous;
  user.groups = {kUnauthenticated};
  return user;
}

}  // namespace

std::string bearer_token(const Fields& headers) {
  const auto header = find_field(headers, "Authorization");
  if (!header) return {};
  const std::string_view value = trimmed(*header);
  const std::size_t blank = value.find(' ');
  if (blank == std::string_view::npos || !same_name(value.substr(0, blank), "bearer")) return {};
  const std::string_view rest = value.substr(blank + 1);
  return std::string(rest.substr(0, rest.find(' ')));
}

Authenticator::Authenticator(base::Clock& clock, Authentication methods, ServerMetrics& metrics)
    : clock_(clock), methods_(methods), metrics_(metrics) {}

base::Task<Result<User>> Authenticator::authenticate(Request& request, const PeerCertificates& peer) {
  std::optional<Error> failure;
  Found found = by_certificate(peer);
  if (!found.ok()) failure = found.error();
  if (!is_somebody(found)) found = co_await by_bearer(request);
  if (!found.ok()) failure = found.error();
  if (!is_somebody(found)) found = co_await by_protocol(request);
  if (!found.ok()) failure = found.error();
  if (is_somebody(found)) {
    drop_fields(request.headers, "Authorization");
    // Also one that was not looked at, as something else was good enough.
    drop_protocol_tokens(request.headers);
    co_return with_group(std::move(**found));
  }
  if (failure) co_return std::move(*failure);
  if (methods_.anonymous) {
    drop_protocol_tokens(request.headers);
    co_return anonymous_user();
  }
  co_return Error(ErrorKind::permission_denied, "the request has no credentials");
}

Result<std::optional<User>> Authenticator::by_certificate(const PeerCertificates& peer) {
  if (methods_.client_ca == nullptr || peer.leaf == nullptr) return std::optional<User>();
  auto user = methods_.client_ca->user_of(peer, clock_.now());
  if (user.ok() && *user) {
    metrics_.certificate_left.observe(time_left(peer, clock_.now()));
  }
  return user;
}

base::Task<Result<std::optional<User>>> Authenticator::by_bearer(Request& request) {
  std::string token = bearer_token(request.headers);
  if (methods_.tokens == nullptr || token.empty()) co_return std::optional<User>();
  auto user = co_await by_token(std::move(token));
  co_return user;
}

base::Task<Result<std::optional<User>>> Authenticator::by_protocol(Request& request) {
  if (methods_.tokens == nullptr) co_return std::optional<User>();
  auto carried = protocol_token(request.headers);
  if (!carried.ok()) co_return std::move(carried).error();
  if (!*carried) co_return std::optional<User>();
  auto user = co_await by_token((*carried)->token);
  co_return user;
}

base::Task<Result<std::optional<User>>> Authenticator::by_token(std::string token) {
  auto user = co_await methods_.tokens->authenticate(std::move(token));
  if (user.ok() && !*user) co_return Error(ErrorKind::permission_denied, "invalid bearer token");
  co_return user;
}

}  // namespace keelson::server
