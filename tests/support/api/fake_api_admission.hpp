// NodeRestriction: what a node may write of the objects that it may write at all.
//
// Pure over the store; any thread. Users that are no nodes pass. Source: contract 01 §9 "NodeRestriction (403)".
#pragma once

#include "api/proto/authentication_v1.pb.h"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_failure.hpp"
#include "tests/support/api/fake_api_store.hpp"

namespace keelson::fakes {

Refusal admit_create(const ApiStore& store, const ApiUser& user, const ApiKind& kind,
                     const google::protobuf::Message& object);
Refusal admit_update(const ApiStore& store, const ApiUser& user, const ApiKind& kind,
                     const google::protobuf::Message& before, const google::protobuf::Message& after,
                     const std::string& subresource);
Refusal admit_delete(const ApiUser& user, const ApiKind& kind, const google::protobuf::Message& object);
Refusal admit_eviction(const ApiUser& user, const api::Pod& pod);
// `account` is named in texts; the pod must exist, be bound to the node and want such a token.
Refusal admit_token(const ApiStore& store, const ApiUser& user, const std::string& ns, const std::string& account,
                    const k8s::authentication::v1::TokenRequestSpec& spec);

}  // namespace keelson::fakes
