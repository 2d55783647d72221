#include "agent/server/authorizer.hpp"

#include <utility>
#include <vector>

#include "agent/server/endpoints.hpp"
#include "api/json_codec.hpp"
#include "base/gate.hpp"

namespace keelson::server {
namespace {

constexpr std::string_view kResource = "nodes";
constexpr std::string_view kVersion = "v1";
// What a client can make long is not kept.
constexpr std::size_t kTooLongToKeep = 10'000;

std::string about(const User& user, std::string_view verb) {
  return "(user=" + user.name + ", verb=" + std::string(verb) + ", resource=" + std::string(kResource) + ", ";
}

Response forbidden(const User& user, std::string_view verb, const std::vector<std::string_view>& subresources) {
  std::string list;
  for (const std::string_view subresource : subresources) {
    list += list.empty() ? "" : " ";
    list += subresource;
  }
  return plain_text(403, "Forbidden " + about(user, verb) + "subresource(s)=[" + list + "])\n");
}

Response unanswered(const User& user, std::string_view verb, std::string_view subresource) {
  return plain_text(500, "Authorization error " + about(user, verb) + "subresource=" + std::string(subresource) + ")");
}

}  // namespace

std::string_view verb_of(std::string_view method) {
  struct Row {
    std::string_view method;
    std::string_view verb;
  };
  constexpr Row kRows[] = {
      {"GET", "get"}, {"POST", "create"}, {"PUT", "update"}, {"PATCH", "patch"}, {"DELETE", "delete"}};
  for (const Row& row : kRows) {
    if (row.method == method) return row.verb;
  }
  return {};
}

AccessReviewSpec review_spec(const User& user, std::string_view verb, std::string_view node,
                             std::string_view subresource) {
  AccessReviewSpec spec;
  auto* attributes = spec.mutable_resourceattributes();
  if (!verb.empty()) attributes->set_verb(std::string(verb));
  attributes->set_version(std::string(kVersion));
  attributes->set_resource(std::string(kResource));
  attributes->set_subresource(std::string(subresource));
  attributes->set_name(std::string(node));
  if (!user.name.empty()) spec.set_user(user.name);
  if (!user.uid.empty()) spec.set_uid(user.uid);
  for (const auto& group : user.groups) spec.add_groups(group);
  for (const auto& [key, values] : user.extra) {
    auto& list = (*spec.mutable_extra())[key];
    for (const auto& value : values) list.add_items(value);
  }
  return spec;
}

Authorizer::Authorizer(base::Clock& clock, base::Random& random, base::Logger log, Authorization options,
                       ServerMetrics& metrics)
    : clock_(clock), random_(random), log_(std::move(log)), options_(std::move(options)), metrics_(metrics) {}

base::Task<std::optional<Response>> Authorizer::refusal(User user, std::string method, std::string path) {
  if (options_.reviewer == nullptr) co_return std::nullopt;
  const std::string_view verb = verb_of(method);
  const auto subresources = subresources_of(path);
  for (const std::string_view subresource : subresources) {
    const std::size_t length =
        verb.size() + kVersion.size() + kResource.size() + subresource.size() + options_.node_name.size() + path.size();
    AccessReviewSpec spec = review_spec(user, verb, options_.node_name, subresource);
    auto allowed = co_await is_allowed(std::move(spec), length < kTooLongToKeep);
    if (!allowed.ok()) {
      log_.error("Authorization error", {{"user", user.name},
                                         {"verb", verb},
                                         {"resource", kResource},
                                         {"subresource", subresource},
                                         {"err", allowed.error()}});
      co_return unanswered(user, verb, subresource);
    }
    if (*allowed) co_return std::nullopt;
  }
  log_.debug(2, "Forbidden", {{"user", user.name}, {"verb", verb}, {"path", path}});
  co_return forbidden(user, verb, subresources);
}

base::Task<Result<bool>> Authorizer::is_allowed(AccessReviewSpec spec, bool keep) {
  const std::string key = api::encode_json(spec);
  if (const Answer* answer = answers_.find(key); answer != nullptr && clock_.steady_now() < answer->good_until) {
    co_return answer->allowed;
  }
  auto status = co_await base::with_timeout(clock_, kReviewLimit, review(std::move(spec)));
  if (!status) co_return Error(ErrorKind::deadline_exceeded, "no answer to a SubjectAccessReview in time");
  if (!status->ok()) co_return status->error();
  const bool allowed = (*status)->allowed();
  const bool denied = (*status)->denied();
  if (keep) {
    Answer answer;
    answer.allowed = allowed && !denied;
    answer.good_until = clock_.after(allowed ? options_.allowed_ttl : options_.denied_ttl);
    if (!(allowed && denied)) answers_.put(key, answer);
  }
  if (allowed && denied) {
    co_return Error(ErrorKind::invalid, "webhook subject access review returned both allow and deny response");
  }
  co_return allowed && !denied;
}

base::Task<Result<AccessReviewStatus>> Authorizer::review(AccessReviewSpec spec) {
  ReviewTries tries(clock_, random_, metrics_.access_reviews);
  while (true) {
    tries.begin();
    auto status = co_await options_.reviewer->review(spec);
    tries.end(status.ok() ? nullptr : &status.error());
    if (status.ok()) co_return status;
    const bool again = co_await tries.another(status.error());
    if (!again) co_return status.error();
  }
}

}  // namespace keelson::server
