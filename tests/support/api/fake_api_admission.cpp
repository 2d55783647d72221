#include "tests/support/api/fake_api_admission.hpp"

#include <algorithm>
#include <set>

#include "api/json_codec.hpp"
#include "api/proto/coordination_v1.pb.h"
#include "api/proto/resource_v1.pb.h"
#include "api/proto/storage_v1.pb.h"
#include "tests/support/api/fake_api_authorizer.hpp"
#include "tests/support/api/fake_api_graph.hpp"
#include "tests/support/api/fake_api_pods.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using google::protobuf::Message;
using Labels = google::protobuf::Map<std::string, std::string>;

template <class T>
const T& as(const Message& object) {
  return static_cast<const T&>(object);
}

bool is_in_domain(std::string_view key_domain, std::string_view domain) {
  if (key_domain == domain) return true;
  return key_domain.size() > domain.size() && key_domain.ends_with(domain) &&
         key_domain[key_domain.size() - domain.size() - 1] == '.';
}

std::string_view domain_of(std::string_view key) {
  const std::size_t slash = key.find('/');
  return slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
}

// Contract 01 §7.1: what --node-labels may set; the same a node may write.
bool may_set_label(const std::string& key) {
  static const std::set<std::string_view> allowed = {
      "kubernetes.io/hostname",
      "kubernetes.io/os",
      "kubernetes.io/arch",
      "beta.kubernetes.io/os",
      "beta.kubernetes.io/arch",
      "beta.kubernetes.io/instance-type",
      "node.kubernetes.io/instance-type",
      "topology.kubernetes.io/zone",
      "topology.kubernetes.io/region",
      "failure-domain.beta.kubernetes.io/zone",
      "failure-domain.beta.kubernetes.io/region",
  };
  const std::string_view domain = domain_of(key);
  if (is_in_domain(domain, "node-restriction.kubernetes.io")) return false;
  if (!is_in_domain(domain, "kubernetes.io") && !is_in_domain(domain, "k8s.io")) return true;
  return allowed.count(key) > 0 || is_in_domain(domain, "kubelet.kubernetes.io") ||
         is_in_domain(domain, "node.kubernetes.io");
}

// Keys whose value differs, either way.
std::set<std::string> changed_keys(const Labels& before, const Labels& after) {
  std::set<std::string> out;
  for (const auto& [key, value] : after) {
    const auto found = before.find(key);
    if (found == before.end() || found->second != value) out.insert(key);
  }
  for (const auto& [key, value] : before) {
    if (after.count(key) == 0) out.insert(key);
  }
  return out;
}

std::string refused_labels(const std::set<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    if (!may_set_label(key)) out += (out.empty() ? "" : ", ") + key;
  }
  return out;
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

Refusal admit_node(const std::string& node, const ApiKind& kind, const core::Node* before, const core::Node& after) {
  const std::string& name = after.metadata().name();
  if (name != node) {
    return forbidden(kind, name, "node " + quoted(node) + " is not allowed to modify node " + quoted(name));
  }
  if (after.spec().has_configsource() && (before == nullptr || !before->spec().has_configsource())) {
    return forbidden(kind, name, "node " + quoted(node) + " is not allowed to set spec.configSource");
  }
  const Labels none;
  const std::string labels =
      refused_labels(changed_keys(before == nullptr ? none : before->metadata().labels(), after.metadata().labels()));
  if (!labels.empty()) {
    return forbidden(
        kind, name,
        "is not allowed to " + std::string(before == nullptr ? "set" : "modify") + " the following labels: " + labels);
  }
  if (before == nullptr) return std::nullopt;
  core::NodeSpec old_taints;
  core::NodeSpec new_taints;
  *old_taints.mutable_taints() = before->spec().taints();
  *new_taints.mutable_taints() = after.spec().taints();
  if (!api::same(old_taints, new_taints)) {
    return forbidden(kind, name, "node " + quoted(node) + " is not allowed to modify taints");
  }
  api::meta::ObjectMeta old_owners;
  api::meta::ObjectMeta new_owners;
  *old_owners.mutable_ownerreferences() = before->metadata().ownerreferences();
  *new_owners.mutable_ownerreferences() = after.metadata().ownerreferences();
  if (!api::same(old_owners, new_owners)) {
    return forbidden(kind, name, "node " + quoted(node) + " is not allowed to modify ownerReferences");
  }
  return std::nullopt;
}

// Names of other objects that a mirror pod may not have.
std::string reference_in(const core::PodSpec& spec) {
  if (!spec.serviceaccountname().empty() && spec.serviceaccountname() != "default") return "service account";
  for (const auto& volume : spec.volumes()) {
    const auto& source = volume.volumesource();
    if (source.has_secret()) return "secrets";
    if (source.has_configmap()) return "configmaps";
    if (source.has_persistentvolumeclaim()) return "persistentvolumeclaims";
  }
  if (spec.resourceclaims_size() > 0) return "resourceclaims";
  return "";
}

