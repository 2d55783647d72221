// Updating and patching: who wins, what a sub-resource may touch, what counts as a change.
#include <algorithm>

#include "api/json_codec.hpp"
#include "api/patch.hpp"
#include "api/stable_bytes.hpp"
#include "api/time.hpp"
#include "tests/support/api/fake_api_admission.hpp"
#include "tests/support/api/fake_api_backend.hpp"
#include "tests/support/api/fake_api_pods.hpp"
#include "tests/support/api/fake_api_signer.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using google::protobuf::Message;

NewObject clone(const Message& object) {
  NewObject out(object.New());
  out->MergeFrom(object);
  return out;
}

// What only the server writes.
void keep_system_fields(const api::meta::ObjectMeta& before, api::meta::ObjectMeta& after) {
  after.set_uid(before.uid());
  after.set_resourceversion(before.resourceversion());
  *after.mutable_creationtimestamp() = before.creationtimestamp();
  after.clear_deletiontimestamp();
  if (before.has_deletiontimestamp()) *after.mutable_deletiontimestamp() = before.deletiontimestamp();
  after.clear_deletiongraceperiodseconds();
  if (before.has_deletiongraceperiodseconds()) {
    after.set_deletiongraceperiodseconds(before.deletiongraceperiodseconds());
  }
  after.set_generation(before.generation());
  after.clear_selflink();
  after.clear_managedfields();
  if (after.generatename().empty()) after.set_generatename(before.generatename());
}

// Of `after` only what the sub-resource is about survives.
Refusal restrict_to(const std::string& subresource, const ApiKind& kind, const Message& before, Message& after) {
  if (subresource.empty()) {
    // CSINodes and the like have no status; those that have one change it by /status only.
    if (kind.status) copy_part(before, after, "status");
    return std::nullopt;
  }
  if (subresource == "status" && kind.status) {
    copy_part(before, after, "spec");
    if (kind.is("pods")) *mutable_meta(after).mutable_ownerreferences() = meta_of(before).ownerreferences();
    return std::nullopt;
  }
  NewObject wanted = clone(after);
  after.Clear();
  after.MergeFrom(before);
  *mutable_meta(after).mutable_resourceversion() = meta_of(*wanted).resourceversion();
  if (subresource == "approval" && kind.is("certificatesigningrequests")) {
    copy_part(*wanted, after, "status");
    return std::nullopt;
  }
  if (kind.is("pods") && subresource == "ephemeralcontainers") {
    *static_cast<core::Pod&>(after).mutable_spec()->mutable_ephemeralcontainers() =
        static_cast<const core::Pod&>(*wanted).spec().ephemeralcontainers();
    return std::nullopt;
  }
  if (kind.is("pods") && subresource == "resize") {
    const auto& from = static_cast<const core::Pod&>(*wanted).spec();
    auto& to = *static_cast<core::Pod&>(after).mutable_spec();
    for (int i = 0; i < std::min(from.containers_size(), to.containers_size()); ++i) {
      *to.mutable_containers(i)->mutable_resources() = from.containers(i).resources();
    }
    for (int i = 0; i < std::min(from.initcontainers_size(), to.initcontainers_size()); ++i) {
      *to.mutable_initcontainers(i)->mutable_resources() = from.initcontainers(i).resources();
    }
    if (from.has_resources()) *to.mutable_resources() = from.resources();
    return std::nullopt;
  }
  return no_such_path();
}

// Of normalized messages.
bool same_part(const Message& a, const Message& b, const char* field) {
  const Message* left = part_of(a, field);
  const Message* right = part_of(b, field);
  if (left == nullptr || right == nullptr) return left == right;
  return api::stable_bytes(*left) == api::stable_bytes(*right);
}

bool creates_on_update(const ApiKind& kind) { return kind.is("leases") || kind.is("events"); }
bool needs_version(const ApiKind& kind) { return kind.is("leases"); }

api::ValidationError must_have_version() {
  api::ValidationError error;
  error.kind = api::ValidationError::Kind::invalid;
  error.path = "metadata.resourceVersion";
  error.value = "0x0";
  error.detail = "must be specified for an update";
  return error;
}

std::string precondition_text(const std::string& wanted, const std::string& present) {
  return "Precondition failed: UID in precondition: " + wanted + ", UID in object meta: " + present;
}

}  // namespace

Outcome<ObjectPtr> ApiBackend::update(const ApiKind& kind, NewObject object, const std::string& subresource,
                                      const WriteOptions& options) {
  auto& meta = mutable_meta(*object);
  if (kind.resource.namespaced && meta.namespace_().empty()) meta.set_namespace_("default");
  const ObjectPtr before = store_.get(kind, meta.namespace_(), meta.name());
  if (before == nullptr) {
    if (!subresource.empty() || !(creates_on_update(kind) || options.may_create)) return not_found(kind, meta.name());
    if (!meta.resourceversion().empty()) return modified(kind, meta.name());
    return create(kind, std::move(object), options);
  }
  if (meta.resourceversion().empty() && needs_version(kind)) {
    return invalid(kind, meta.name(), {must_have_version()});
  }
  return replace(kind, before, std::move(object), subresource, options);
}

