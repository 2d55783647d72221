#include "tests/support/api/fake_api_graph.hpp"

#include <algorithm>
#include <functional>

#include "api/proto/storage_v1.pb.h"
#include "tests/support/api/fake_api_pods.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Calls `visit` for `message` and every message inside it.
void walk(const Message& message, const std::function<void(const Message&)>& visit) {
  visit(message);
  std::vector<const FieldDescriptor*> fields;
  const auto* reflection = message.GetReflection();
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      walk(reflection->GetMessage(message, field), visit);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      walk(reflection->GetRepeatedMessage(message, field, i), visit);
    }
  }
}

template <class T>
const T* as(const Message& message) {
  return message.GetDescriptor() == T::descriptor() ? static_cast<const T*>(&message) : nullptr;
}

// Every way in which a pod's spec can name a Secret of its namespace.
bool names_secret(const Message& m, const std::string& name) {
  if (const auto* s = as<core::SecretVolumeSource>(m)) return s->secretname() == name;
  if (const auto* s = as<core::SecretProjection>(m)) return s->localobjectreference().name() == name;
  if (const auto* s = as<core::SecretEnvSource>(m)) return s->localobjectreference().name() == name;
  if (const auto* s = as<core::SecretKeySelector>(m)) return s->localobjectreference().name() == name;
  if (const auto* s = as<core::PodSpec>(m)) {
    return std::any_of(s->imagepullsecrets().begin(), s->imagepullsecrets().end(),
                       [&](const auto& reference) { return reference.name() == name; });
  }
  if (const auto* s = as<core::CSIVolumeSource>(m)) {
    return s->has_nodepublishsecretref() && s->nodepublishsecretref().name() == name;
  }
  return false;
}

bool names_config_map(const Message& m, const std::string& name) {
  if (const auto* s = as<core::ConfigMapVolumeSource>(m)) return s->localobjectreference().name() == name;
  if (const auto* s = as<core::ConfigMapProjection>(m)) return s->localobjectreference().name() == name;
  if (const auto* s = as<core::ConfigMapEnvSource>(m)) return s->localobjectreference().name() == name;
  if (const auto* s = as<core::ConfigMapKeySelector>(m)) return s->localobjectreference().name() == name;
  return false;
}

bool some_pod(const ApiStore& store, const std::string& node, const std::string& ns,
              const std::function<bool(const core::Pod&)>& test) {
  for (const auto& [key, object] : store.all(*kind_of(core::Pod::descriptor()))) {
    const auto& pod = static_cast<const core::Pod&>(*object);
    if (pod.spec().nodename() != node || is_mirror(pod)) continue;
    if (!ns.empty() && pod.metadata().namespace_() != ns) continue;
    if (test(pod)) return true;
  }
  return false;
}

bool spec_names(const core::Pod& pod, const std::function<bool(const Message&)>& names) {
  bool found = false;
  walk(pod.spec(), [&](const Message& message) { found = found || names(message); });
  return found;
}

bool volume_names_secret(const core::PersistentVolume& volume, const std::string& ns, const std::string& name) {
  bool found = false;
  walk(volume.spec(), [&](const Message& message) {
    const auto* reference = as<core::SecretReference>(message);
    if (reference != nullptr && reference->name() == name && reference->namespace_() == ns) found = true;
  });
  return found;
}

}  // namespace

bool node_has_pod(const ApiStore& store, const std::string& node, const std::string& ns, const std::string& name) {
  ObjectPtr object = store.get(*kind_of(core::Pod::descriptor()), ns, name);
  // A pod that has just gone is still known here for a moment: its node gets 404 first, 403 later.
  if (object == nullptr) object = store.just_gone(*kind_of(core::Pod::descriptor()), ns, name);
  return object != nullptr && static_cast<const core::Pod&>(*object).spec().nodename() == node;
}

bool node_uses_secret(const ApiStore& store, const std::string& node, const std::string& ns, const std::string& name) {
  if (some_pod(store, node, ns, [&](const core::Pod& pod) {
        return spec_names(pod, [&](const Message& message) { return names_secret(message, name); });
      })) {
    return true;
  }
  for (const auto& volume : store.list<core::PersistentVolume>()) {
    if (volume_names_secret(*volume, ns, name) && node_uses_volume(store, node, volume->metadata().name())) return true;
  }
  return false;
}

bool node_uses_config_map(const ApiStore& store, const std::string& node, const std::string& ns,
                          const std::string& name) {
  return some_pod(store, node, ns, [&](const core::Pod& pod) {
    return spec_names(pod, [&](const Message& message) { return names_config_map(message, name); });
  });
}

bool node_uses_claim(const ApiStore& store, const std::string& node, const std::string& ns, const std::string& name) {
  return some_pod(store, node, ns, [&](const core::Pod& pod) {
    return std::any_of(pod.spec().volumes().begin(), pod.spec().volumes().end(), [&](const auto& volume) {
      const auto& source = volume.volumesource();
      if (source.has_ephemeral()) return pod.metadata().name() + "-" + volume.name() == name;
      return source.has_persistentvolumeclaim() && source.persistentvolumeclaim().claimname() == name;
    });
  });
}

bool node_uses_volume(const ApiStore& store, const std::string& node, const std::string& name) {
  const auto volume = store.find<core::PersistentVolume>("", name);
  if (volume == nullptr || !volume->spec().has_claimref()) return false;
  const auto& claim = volume->spec().claimref();
  const auto bound = store.find<core::PersistentVolumeClaim>(claim.namespace_(), claim.name());
  return bound != nullptr && node_uses_claim(store, node, claim.namespace_(), claim.name());
}

bool node_uses_resource_claim(const ApiStore& store, const std::string& node, const std::string& ns,
                              const std::string& name) {
  return some_pod(store, node, ns, [&](const core::Pod& pod) {
    const auto& named = pod.spec().resourceclaims();
    const auto& made = pod.status().resourceclaimstatuses();
    return std::any_of(named.begin(), named.end(),
                       [&](const auto& claim) { return claim.resourceclaimname() == name; }) ||
           std::any_of(made.begin(), made.end(), [&](const auto& claim) { return claim.resourceclaimname() == name; });
  });
}

bool node_uses_service_account(const ApiStore& store, const std::string& node, const std::string& ns,
                               const std::string& name) {
  return some_pod(store, node, ns, [&](const core::Pod& pod) { return pod.spec().serviceaccountname() == name; });
}

}  // namespace keelson::fakes