Refusal admit_mirror_pod(const ApiStore& store, const std::string& node, const ApiKind& kind, const core::Pod& pod) {
  const std::string& name = pod.metadata().name();
  const auto no = [&](const std::string& why) { return forbidden(kind, name, why); };
  if (!is_mirror(pod)) {
    return no("pod does not have \"kubernetes.io/config.mirror\" annotation, node " + quoted(node) +
              " can only create mirror pods");
  }
  if (pod.spec().nodename() != node) {
    return no("node " + quoted(node) + " can only create pods with spec.nodeName set to itself");
  }
  if (pod.metadata().ownerreferences_size() != 1) {
    return no("node " + quoted(node) + " can only create pods with a single owner reference set to itself");
  }
  const auto& owner = pod.metadata().ownerreferences(0);
  if (owner.apiversion() != "v1" || owner.kind() != "Node" || owner.name() != node) {
    return no("node " + quoted(node) + " can only create pods with an owner reference set to itself");
  }
  if (!owner.controller()) {
    return no("node " + quoted(node) + " can only create pods with a controller owner reference set to itself");
  }
  if (owner.blockownerdeletion()) {
    return no("node " + quoted(node) + " must not set blockOwnerDeletion on an owner reference");
  }
  const auto object = store.find<core::Node>("", node);
  if (object == nullptr) return no("node " + quoted(node) + " not found");
  if (object->metadata().uid() != owner.uid()) {
    return no("node " + quoted(node) + " UID mismatch: expected " + object->metadata().uid() + " got " + owner.uid());
  }
  const std::string reference = reference_in(pod.spec());
  if (!reference.empty()) return no("node " + quoted(node) + " can not create pods that reference " + reference);
  return std::nullopt;
}

Refusal own_name(const std::string& node, const ApiKind& kind, const std::string& name) {
  if (name == node) return std::nullopt;
  return forbidden(kind, name, "can only access " + kind.kind + " with the same name as the requesting node");
}

Refusal bound_here(const std::string& node, const ApiKind& kind, const core::Pod& pod, const std::string& what) {
  if (pod.spec().nodename() == node) return std::nullopt;
  return forbidden(kind, pod.metadata().name(),
                   "node " + quoted(node) + " can only " + what + " for pods with spec.nodeName set to itself");
}

Refusal admit_slice(const std::string& node, const ApiKind& kind, const Message& object) {
  const auto& slice = as<k8s::resource::v1::ResourceSlice>(object);
  if (slice.spec().nodename() == node) return std::nullopt;
  return forbidden(kind, slice.metadata().name(),
                   "can only create ResourceSlice with the same NodeName as the requesting node");
}

Refusal admit_claim_status(const ApiKind& kind, const Message& before, const Message& after) {
  core::PersistentVolumeClaim masked = as<core::PersistentVolumeClaim>(after);
  const auto& old = as<core::PersistentVolumeClaim>(before);
  auto& status = *masked.mutable_status();
  *status.mutable_capacity() = old.status().capacity();
  *status.mutable_conditions() = old.status().conditions();
  *status.mutable_allocatedresources() = old.status().allocatedresources();
  *status.mutable_allocatedresourcestatuses() = old.status().allocatedresourcestatuses();
  if (api::same(old, masked)) return std::nullopt;
  return forbidden(kind, old.metadata().name(),
                   "node is not allowed to update fields other than status.capacity, status.conditions");
}

Refusal admit_pod_status(const std::string& node, const ApiKind& kind, const Message& before, const Message& after) {
  const auto& old = as<core::Pod>(before);
  const auto& pod = as<core::Pod>(after);
  if (auto refused = bound_here(node, kind, old, "update pod status")) return refused;
  if (!changed_keys(old.metadata().labels(), pod.metadata().labels()).empty()) {
    return forbidden(kind, pod.metadata().name(), "node " + quoted(node) + " cannot update labels through pod status");
  }
  core::PodStatus old_claims;
  core::PodStatus new_claims;
  *old_claims.mutable_resourceclaimstatuses() = old.status().resourceclaimstatuses();
  *new_claims.mutable_resourceclaimstatuses() = pod.status().resourceclaimstatuses();
  if (!api::same(old_claims, new_claims)) {
    return forbidden(kind, pod.metadata().name(), "node " + quoted(node) + " cannot update resource claim statuses");
  }
  return std::nullopt;
}

