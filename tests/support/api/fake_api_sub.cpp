// Sub-resources that are created, and reviews: eviction, binding, tokens, who somebody is and what they may do.
#include "api/proto/authentication_v1.pb.h"
#include "api/proto/authorization_v1.pb.h"
#include "api/time.hpp"
#include "tests/support/api/fake_api_admission.hpp"
#include "tests/support/api/fake_api_authorizer.hpp"
#include "tests/support/api/fake_api_backend.hpp"
#include "tests/support/api/fake_api_pods.hpp"
#include "tests/support/api/fake_api_signer.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using k8s::authentication::v1::TokenRequest;
using k8s::authentication::v1::TokenReview;
using k8s::authorization::v1::SubjectAccessReview;

constexpr std::int64_t kTokenSeconds = 3600;
constexpr std::int64_t kShortestToken = 600;
constexpr const char* kOwnAudience = "https://kubernetes.default.svc.cluster.local";

ApiFailure success() {
  ApiFailure out;
  out.mutable_metadata();
  out.set_status("Success");
  out.set_code(201);
  return out;
}

// policy/v1 Eviction is no kind of ours: its options are read from the JSON tree, or from field 2.
Outcome<api::meta::DeleteOptions> eviction_options(const ApiRequest& request) {
  api::meta::DeleteOptions out;
  if (request.body.starts_with(std::string_view("k8s\0", 4))) {
    const auto envelope = api::unwrap(request.body);
    if (!envelope.ok()) return bad_request(envelope.error().message());
    google::protobuf::UnknownFieldSet fields;
    if (!fields.ParseFromString(std::string(envelope->raw))) return bad_request("the body is not an Eviction");
    for (int i = 0; i < fields.field_count(); ++i) {
      const auto& field = fields.field(i);
      if (field.number() == 2 && field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
        out.ParseFromString(field.length_delimited());
      }
    }
    return out;
  }
  const auto body = api::parse_json(request.body);
  if (!body.ok()) return bad_request(body.error().message());
  const api::Node* options = body->find("deleteOptions");
  if (options == nullptr) return out;
  const auto read = api::decode(*options, out, {.strictness = api::Strictness::ignore});
  if (!read.ok()) return bad_request(read.error().message());
  return out;
}

void set_user(const FakeApiSigner::Token& token, TokenReview& review) {
  auto& user = *review.mutable_status()->mutable_user();
  user.set_username("system:serviceaccount:" + token.ns + ":" + token.account);
  user.set_uid(token.account_uid);
  user.add_groups("system:serviceaccounts");
  user.add_groups("system:serviceaccounts:" + token.ns);
  user.add_groups("system:authenticated");
  if (token.pod.empty()) return;
  auto& extra = *user.mutable_extra();
  extra["authentication.kubernetes.io/pod-name"].add_items(token.pod);
  extra["authentication.kubernetes.io/pod-uid"].add_items(token.pod_uid);
}

}  // namespace

Outcome<ApiAnswer> ApiBackend::serve_sub_create(const ApiRequest& request, const RequestInfo& info,
                                                const Rendering& how) {
  if (info.kind->is("pods") && info.subresource == "eviction") return serve_eviction(request, info, how);
  if (info.kind->is("pods") && info.subresource == "binding") return serve_binding(request, info, how);
  if (info.kind->is("serviceaccounts") && info.subresource == "token") return serve_token(request, info, how);
  return no_such_path();
}

Outcome<ApiAnswer> ApiBackend::serve_eviction(const ApiRequest& request, const RequestInfo& info,
                                              const Rendering& how) {
  auto options = eviction_options(request);
  if (!options.ok()) return options.failure();
  const auto pod = store_.find<core::Pod>(info.ns, info.name);
  if (pod == nullptr) return not_found(*info.kind, info.name);
  if (switches.node_limits) {
    if (auto refused = admit_eviction(request.user, *pod)) return *refused;
  }
  auto removed = remove(*info.kind, info.ns, info.name, *options, write_options(request, info));
  if (!removed.ok()) return removed.failure();
  return render(how, 201, success());
}

Outcome<ApiAnswer> ApiBackend::serve_binding(const ApiRequest& request, const RequestInfo& info, const Rendering& how) {
  core::Binding binding;
  if (auto refused = read_body(request, switches.protobuf, false, {"v1", "Binding"}, binding)) return *refused;
  auto bound = bind(info.ns, info.name, binding.target().name());
  if (!bound.ok()) return bound.failure();
  return render(how, 201, success());
}

Outcome<ObjectPtr> ApiBackend::bind(const std::string& ns, const std::string& name, const std::string& node) {
  const ApiKind& kind = *kind_of(core::Pod::descriptor());
  const auto pod = store_.find<core::Pod>(ns, name);
  if (pod == nullptr) return not_found(kind, name);
  if (!pod->spec().nodename().empty()) {
    return conflict(kind, name, "pod " + name + " is already assigned to node \"" + pod->spec().nodename() + "\"");
  }
  if (pod->metadata().has_deletiontimestamp()) {
    return conflict(kind, name, "pod " + name + " is being deleted, cannot be assigned to a host");
  }
  auto bound = std::make_unique<core::Pod>(*pod);
  bound->mutable_spec()->set_nodename(node);
  auto& scheduled = pod_condition(*bound, "PodScheduled");
  scheduled.set_status("True");
  scheduled.clear_reason();
  scheduled.clear_message();
  *scheduled.mutable_lasttransitiontime() = api::make_time(clock_.now());
  return store_.put(kind, std::move(bound));
}

