#include "tests/support/api/fake_api_discovery.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "tests/support/api/fake_api_wire.hpp"

namespace keelson::fakes {
namespace {

using Json = nlohmann::ordered_json;

struct Subresource {
  const char* plural;
  const char* name;
  const char* kind;
  const char* group_version;  // "" when it is the resource's own
  std::vector<const char*> verbs;
};

const std::vector<Subresource>& subresources() {
  static const std::vector<Subresource> all = {
      {"pods", "binding", "Binding", "", {"create"}},
      {"pods", "ephemeralcontainers", "Pod", "", {"get", "patch", "update"}},
      {"pods", "eviction", "Eviction", "policy/v1", {"create"}},
      {"pods", "resize", "Pod", "", {"get", "patch", "update"}},
      {"serviceaccounts", "token", "TokenRequest", "authentication.k8s.io/v1", {"create"}},
      {"certificatesigningrequests", "approval", "CertificateSigningRequest", "", {"get", "patch", "update"}},
  };
  return all;
}

struct GroupVersion {
  std::string group;  // "": the core
  std::string version;
  std::string text() const { return group.empty() ? version : group + "/" + version; }
  std::string path() const { return group.empty() ? "api/" + version : "apis/" + text(); }
  bool has(const ApiKind& kind) const { return kind.resource.group == group && kind.resource.version == version; }
  bool operator<(const GroupVersion& other) const {
    return std::tie(group, version) < std::tie(other.group, other.version);
  }
};

// By group, the stable version of each first.
std::set<GroupVersion> group_versions() {
  std::set<GroupVersion> out;
  for (const ApiKind& kind : api_kinds()) {
    out.insert({std::string(kind.resource.group), std::string(kind.resource.version)});
  }
  return out;
}

// Null when there is no such group.
Json group_entry(const std::string& group) {
  Json versions = Json::array();
  for (const GroupVersion& each : group_versions()) {
    if (each.group == group) versions.push_back({{"groupVersion", each.text()}, {"version", each.version}});
  }
  if (versions.empty()) return nullptr;
  const Json preferred = versions.front();
  return {{"name", group}, {"versions", versions}, {"preferredVersion", preferred}};
}

Json group_list() {
  std::set<std::string> groups;
  for (const GroupVersion& each : group_versions()) {
    if (!each.group.empty()) groups.insert(each.group);
  }
  Json list = Json::array();
  for (const std::string& group : groups) list.push_back(group_entry(group));
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", list}};
}

Json resource_entry(const ApiKind& kind) {
  Json out = {{"name", kind.resource.plural},
              {"singularName", kind.singular},
              {"namespaced", kind.resource.namespaced},
              {"kind", kind.kind}};
  out["verbs"] = kind.stored ? Json{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
                             : Json{"create"};
  if (!kind.short_names.empty()) out["shortNames"] = kind.short_names;
  if (!kind.categories.empty()) out["categories"] = kind.categories;
  return out;
}

Json resource_list(const GroupVersion& which) {
  Json resources = Json::array();
  for (const ApiKind& kind : api_kinds()) {
    if (!which.has(kind)) continue;
    resources.push_back(resource_entry(kind));
    const std::string plural(kind.resource.plural);
    if (kind.status) {
      resources.push_back({{"name", plural + "/status"},
                           {"singularName", ""},
                           {"namespaced", kind.resource.namespaced},
                           {"kind", kind.kind},
                           {"verbs", {"get", "patch", "update"}}});
    }
    for (const Subresource& sub : subresources()) {
      if (plural != sub.plural) continue;
      Json entry = {{"name", plural + "/" + sub.name},
                    {"singularName", ""},
                    {"namespaced", kind.resource.namespaced},
                    {"kind", sub.kind},
                    {"verbs", sub.verbs}};
      const std::string other = sub.group_version;
      if (!other.empty()) {
        entry["group"] = other.substr(0, other.find('/'));
        entry["version"] = "v1";
      }
      resources.push_back(entry);
    }
  }
  return {{"kind", "APIResourceList"}, {"apiVersion", "v1"}, {"groupVersion", which.text()}, {"resources", resources}};
}

Json openapi_root() {
  Json paths = Json::object();
  for (const GroupVersion& each : group_versions()) {
    paths[each.path()] = {{"serverRelativeURL", "/openapi/v3/" + each.path()}};
  }
  return {{"paths", paths}};
}

// Enough for clients that look whether PATCH takes fieldValidation.
Json openapi_group(const GroupVersion& which) {
  Json paths = Json::object();
  for (const ApiKind& kind : api_kinds()) {
    if (!which.has(kind)) continue;
    const std::string path = kube::path_of(kind.resource, "NAMESPACE", "NAME");
    const Json parameters =
        Json::array({Json{{"name", "fieldValidation"}, {"in", "query"}}, Json{{"name", "dryRun"}, {"in", "query"}}});
    const Json gvk = {{"group", which.group}, {"kind", kind.kind}, {"version", which.version}};
    paths[path]["patch"] = {
        {"parameters", parameters}, {"responses", Json::object()}, {"x-kubernetes-group-version-kind", gvk}};
  }
  return {{"openapi", "3.0.0"},
          {"info", {{"title", "Kubernetes"}, {"version", "v1.36.2"}}},
          {"paths", paths},
          {"components", {{"schemas", Json::object()}}}};
}

Json version(const std::string& server_version) {
  return {{"major", "1"},        {"minor", "36"},           {"gitVersion", server_version},
          {"gitCommit", "fake"}, {"gitTreeState", "clean"}, {"buildDate", "2026-01-01T00:00:00Z"},
          {"goVersion", "none"}, {"compiler", "gcc"},       {"platform", "linux/amd64"}};
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// That of "/PREFIX/apis/GROUP/VERSION" or "/PREFIX/api/VERSION"; nullopt for anything else.
std::optional<GroupVersion> version_in(const std::string& path, const std::string& prefix) {
  for (const GroupVersion& each : group_versions()) {
    if (path == prefix + "/" + each.path()) return each;
  }
  return std::nullopt;
}

ApiAnswer json_answer(const Json& json) { return render_text(200, "application/json", json.dump() + "\n"); }

bool accepts_json(const kube::Headers& headers) {
  const std::string* accept = kube::find_header(headers, "accept");
  if (accept == nullptr || accept->empty()) return true;
  return accept->find("application/json") != std::string::npos || accept->find("*/*") != std::string::npos ||
         accept->find("application/*") != std::string::npos;
}

}  // namespace

ApiAnswer serve_discovery(const ApiRequest& request, const RequestInfo& info, const std::string& server_version) {
  const std::string path = without_slash(info.path);
  const std::string top = path.substr(0, path.find('/', 1));
  if (request.method != "GET" && request.method != "HEAD") return render_failure({}, method_not_allowed());
  if (top == "/healthz" || top == "/livez" || top == "/readyz")
    return render_text(200, "text/plain; charset=utf-8", "ok");
  if (path == "/version") {
    if (accepts_json(request.headers)) return json_answer(version(server_version));
    return render_failure(
        {}, failure(406, "NotAcceptable", "only the following media types are accepted: application/json"));
  }
  if (path == "/") return json_answer({{"paths", {"/api", "/api/v1", "/apis", "/healthz", "/version"}}});
  if (path == "/api") {
    const Json address = {{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", "127.0.0.1:6443"}};
    return json_answer(
        {{"kind", "APIVersions"}, {"versions", {"v1"}}, {"serverAddressByClientCIDRs", Json::array({address})}});
  }
  if (path == "/apis") return json_answer(group_list());
  if (path == "/openapi/v3") return json_answer(openapi_root());
  if (const auto which = version_in(path, "")) return json_answer(resource_list(*which));
  if (const auto which = version_in(path, "/openapi/v3")) return json_answer(openapi_group(*which));
  const std::string group = path.starts_with("/apis/") ? path.substr(6) : "";
  if (Json entry = group_entry(group); !group.empty() && !entry.is_null()) {
    entry["kind"] = "APIGroup";
    entry["apiVersion"] = "v1";
    return json_answer(entry);
  }
  return render_failure({}, no_such_path());
}

}  // namespace keelson::fakes
