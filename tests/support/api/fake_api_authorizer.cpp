#include "tests/support/api/fake_api_authorizer.hpp"

#include <algorithm>
#include <set>

#include "api/proto/resource_v1.pb.h"
#include "api/proto/storage_v1.pb.h"
#include "api/selectors.hpp"
#include "tests/support/api/fake_api_graph.hpp"

namespace keelson::fakes {
namespace {

using Reason = std::optional<std::string>;
using Verbs = std::set<std::string>;

constexpr std::string_view kNodePrefix = "system:node:";

bool in_group(const ApiUser& user, std::string_view group) {
  return std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
}

Reason allow() { return std::nullopt; }
Reason deny(std::string why = {}) { return why; }

bool selects(const AccessAttributes& asked, const std::string& field, const std::string& value) {
  const auto selector = api::FieldSelector::parse(asked.field_selector);
  return selector.ok() && selector->required_value(field) == value;
}

bool reads_many(const AccessAttributes& asked) { return asked.verb == "list" || asked.verb == "watch"; }
bool reads(const AccessAttributes& asked) { return asked.verb == "get" || reads_many(asked); }

Reason no_relation(const std::string& node) {
  return deny("no relationship found between node '" + node + "' and this object");
}

Reason only(const AccessAttributes& asked, const Verbs& verbs) {
  return asked.verb.empty() || verbs.count(asked.verb) == 0 ? deny() : allow();
}

Reason judge_nodes(const std::string& node, const AccessAttributes& asked) {
  if (asked.subresource == "status") {
    if (asked.verb != "update" && asked.verb != "patch" && asked.verb != "get") return deny();
    return asked.name == node ? allow() : deny("node '" + node + "' cannot modify '" + asked.name + "'");
  }
  if (!asked.subresource.empty()) return deny();
  if (asked.verb == "create") return allow();
  if (reads_many(asked)) {
    const bool own = asked.name == node || selects(asked, "metadata.name", node);
    return own ? allow() : deny("node '" + node + "' cannot read all nodes, only its own Node object");
  }
  if (asked.verb == "get") {
    return asked.name == node ? allow()
                              : deny("node '" + node + "' cannot read '" + asked.name + "', only its own Node object");
  }
  if (asked.verb == "update" || asked.verb == "patch") return asked.name == node ? allow() : deny();
  return deny();
}

Reason judge_pods(const ApiStore& store, const std::string& node, const AccessAttributes& asked) {
  if (asked.subresource == "status") return only(asked, {"update", "patch"});
  if (asked.subresource == "eviction") return only(asked, {"create"});
  if (!asked.subresource.empty()) return deny();
  if (asked.verb == "create" || asked.verb == "delete") return allow();
  if (!reads(asked)) return deny();
  if (reads_many(asked) && selects(asked, "spec.nodeName", node)) return allow();
  if (asked.name.empty()) return deny("can only list/watch pods with spec.nodeName field selector");
  return node_has_pod(store, node, asked.ns, asked.name) ? allow() : no_relation(node);
}

// Secrets, ConfigMaps: one named object at a time.
Reason judge_named(const std::string& node, const AccessAttributes& asked, bool related) {
  if (!reads(asked)) return deny("can only read resources of this type");
  if (!asked.subresource.empty()) return deny("cannot read subresource");
  if (asked.name.empty() || asked.ns.empty()) return deny("No Object name found");
  return related ? allow() : no_relation(node);
}

Reason judge_owned(const std::string& node, const AccessAttributes& asked) {
  if (asked.verb == "create") return allow();
  if (only(asked, {"get", "update", "patch", "delete"})) {
    return deny("can only get, create, update, patch, or delete a node lease");
  }
  return asked.name == node ? allow() : deny("can only access node lease with the same name as the requesting node");
}

Reason judge_slices(const ApiStore& store, const std::string& node, const AccessAttributes& asked) {
  if (asked.verb == "create") return allow();
  if (reads_many(asked) || asked.verb == "deletecollection") {
    return selects(asked, "spec.nodeName", node)
               ? allow()
               : deny("can only list/watch/deletecollection resourceslices with spec.nodeName field selector");
  }
  const auto slice = store.find<k8s::resource::v1::ResourceSlice>("", asked.name);
  return slice != nullptr && slice->spec().nodename() == node ? allow() : no_relation(node);
}

Reason judge_core(const ApiStore& store, const std::string& node, AccessAttributes asked) {
  // A list or watch of one object by field selector counts as a request for it.
  if (reads_many(asked) && asked.name.empty()) {
    const auto selector = api::FieldSelector::parse(asked.field_selector);
    if (selector.ok()) asked.name = selector->required_value("metadata.name").value_or("");
  }
  const std::string& what = asked.resource;
  if (what == "nodes") return judge_nodes(node, asked);
  if (what == "pods") return judge_pods(store, node, asked);
  if (what == "secrets") {
    return judge_named(node, asked, node_uses_secret(store, node, asked.ns, asked.name));
  }
  if (what == "configmaps") {
    return judge_named(node, asked, node_uses_config_map(store, node, asked.ns, asked.name));
  }
  if (what == "persistentvolumeclaims") {
    const bool related = node_uses_claim(store, node, asked.ns, asked.name);
    if (asked.subresource == "status" && !only(asked, {"update", "patch"}))
      return related ? allow() : no_relation(node);
    if (asked.verb != "get" || !asked.subresource.empty())
      return deny("can only get individual resources of this type");
    return related ? allow() : no_relation(node);
  }
  if (what == "persistentvolumes") {
    if (asked.verb != "get") return deny("can only get individual resources of this type");
    return node_uses_volume(store, node, asked.name) ? allow() : no_relation(node);
  }
  if (what == "serviceaccounts") {
    const bool token = asked.subresource == "token" && asked.verb == "create";
    const bool get = asked.subresource.empty() && asked.verb == "get";
    if (!token && !get) return deny();
    return node_uses_service_account(store, node, asked.ns, asked.name) ? allow() : no_relation(node);
  }
  if (what == "services") return reads(asked) ? allow() : deny();
  if (what == "events") return only(asked, {"create", "update", "patch"});
  if (what == "endpoints") return only(asked, {"get"});
  return deny();
}

Reason judge_certificates(const std::string& node, const AccessAttributes& asked) {
  if (asked.resource == "certificatesigningrequests") return only(asked, {"create", "get", "list", "watch"});
  if (asked.resource == "clustertrustbundles") return reads(asked) ? allow() : deny();
  if (asked.resource != "podcertificaterequests") return deny();
  if (reads_many(asked) && !selects(asked, "spec.nodeName", node)) {
    return deny("can only list/watch podcertificaterequests with spec.nodeName field selector");
  }
  return only(asked, {"create", "get", "list", "watch"});
}

Reason judge_node(const ApiStore& store, const std::string& node, const AccessAttributes& asked) {
  const std::string& what = asked.resource;
  if (asked.group.empty()) return judge_core(store, node, asked);
  if (asked.group == "coordination.k8s.io" && what == "leases") {
    if (asked.ns != "kube-node-lease") return deny("can only access leases in the \"kube-node-lease\" namespace");
    return judge_owned(node, asked);
  }
  if (asked.group == "storage.k8s.io") {
    if (what == "csinodes") return judge_owned(node, asked);
    if (what == "csidrivers") return reads(asked) ? allow() : deny();
    if (what == "volumeattachments") {
      if (asked.verb != "get") return deny("can only get individual resources of this type");
      const auto found = store.find<k8s::storage::v1::VolumeAttachment>("", asked.name);
      return found != nullptr && found->spec().nodename() == node ? allow() : no_relation(node);
    }
  }
  if (asked.group == "resource.k8s.io") {
    if (what == "resourceslices") return judge_slices(store, node, asked);
    if (what == "resourceclaims") {
      if (asked.verb != "get") return deny("can only get individual resources of this type");
      return node_uses_resource_claim(store, node, asked.ns, asked.name) ? allow() : no_relation(node);
    }
  }
  if (asked.group == "node.k8s.io" && what == "runtimeclasses") return reads(asked) ? allow() : deny();
  if (asked.group == "certificates.k8s.io" && asked.subresource.empty()) return judge_certificates(node, asked);
  if (asked.group == "authentication.k8s.io" && what == "tokenreviews") return only(asked, {"create"});
  if (asked.group == "authorization.k8s.io") return only(asked, {"create"});
  if (asked.group == "events.k8s.io" && what == "events") return only(asked, {"create", "update", "patch"});
  return deny();
}

std::string sentence(const ApiUser& user, const AccessAttributes& asked, const std::string& reason) {
  std::string resource = asked.resource;
  if (!asked.subresource.empty()) resource += "/" + asked.subresource;
  std::string out = "User \"" + user.name + "\" cannot " + asked.verb + " resource \"" + resource +
                    "\" in API group \"" + asked.group + "\" ";
  out += asked.ns.empty() ? "at the cluster scope" : "in the namespace \"" + asked.ns + "\"";
  return reason.empty() ? out : out + ": " + reason;
}

}  // namespace

bool is_master(const ApiUser& user) { return in_group(user, "system:masters"); }

std::optional<std::string> node_of(const ApiUser& user) {
  if (!in_group(user, "system:nodes") || !user.name.starts_with(kNodePrefix)) return std::nullopt;
  return user.name.substr(kNodePrefix.size());
}

std::optional<std::string> deny_reason(const ApiStore& store, const ApiUser& user, const AccessAttributes& asked) {
  if (is_master(user)) return allow();
  if (const auto node = node_of(user)) return judge_node(store, *node, asked);
  // Without the exact prefix and group nobody is a node.
  if (in_group(user, "system:nodes") || in_group(user, "system:unauthenticated")) return deny();
  if (in_group(user, "system:bootstrappers")) {
    const bool csr = asked.resource == "certificatesigningrequests" && asked.subresource.empty();
    return csr ? only(asked, {"create", "get", "list", "watch"}) : deny();
  }
  return allow();
}

bool may_visit(const ApiUser& user, const std::string& path) {
  if (path == "/version" || path == "/version/" || path.starts_with("/healthz") || path.starts_with("/livez") ||
      path.starts_with("/readyz")) {
    return true;
  }
  return !in_group(user, "system:unauthenticated");
}

Refusal authorize(const ApiStore& store, const ApiUser& user, const RequestInfo& info, bool node_limits) {
  if (!node_limits) return std::nullopt;
  AccessAttributes asked;
  asked.verb = info.verb;
  asked.group = info.group;
  asked.resource = info.plural;
  asked.subresource = info.subresource;
  asked.ns = info.ns;
  asked.name = info.name;
  asked.field_selector = info.option("fieldSelector");
  const auto reason = deny_reason(store, user, asked);
  if (!reason) return std::nullopt;
  const std::string text = sentence(user, asked, *reason);
  if (info.kind != nullptr) return forbidden(*info.kind, info.name, text);
  return failure(403, "Forbidden", info.plural + " is forbidden: " + text);
}

Refusal authorize_path(const ApiUser& user, const RequestInfo& info) {
  if (may_visit(user, info.path)) return std::nullopt;
  ApiFailure out = failure(403, "Forbidden",
                           "forbidden: User \"" + user.name + "\" cannot " + info.verb + " path \"" + info.path + "\"");
  out.mutable_details();
  return out;
}

}  // namespace keelson::fakes