Outcome<ObjectPtr> ApiBackend::replace(const ApiKind& kind, const ObjectPtr& before, NewObject after,
                                       const std::string& subresource, const WriteOptions& options) {
  const auto& old_meta = meta_of(*before);
  auto& meta = mutable_meta(*after);
  if (!meta.uid().empty() && meta.uid() != old_meta.uid()) {
    return conflict(kind, meta.name(), precondition_text(meta.uid(), old_meta.uid()));
  }
  if (!meta.resourceversion().empty() && meta.resourceversion() != old_meta.resourceversion()) {
    return modified(kind, meta.name());
  }
  if (auto refused = restrict_to(subresource, kind, *before, *after)) return *refused;
  keep_system_fields(old_meta, mutable_meta(*after));
  if (kind.is("pods") && subresource.empty()) {
    auto& pod = static_cast<core::Pod&>(*after);
    const auto& old_pod = static_cast<const core::Pod&>(*before);
    if (auto refused = check_pod_update(old_pod, pod)) return *refused;
  }
  if (kind.is("secrets")) {
    auto& secret = static_cast<core::Secret&>(*after);
    for (const auto& [key, value] : secret.stringdata()) (*secret.mutable_data())[key] = value;
    secret.clear_stringdata();
  }
  if (switches.node_limits) {
    if (auto refused = admit_update(store_, options.user, kind, *before, *after, subresource)) return *refused;
  }
  api::normalize(*after);
  if (kind.generation && !same_part(*before, *after, "spec")) {
    mutable_meta(*after).set_generation(old_meta.generation() + 1);
  }
  // The last finalizer of a deleted object lets it go.
  const auto& new_meta = meta_of(*after);
  const bool released = new_meta.has_deletiontimestamp() && new_meta.finalizers_size() == 0 &&
                        old_meta.finalizers_size() > 0 &&
                        (!kind.is("pods") || new_meta.deletiongraceperiodseconds() == 0);
  if (options.dry_run) return ObjectPtr(std::move(after));
  if (released) {
    const ObjectPtr last = store_.put(kind, std::move(after));
    erase(kind, *last);
    return last;
  }
  if (api::stable_bytes(*before) == api::stable_bytes(*after)) return before;
  const ObjectPtr stored = store_.put(kind, std::move(after));
  if (kind.is("certificatesigningrequests") && subresource == "approval") {
    NewObject answered = signer_->sign_approved(*stored, clock_.now());
    if (answered != nullptr) store_.put(kind, std::move(answered));
  }
  return stored;
}

Outcome<ObjectPtr> ApiBackend::patch(const ApiKind& kind, const std::string& ns, const std::string& name,
                                     const std::string& subresource, const std::string& type, const std::string& body,
                                     const WriteOptions& options) {
  const bool apply = type == "application/apply-patch+yaml";
  const auto patch_tree = apply ? api::parse_document(body) : api::parse_json(body);
  if (!patch_tree.ok()) return bad_request("the patch cannot be read: " + patch_tree.error().message());
  const ObjectPtr before = store_.get(kind, ns, name);
  if (before == nullptr && !apply) return not_found(kind, name);

  NewObject after(kind.prototype->New());
  if (before == nullptr) {
    const auto read = api::decode(*patch_tree, *after, {.strictness = api::Strictness::ignore});
    if (!read.ok()) return bad_request(read.error().message());
    mutable_meta(*after).set_name(name);
    if (kind.resource.namespaced) mutable_meta(*after).set_namespace_(ns);
    return create(kind, std::move(after), options);
  }
  const api::Node original = api::encode_node(*before);
  Result<api::Node> patched = original;
  if (apply || type == "application/strategic-merge-patch+json") {
    patched = api::strategic_merge_apply(original, *patch_tree, kind.type());
  } else if (type == "application/json-patch+json") {
    patched = api::json_patch_apply(original, *patch_tree);
  } else {
    patched = api::merge_apply(original, *patch_tree);
  }
  if (!patched.ok()) return failure(422, "Invalid", patched.error().message());
  const auto read = api::decode(*patched, *after, {.strictness = api::Strictness::ignore});
  if (!read.ok()) return failure(422, "Invalid", read.error().message());
  if (meta_of(*after).name() != name) return bad_request("the name of the object may not change");
  return replace(kind, before, std::move(after), subresource, options);
}

}  // namespace keelson::fakes