Outcome<ApiAnswer> ApiBackend::serve_token(const ApiRequest& request, const RequestInfo& info, const Rendering& how) {
  TokenRequest asked;
  const api::TypeMeta type{"authentication.k8s.io/v1", "TokenRequest"};
  if (auto refused = read_body(request, switches.protobuf, false, type, asked)) return *refused;
  const auto account = store_.find<core::ServiceAccount>(info.ns, info.name);
  if (account == nullptr) return not_found(*info.kind, info.name);
  const auto& bound = asked.spec().boundobjectref();
  if (switches.node_limits) {
    if (auto refused = admit_token(store_, request.user, info.ns, info.name, asked.spec())) return *refused;
  }
  if (asked.spec().has_boundobjectref() && bound.kind() == "Pod") {
    const ApiKind& pods = *kind_of(core::Pod::descriptor());
    const auto pod = store_.find<core::Pod>(info.ns, bound.name());
    if (pod == nullptr) return not_found(pods, bound.name());
    if (!bound.uid().empty() && bound.uid() != pod->metadata().uid()) {
      return conflict(pods, bound.name(),
                      "the UID in the bound object reference (" + bound.uid() + ") does not match the UID in record (" +
                          pod->metadata().uid() + "). The object might have been deleted and then recreated");
    }
  }
  if (asked.spec().has_expirationseconds() && asked.spec().expirationseconds() < kShortestToken) {
    api::ValidationError error;
    error.kind = api::ValidationError::Kind::invalid;
    error.path = "spec.expirationSeconds";
    error.value = std::to_string(asked.spec().expirationseconds());
    error.detail = "may not specify a duration less than 10 minutes";
    ApiFailure refused = invalid(*info.kind, info.name, {error});
    refused.set_message("TokenRequest.authentication.k8s.io \"\" is invalid: " + error.message());
    return refused;
  }
  auto& spec = *asked.mutable_spec();
  if (!spec.has_expirationseconds()) spec.set_expirationseconds(kTokenSeconds);
  if (spec.audiences_size() == 0) spec.add_audiences(kOwnAudience);
  FakeApiSigner::Token token;
  token.ns = info.ns;
  token.account = info.name;
  token.account_uid = account->metadata().uid();
  token.audience = spec.audiences(0);
  if (spec.has_boundobjectref() && bound.kind() == "Pod") {
    token.pod = bound.name();
    token.pod_uid = bound.uid();
  }
  token.expires = clock_.now() + std::chrono::seconds(spec.expirationseconds());
  auto& meta = *asked.mutable_metadata();
  meta.set_name(info.name);
  meta.set_namespace_(info.ns);
  meta.set_uid(account->metadata().uid());
  *meta.mutable_creationtimestamp() = api::make_time(clock_.now());
  asked.mutable_status()->set_token(signer_->issue_token(token, clock_.now()));
  *asked.mutable_status()->mutable_expirationtimestamp() = api::make_time(token.expires);
  return render(how, 201, asked);
}

Outcome<ApiAnswer> ApiBackend::serve_review(const ApiRequest& request, const RequestInfo& info, const Rendering& how) {
  const api::TypeMeta type{info.kind->api_version, info.kind->kind};
  if (info.kind->is("tokenreviews")) {
    TokenReview review;
    if (auto refused = read_body(request, switches.protobuf, false, type, review)) return *refused;
    review.clear_status();
    const auto user = tokens.find(review.spec().token());
    const auto token = signer_->find_token(review.spec().token());
    if (user != tokens.end()) {
      review.mutable_status()->set_authenticated(true);
      review.mutable_status()->mutable_user()->set_username(user->second.name);
      for (const std::string& group : user->second.groups) {
        review.mutable_status()->mutable_user()->add_groups(group);
      }
    } else if (token && token->expires > clock_.now()) {
      review.mutable_status()->set_authenticated(true);
      set_user(*token, review);
      review.mutable_status()->add_audiences(token->audience);
    } else {
      review.mutable_status()->set_error("[invalid bearer token]");
    }
    return render(how, 201, review);
  }
  SubjectAccessReview review;
  if (auto refused = read_body(request, switches.protobuf, false, type, review)) return *refused;
  review.clear_status();
  ApiUser user;
  user.name = review.spec().user();
  user.groups.assign(review.spec().groups().begin(), review.spec().groups().end());
  if (review.spec().has_resourceattributes()) {
    const auto& from = review.spec().resourceattributes();
    const auto reason = deny_reason(store_, user,
                                    {from.verb(), from.group(), from.resource(), from.subresource(), from.namespace_(),
                                     from.name(), from.fieldselector().rawselector()});
    review.mutable_status()->set_allowed(!reason.has_value());
    if (reason) review.mutable_status()->set_reason(*reason);
  } else {
    review.mutable_status()->set_allowed(may_visit(user, review.spec().nonresourceattributes().path()));
  }
  return render(how, 201, review);
}

}  // namespace keelson::fakes
