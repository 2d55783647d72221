// Authorizer: which user may do what; for nodes the Node authorizer.
//
// system:masters may do all. A user of system:nodes gets what contract 01 §9 lists, judged against the pods that are
// bound to its node now. Bootstrap tokens may ask for certificates; everybody else who is known may do all (tests act
// as they like); anonymous users see only health and version. Pure over the store; any thread. Source: contract 01 §9.
#pragma once

#include <optional>
#include <string>

#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_failure.hpp"
#include "tests/support/api/fake_api_request.hpp"
#include "tests/support/api/fake_api_store.hpp"

namespace keelson::fakes {

// What a request, or a SubjectAccessReview, asks for.
struct AccessAttributes {
  std::string verb;
  std::string group;
  std::string resource;
  std::string subresource;
  std::string ns;
  std::string name;
  std::string field_selector;
};

// nullopt: allowed; else the reason (which may be empty).
std::optional<std::string> deny_reason(const ApiStore& store, const ApiUser& user, const AccessAttributes& asked);
// Paths that are no resources: /healthz, /metrics, /api ...
bool may_visit(const ApiUser& user, const std::string& path);

Refusal authorize(const ApiStore& store, const ApiUser& user, const RequestInfo& info, bool node_limits);
Refusal authorize_path(const ApiUser& user, const RequestInfo& info);

// The name of the node that this user is; nullopt for others.
std::optional<std::string> node_of(const ApiUser& user);
bool is_master(const ApiUser& user);

}  // namespace keelson::fakes
