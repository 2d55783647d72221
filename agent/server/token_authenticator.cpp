#include "agent/server/token_authenticator.hpp"

#include <utility>

#include "base/sha256.hpp"

namespace keelson::server {
namespace {

User user_of(const k8s::authentication::v1::UserInfo& info) {
  User user;
  user.name = info.username();
  user.uid = info.uid();
  user.groups.assign(info.groups().begin(), info.groups().end());
  for (const auto& [key, values] : info.extra()) {
    user.extra[key].assign(values.items().begin(), values.items().end());
  }
  return user;
}

Result<std::optional<User>> user_of(const TokenReviewStatus& status) {
  if (status.authenticated()) return std::optional<User>(user_of(status.user()));
  if (!status.error().empty()) return Error(ErrorKind::permission_denied, status.error());
  return std::optional<User>();
}

}  // namespace

TokenAuthenticator::TokenAuthenticator(base::Loop& loop, base::Clock& clock, base::Random& random,
                                       TokenReviewer& reviewer, base::Duration ttl, ServerMetrics& metrics)
    : loop_(loop), clock_(clock), random_(random), reviewer_(reviewer), ttl_(ttl), metrics_(metrics), gate_(loop) {}

base::Task<void> TokenAuthenticator::stop() { co_await gate_.stop(); }

const TokenAuthenticator::Answer* TokenAuthenticator::remembered(const std::string& key) {
  for (Answers* answers : {&good_, &bad_}) {
    const Answer* answer = answers->find(key);
    if (answer != nullptr && clock_.steady_now() < answer->good_until) return answer;
  }
  return nullptr;
}

base::Task<Result<std::optional<User>>> TokenAuthenticator::authenticate(std::string token) {
  const std::string key = base::sha256_hex(token);
  if (const Answer* answer = remembered(key)) co_return answer->user;
  if (gate_.stopping()) co_return Error(ErrorKind::cancelled, "the agent stops");
  if (!lookups_.contains(key)) {
    if (token.size() > kLongestToken) co_return std::optional<User>();
    if (lookups_.size() >= kMostLookups) co_return Error(ErrorKind::exhausted, "too many tokens are being asked about");
  }
  std::shared_ptr<Lookup>& place = lookups_[key];
  if (place == nullptr) {
    place = std::make_shared<Lookup>(loop_);
    base::spawn(gate_, "token review", look_up(key, std::move(token), place));
  }
  const std::shared_ptr<Lookup> lookup = place;
  while (!lookup->outcome) co_await lookup->bell.wait();
  co_return *lookup->outcome;
}

base::Task<void> TokenAuthenticator::look_up(std::string key, std::string token, std::shared_ptr<Lookup> lookup) {
  auto outcome = co_await base::with_timeout(clock_, kReviewLimit, review(std::move(token)));
  lookups_.erase(key);
  if (outcome) {
    lookup->outcome = std::move(*outcome);
  } else {
    lookup->outcome = Error(ErrorKind::deadline_exceeded, "no answer to a TokenReview in time");
  }
  if (lookup->outcome->ok() && ttl_ > base::Duration::zero()) {
    const std::optional<User>& user = **lookup->outcome;
    Answer answer;
    answer.user = user;
    answer.good_until = clock_.after(ttl_);
    (user ? good_ : bad_).put(key, std::move(answer));
  }
  lookup->bell.notify();
}

base::Task<Result<std::optional<User>>> TokenAuthenticator::review(std::string token) {
  ReviewTries tries(clock_, random_, metrics_.token_reviews);
  while (true) {
    tries.begin();
    auto status = co_await reviewer_.review(token);
    tries.end(status.ok() ? nullptr : &status.error());
    if (status.ok()) co_return user_of(*status);
    const bool again = co_await tries.another(status.error());
    if (!again) co_return status.error();
  }
}

}  // namespace keelson::server
