// Deleting: preconditions, grace, finalizers, namespaces. Source: contract 02 §11.
#include "api/time.hpp"
#include "tests/support/api/fake_api_admission.hpp"
#include "tests/support/api/fake_api_backend.hpp"
#include "tests/support/api/fake_api_pods.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using google::protobuf::Message;

NewObject clone(const Message& object) {
  NewObject out(object.New());
  out->MergeFrom(object);
  return out;
}

Refusal check_preconditions(const ApiKind& kind, const api::meta::ObjectMeta& meta,
                            const api::meta::Preconditions& wanted) {
  if (wanted.has_uid() && wanted.uid() != meta.uid()) {
    return conflict(
        kind, meta.name(),
        "Precondition failed: UID in precondition: " + wanted.uid() + ", UID in object meta: " + meta.uid());
  }
  if (wanted.has_resourceversion() && wanted.resourceversion() != meta.resourceversion()) {
    return conflict(kind, meta.name(),
                    "Precondition failed: ResourceVersion in precondition: " + wanted.resourceversion() +
                        ", ResourceVersion in object meta: " + meta.resourceversion());
  }
  return std::nullopt;
}

}  // namespace

Outcome<Removal> ApiBackend::remove(const ApiKind& kind, const std::string& ns, const std::string& name,
                                    const api::meta::DeleteOptions& delete_options, const WriteOptions& options) {
  const ObjectPtr object = store_.get(kind, ns, name);
  if (object == nullptr) return not_found(kind, name);
  if (delete_options.has_preconditions()) {
    if (auto refused = check_preconditions(kind, meta_of(*object), delete_options.preconditions())) return *refused;
  }
  if (switches.node_limits) {
    if (auto refused = admit_delete(options.user, kind, *object)) return *refused;
  }
  if (kind.is("pods")) {
    std::optional<std::int64_t> grace;
    if (delete_options.has_graceperiodseconds()) grace = delete_options.graceperiodseconds();
    return remove_pod(object, grace, options);
  }
  if (options.dry_run) return Removal{object, true};
  if (kind.is("namespaces")) {
    if (!meta_of(*object).has_deletiontimestamp()) {
      NewObject ending = clone(*object);
      *mutable_meta(*ending).mutable_deletiontimestamp() = api::make_time(clock_.now());
      static_cast<core::Namespace&>(*ending).mutable_status()->set_phase("Terminating");
      store_.put(kind, std::move(ending));
    }
    empty_namespace(name);
    const ObjectPtr left = store_.get(kind, "", name);
    return Removal{left != nullptr ? left : object, left == nullptr};
  }
  if (meta_of(*object).finalizers_size() > 0) {
    if (meta_of(*object).has_deletiontimestamp()) return Removal{object, false};
    NewObject ending = clone(*object);
    *mutable_meta(*ending).mutable_deletiontimestamp() = api::make_time(clock_.now());
    mutable_meta(*ending).set_deletiongraceperiodseconds(0);
    return Removal{store_.put(kind, std::move(ending)), false};
  }
  erase(kind, *object);
  return Removal{object, true};
}

Outcome<Removal> ApiBackend::remove_pod(const ObjectPtr& object, std::optional<std::int64_t> asked,
                                        const WriteOptions& options) {
  const ApiKind& kind = *kind_of(core::Pod::descriptor());
  const auto& pod = static_cast<const core::Pod&>(*object);
  const std::int64_t grace = deletion_grace(pod, asked);
  const bool held = pod.metadata().finalizers_size() > 0;
  if (options.dry_run) return Removal{object, grace == 0 && !held};
  if (grace == 0 && !held) {
    auto last = std::make_shared<core::Pod>(pod);
    if (shortens(pod, 0)) mark_deleted(*last, 0, clock_.now());
    erase(kind, pod);
    return Removal{std::move(last), true};
  }
  if (!shortens(pod, grace)) return Removal{object, false};
  auto ending = std::make_unique<core::Pod>(pod);
  mark_deleted(*ending, grace, clock_.now());
  return Removal{store_.put(kind, std::move(ending)), false};
}

void ApiBackend::erase(const ApiKind& kind, const Message& object) {
  const std::string ns = meta_of(object).namespace_();
  const std::string name = meta_of(object).name();
  store_.erase(kind, ns, name);
  if (kind.is("pods")) finish_namespace(ns);
}

void ApiBackend::empty_namespace(const std::string& ns) {
  const ApiKind& pods = *kind_of(core::Pod::descriptor());
  for (const ApiKind& kind : api_kinds()) {
    if (!kind.resource.namespaced) continue;
    const ApiStore::Objects objects = store_.all(kind);
    for (const auto& [key, object] : objects) {
      if (meta_of(*object).namespace_() != ns) continue;
      const WriteOptions options{administrator()};
      if (&kind == &pods) {
        (void)remove_pod(object, std::nullopt, options).ok();
      } else {
        (void)remove(kind, ns, meta_of(*object).name(), {}, options).ok();
      }
    }
  }
  finish_namespace(ns);
}

void ApiBackend::finish_namespace(const std::string& ns) {
  const auto object = store_.find<core::Namespace>("", ns);
  if (object == nullptr || !object->metadata().has_deletiontimestamp()) return;
  for (const ApiKind& kind : api_kinds()) {
    if (!kind.resource.namespaced) continue;
    for (const auto& [key, left] : store_.all(kind)) {
      if (meta_of(*left).namespace_() == ns) return;
    }
  }
  store_.erase(*kind_of(core::Namespace::descriptor()), "", ns);
}

}  // namespace keelson::fakes
