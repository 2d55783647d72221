// Requests to verbs: what is allowed, which form the answer has, who does it.
#include <algorithm>

#include "tests/support/api/fake_api_authorizer.hpp"
#include "tests/support/api/fake_api_backend.hpp"
#include "tests/support/api/fake_api_discovery.hpp"
#include "tests/support/api/fake_api_signer.hpp"

namespace keelson::fakes {
namespace {

constexpr const char* kPatchTypes[] = {"application/strategic-merge-patch+json", "application/merge-patch+json",
                                       "application/json-patch+json", "application/apply-patch+yaml"};

bool is_patch_type(const std::string& type) {
  return std::find(std::begin(kPatchTypes), std::end(kPatchTypes), type) != std::end(kPatchTypes);
}

bool is_strict(const RequestInfo& info) { return info.option("fieldValidation") == "Strict"; }

// A body's names must be those of the path.
Refusal match_path(const RequestInfo& info, google::protobuf::Message& object) {
  auto& meta = mutable_meta(object);
  if (info.kind->resource.namespaced && !info.ns.empty()) {
    if (meta.namespace_().empty()) meta.set_namespace_(info.ns);
    if (meta.namespace_() != info.ns) {
      return bad_request("the namespace of the provided object does not match the namespace sent on the request");
    }
  }
  if (info.name.empty()) return std::nullopt;
  if (meta.name().empty()) meta.set_name(info.name);
  if (meta.name() != info.name) {
    return bad_request("the name of the object (" + meta.name() + ") does not match the name on the URL (" + info.name +
                       ")");
  }
  return std::nullopt;
}

ApiAnswer success(const Rendering& how, const ApiKind& kind, const api::meta::ObjectMeta& meta) {
  ApiFailure status;
  status.mutable_metadata();
  status.set_status("Success");
  status.mutable_details()->set_name(meta.name());
  if (!kind.resource.group.empty()) status.mutable_details()->set_group(std::string(kind.resource.group));
  status.mutable_details()->set_kind(std::string(kind.resource.plural));
  status.mutable_details()->set_uid(meta.uid());
  return render(how, 200, status);
}

Outcome<api::meta::DeleteOptions> delete_options(const ApiRequest& request, const RequestInfo& info, bool protobuf) {
  api::meta::DeleteOptions out;
  if (!request.body.empty()) {
    if (auto refused = read_body(request, protobuf, false, {"", "DeleteOptions"}, out)) return *refused;
  }
  const std::string grace = info.option("gracePeriodSeconds");
  if (!grace.empty()) out.set_graceperiodseconds(std::atoll(grace.c_str()));
  return out;
}

}  // namespace

WriteOptions ApiBackend::write_options(const ApiRequest& request, const RequestInfo& info) const {
  WriteOptions out;
  out.user = request.user;
  out.dry_run = info.option("dryRun") == "All";
  return out;
}

ApiAnswer ApiBackend::serve(const ApiRequest& request, const RequestInfo& info, bool stale) {
  if (!info.resource_request) {
    Refusal refused;
    if (switches.node_limits) refused = authorize_path(request.user, info);
    if (refused) return render_failure({}, *refused);
    return serve_discovery(request, info, signer().server_version());
  }
  auto how = negotiate(request.headers, info, switches.protobuf);
  if (!how.ok()) return render_failure({}, how.failure());
  if (info.verb.empty()) return render_failure(*how, method_not_allowed());
  if (auto refused = authorize(store_, request.user, info, switches.node_limits)) {
    return render_failure(*how, *refused);
  }
  if (info.kind == nullptr) return render_failure(*how, no_such_path());
  auto answer = serve_resource(request, info, *how, stale);
  if (!answer.ok()) return render_failure(*how, answer.failure());
  return std::move(*answer);
}

Outcome<ApiAnswer> ApiBackend::serve_resource(const ApiRequest& request, const RequestInfo& info, const Rendering& how,
                                              bool stale) {
  const bool reads = info.verb == "get" || info.verb == "list" || info.verb == "watch";
  if (!info.kind->stored && info.verb != "create") return method_not_allowed();
  if (info.kind->resource.namespaced && info.ns.empty() && !info.name.empty()) return no_such_path();
  if (!info.subresource.empty() && (reads || info.verb.starts_with("delete"))) {
    const bool of_pods = info.subresource == "resize" || info.subresource == "ephemeralcontainers";
    const bool has = (info.subresource == "status" && info.kind->status) || (of_pods && info.kind->is("pods"));
    if (!has || info.verb != "get") return no_such_path();
  }
  if (info.verb == "get") return serve_get(info, how, stale);
  if (info.verb == "list") return serve_list(info, how, stale);
  if (info.verb == "watch") return serve_watch(info, how);
  if (info.verb == "create") return serve_create(request, info, how);
  if (info.verb == "update") return serve_update(request, info, how);
  if (info.verb == "patch") return serve_patch(request, info, how);
  if (info.verb == "delete") return serve_delete(request, info, how);
  return serve_delete_collection(request, info, how);
}

Outcome<ApiAnswer> ApiBackend::serve_create(const ApiRequest& request, const RequestInfo& info, const Rendering& how) {
  if (!info.subresource.empty()) return serve_sub_create(request, info, how);
  if (!info.kind->stored) return serve_review(request, info, how);
  if (!info.name.empty() || (info.kind->resource.namespaced && info.ns.empty())) return method_not_allowed();
  NewObject object(info.kind->prototype->New());
  const api::TypeMeta type{info.kind->api_version, info.kind->kind};
  if (auto refused = read_body(request, switches.protobuf, is_strict(info), type, *object)) return *refused;
  if (auto refused = match_path(info, *object)) return *refused;
  auto made = create(*info.kind, std::move(object), write_options(request, info));
  if (!made.ok()) return made.failure();
  return render_object(how, *info.kind, 201, *made, clock_.now());
}

Outcome<ApiAnswer> ApiBackend::serve_update(const ApiRequest& request, const RequestInfo& info, const Rendering& how) {
  if (info.name.empty()) return method_not_allowed();
  NewObject object(info.kind->prototype->New());
  const api::TypeMeta type{info.kind->api_version, info.kind->kind};
  if (auto refused = read_body(request, switches.protobuf, is_strict(info), type, *object)) return *refused;
  if (auto refused = match_path(info, *object)) return *refused;
  const bool present = store_.get(*info.kind, info.ns, info.name) != nullptr;
  auto made = update(*info.kind, std::move(object), info.subresource, write_options(request, info));
  if (!made.ok()) return made.failure();
  return render_object(how, *info.kind, present ? 200 : 201, *made, clock_.now());
}

Outcome<ApiAnswer> ApiBackend::serve_patch(const ApiRequest& request, const RequestInfo& info, const Rendering& how) {
  if (info.name.empty()) return method_not_allowed();
  const std::string type = body_type(request.headers);
  if (!is_patch_type(type)) {
    return failure(415, "UnsupportedMediaType",
                   "the body of the request was in an unknown format - accepted media types include: "
                   "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, "
                   "application/strategic-merge-patch+json");
  }
  const bool present = store_.get(*info.kind, info.ns, info.name) != nullptr;
  auto made = patch(*info.kind, info.ns, info.name, info.subresource, type, request.body, write_options(request, info));
  if (!made.ok()) return made.failure();
  return render_object(how, *info.kind, present ? 200 : 201, *made, clock_.now());
}

Outcome<ApiAnswer> ApiBackend::serve_delete(const ApiRequest& request, const RequestInfo& info, const Rendering& how) {
  auto options = delete_options(request, info, switches.protobuf);
  if (!options.ok()) return options.failure();
  WriteOptions write = write_options(request, info);
  if (options->dryrun_size() > 0) write.dry_run = true;
  auto removed = remove(*info.kind, info.ns, info.name, *options, write);
  if (!removed.ok()) return removed.failure();
  // Pods and namespaces are answered themselves, everything else by a Status.
  const bool whole = !removed->gone || info.kind->is("pods") || info.kind->is("namespaces");
  if (whole) return render_object(how, *info.kind, 200, removed->object, clock_.now());
  return success(how, *info.kind, meta_of(*removed->object));
}

Outcome<ApiAnswer> ApiBackend::serve_delete_collection(const ApiRequest& request, const RequestInfo& info,
                                                       const Rendering& how) {
  auto options = delete_options(request, info, switches.protobuf);
  if (!options.ok()) return options.failure();
  auto selection =
      Selection::parse(*info.kind, info.ns, "", info.option("fieldSelector"), info.option("labelSelector"));
  if (!selection.ok()) return selection.failure();
  const ApiStore::Objects objects = store_.all(*info.kind);
  std::vector<ObjectPtr> removed;
  for (const auto& [key, object] : objects) {
    if (!selection->matches(*object)) continue;
    auto one = remove(*info.kind, meta_of(*object).namespace_(), meta_of(*object).name(), *options,
                      write_options(request, info));
    if (one.ok()) removed.push_back(one->object);
  }
  ListMeta meta;
  meta.version = store_.version();
  return render_list(how, *info.kind, removed, meta, clock_.now());
}

}  // namespace keelson::fakes
