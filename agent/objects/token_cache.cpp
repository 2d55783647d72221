#include "agent/objects/token_cache.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "api/time.hpp"

namespace keelson::agent {
namespace {

using base::Task;
using k8s::authentication::v1::TokenRequest;
using namespace std::chrono_literals;

// Whoever has a valid token still is not kept waiting for the next one: a pod's whole round hangs on it.
constexpr base::Duration kSpareLimit = std::chrono::seconds(3);
constexpr base::Duration kLimit = std::chrono::seconds(60);
constexpr std::chrono::seconds kDay = 24h;
constexpr int kMaxEarly = 9;  // seconds
constexpr base::Duration kSweep = 1min;

TokenRequest make_request(const TokenQuery& query) {
  TokenRequest request;
  auto& spec = *request.mutable_spec();
  for (const std::string& audience : query.audiences) spec.add_audiences(audience);
  spec.set_expirationseconds(query.expiration_seconds);
  auto& bound = *spec.mutable_boundobjectref();
  bound.set_apiversion("v1");
  bound.set_kind("Pod");
  bound.set_name(query.pod_name);
  bound.set_uid(query.pod_uid);
  return request;
}

std::string describe(const TokenQuery& query) {
  return "\"" + query.service_account + "\"/\"" + query.ns + "\" of pod \"" + query.pod_name + "\"";
}

}  // namespace

base::SystemTime renewal_time(base::SystemTime expires, std::chrono::seconds lifetime, std::chrono::seconds early) {
  const base::SystemTime issued = expires - lifetime;
  return std::min(issued + kDay, expires - std::chrono::seconds(lifetime.count() * 20 / 100)) - early;
}

TokenCache::TokenCache(kube::Client& client, base::Random& random, base::Logger log)
    : client_(client), clock_(client.clock()), random_(random), log_(std::move(log)) {}

bool TokenCache::is_due(const Held& held) {
  std::uniform_int_distribution<int> early(0, kMaxEarly);
  return clock_.now() > renewal_time(held.expires, held.lifetime, std::chrono::seconds(early(random_)));
}

ServiceToken TokenCache::answer(const Held& held) {
  return {held.token, held.expires, renewal_time(held.expires, held.lifetime, 0s)};
}

void TokenCache::drop_expired() {
  const base::SteadyTime now = clock_.steady_now();
  if (now - last_sweep_ < kSweep) return;
  last_sweep_ = now;
  const base::SystemTime today = clock_.now();
  std::erase_if(tokens_, [&](const auto& entry) { return entry.second.expires < today; });
}

Task<Result<TokenRequest>> TokenCache::ask(TokenQuery query) {
  TokenRequest request = make_request(query);
  auto got = co_await client_.create_sub<api::core::ServiceAccount, TokenRequest>(query.ns, query.service_account,
                                                                                  "token", std::move(request));
  co_return got;
}

Task<Result<ServiceToken>> TokenCache::token(TokenQuery query) {
  const auto known = tokens_.find(query);
  if (known != tokens_.end() && !is_due(known->second)) co_return answer(known->second);

  const bool spare = known != tokens_.end() && known->second.expires > clock_.now();
  auto asked = co_await base::with_timeout(clock_, spare ? kSpareLimit : kLimit, ask(query));
  Result<TokenRequest> got = Error(ErrorKind::deadline_exceeded, "no answer in time");
  if (asked) got = std::move(*asked);
  if (got.ok() && !got->status().token().empty()) {
    Held held;
    held.token = std::move(*got->mutable_status()->mutable_token());
    held.expires = api::to_system_time(got->status().expirationtimestamp());
    // The server may have shortened it.
    const bool given = got->spec().has_expirationseconds();
    held.lifetime = std::chrono::seconds(given ? got->spec().expirationseconds() : query.expiration_seconds);
    drop_expired();
    ServiceToken fresh = answer(held);
    tokens_[std::move(query)] = std::move(held);
    co_return fresh;
  }

  const Error error = got.ok() ? Error(ErrorKind::invalid, "the API server's answer holds no token") : got.error();
  const auto old = tokens_.find(query);
  if (old == tokens_.end()) co_return error.wrap("failed to fetch token");
  if (old->second.expires < clock_.now())
    co_return error.wrap("token " + describe(query) + " expired and refresh failed");
  complain(query, error);
  co_return answer(old->second);
}

void TokenCache::complain(const TokenQuery& query, const Error& error) const {
  log_.warning("A service account token could not be renewed, the old one is used",
               {{"token", describe(query)}, {"err", error}});
}

void TokenCache::forget_pod(const std::string& pod_uid) {
  std::erase_if(tokens_, [&](const auto& entry) { return entry.first.pod_uid == pod_uid; });
}

}  // namespace keelson::agent