bool wants_audience(const ApiStore& store, const core::Pod& pod, const std::string& audience) {
  for (const auto& volume : pod.spec().volumes()) {
    const auto& source = volume.volumesource();
    for (const auto& projection : source.projected().sources()) {
      if (projection.has_serviceaccounttoken() && projection.serviceaccounttoken().audience() == audience) return true;
    }
    if (!source.has_csi()) continue;
    const auto driver = store.find<k8s::storage::v1::CSIDriver>("", source.csi().driver());
    if (driver == nullptr) continue;
    const auto& wanted = driver->spec().tokenrequests();
    if (std::any_of(wanted.begin(), wanted.end(), [&](const auto& one) { return one.audience() == audience; })) {
      return true;
    }
  }
  return false;
}

}  // namespace

Refusal admit_create(const ApiStore& store, const ApiUser& user, const ApiKind& kind, const Message& object) {
  const auto node = node_of(user);
  if (!node || is_master(user)) return std::nullopt;
  if (kind.is("nodes")) return admit_node(*node, kind, nullptr, as<core::Node>(object));
  if (kind.is("pods")) return admit_mirror_pod(store, *node, kind, as<core::Pod>(object));
  if (kind.is("leases") || kind.is("csinodes")) return own_name(*node, kind, meta_of(object).name());
  if (kind.is("resourceslices")) return admit_slice(*node, kind, object);
  return std::nullopt;
}

Refusal admit_update(const ApiStore&, const ApiUser& user, const ApiKind& kind, const Message& before,
                     const Message& after, const std::string& subresource) {
  const auto node = node_of(user);
  if (!node || is_master(user)) return std::nullopt;
  const std::string& name = meta_of(after).name();
  if (kind.is("nodes")) return admit_node(*node, kind, &as<core::Node>(before), as<core::Node>(after));
  if (kind.is("pods") && subresource == "status") return admit_pod_status(*node, kind, before, after);
  if (kind.is("pods")) return forbidden(kind, name, "node " + quoted(*node) + " cannot update pods");
  if (kind.is("leases") || kind.is("csinodes")) return own_name(*node, kind, name);
  if (kind.is("resourceslices")) return admit_slice(*node, kind, after);
  if (kind.is("persistentvolumeclaims")) return admit_claim_status(kind, before, after);
  return std::nullopt;
}

Refusal admit_delete(const ApiUser& user, const ApiKind& kind, const Message& object) {
  const auto node = node_of(user);
  if (!node || is_master(user)) return std::nullopt;
  if (kind.is("pods")) {
    const auto& pod = as<core::Pod>(object);
    if (pod.spec().nodename() == *node) return std::nullopt;
    return forbidden(kind, pod.metadata().name(),
                     "node " + quoted(*node) + " can only delete pods with spec.nodeName set to itself");
  }
  if (kind.is("leases") || kind.is("csinodes")) return own_name(*node, kind, meta_of(object).name());
  if (kind.is("resourceslices")) return admit_slice(*node, kind, object);
  return std::nullopt;
}

Refusal admit_eviction(const ApiUser& user, const api::Pod& pod) {
  const auto node = node_of(user);
  if (!node || is_master(user)) return std::nullopt;
  return bound_here(*node, *kind_of(core::Pod::descriptor()), pod, "create evictions");
}

Refusal admit_token(const ApiStore& store, const ApiUser& user, const std::string& ns, const std::string& account,
                    const k8s::authentication::v1::TokenRequestSpec& spec) {
  const auto node = node_of(user);
  if (!node || is_master(user)) return std::nullopt;
  const ApiKind& kind = *kind_of(core::ServiceAccount::descriptor());
  const auto no = [&](const std::string& why) { return forbidden(kind, account, why); };
  const auto& bound = spec.boundobjectref();
  if (!spec.has_boundobjectref() || bound.apiversion() != "v1" || bound.kind() != "Pod" || bound.name().empty()) {
    return no("node requested token not bound to a pod");
  }
  if (bound.uid().empty()) return no("node requested token with a pod binding without a uid");
  const auto pod = store.find<core::Pod>(ns, bound.name());
  if (pod == nullptr) return not_found(*kind_of(core::Pod::descriptor()), bound.name());
  if (pod->metadata().uid() != bound.uid()) {
    return no("the UID in the bound object reference (" + bound.uid() + ") does not match the UID in record (" +
              pod->metadata().uid() + "). The object might have been deleted and then recreated");
  }
  if (pod->spec().nodename() != *node) return no("node requested token bound to a pod scheduled on a different node");
  if (spec.audiences_size() > 1) return no("node may only request 0 or 1 audiences");
  const std::string audience = spec.audiences_size() == 0 ? "" : spec.audiences(0);
  if (!wants_audience(store, *pod, audience)) {
    return no("audience " + quoted(audience) + " not found in pod spec volume, system:node:" + *node +
              " is not authorized to request tokens for this audience");
  }
  return std::nullopt;
}

}  // namespace keelson::fakes
