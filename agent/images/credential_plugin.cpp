#include "agent/images/credential_plugin.hpp"

#include <algorithm>

#include "agent/pod_config/go_text.hpp"
#include "api/document.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

using Scope = PluginResponse::Scope;

constexpr std::pair<std::string_view, Scope> kScopes[] = {
    {"Image", Scope::image}, {"Registry", Scope::registry}, {"Global", Scope::global}};

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

// Every field of the object must be one of these.
Status check_fields(const api::Node& object, const std::string& where, std::initializer_list<std::string_view> known) {
  for (const auto& entry : object.entries) {
    if (entry.shadowed) return bad(where + entry.key + ": doubled key");
    if (std::find(known.begin(), known.end(), entry.key) == known.end())
      return bad(where + entry.key + ": unknown field");
  }
  return {};
}

Result<std::string> text_of(const api::Node& object, std::string_view key, const std::string& where) {
  const api::Node* value = object.find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return bad(where + std::string(key) + ": expected a string");
  return value->text;
}

Status take_scope(const api::Node& root, PluginResponse& response) {
  const auto text = text_of(root, "cacheKeyType", "");
  if (!text.ok()) return text.error();
  for (const auto& [name, scope] : kScopes) {
    if (name != text.value()) continue;
    response.scope = scope;
    return {};
  }
  return bad("cacheKeyType: expected Image, Registry or Global");
}

Status take_duration(const api::Node& root, PluginResponse& response) {
  const api::Node* value = root.find("cacheDuration");
  if (value == nullptr || value->is_null()) return {};
  const auto duration = value->is_string() ? base::parse_duration(value->text) : bad("not a string");
  if (!duration.ok()) return bad("cacheDuration: expected a duration such as 10m");
  response.cache_duration = duration.value();
  return {};
}

Status take_logins(const api::Node& root, PluginResponse& response) {
  const api::Node* auth = root.find("auth");
  if (auth == nullptr || auth->is_null()) return {};
  if (!auth->is_map()) return bad("auth: expected an object of registries");
  for (const auto& entry : auth->entries) {
    const std::string where = "auth[\"" + entry.key + "\"].";
    if (!entry.value.is_map()) return bad(where.substr(0, where.size() - 1) + ": expected an object");
    KEELSON_TRY(check_fields(entry.value, where, {"username", "password"}));
    auto username = text_of(entry.value, "username", where);
    if (!username.ok()) return std::move(username).error();
    auto password = text_of(entry.value, "password", where);
    if (!password.ok()) return std::move(password).error();
    response.logins.emplace_back(entry.key, RegistryLogin{std::move(*username), std::move(*password), ""});
  }
  return {};
}

}  // namespace

std::string plugin_request(const std::string& api_version, const std::string& image,
                           const std::optional<PluginAccount>& account) {
  std::string json = R"({"kind":"CredentialProviderRequest","apiVersion":)" + go_json_string(api_version) +
                     ",\"image\":" + go_json_string(image);
  if (account && !account->token.empty()) json += ",\"serviceAccountToken\":" + go_json_string(account->token);
  if (account && !account->annotations.empty()) {
    std::string annotations;
    for (const auto& [key, value] : account->annotations) {
      annotations += (annotations.empty() ? "" : ",") + go_json_string(key) + ":" + go_json_string(value);
    }
    json += ",\"serviceAccountAnnotations\":{" + annotations + "}";
  }
  return json + "}\n";
}

Result<PluginResponse> parse_plugin_response(std::string_view text, const std::string& api_version) {
  const auto root = api::parse_json(text);
  if (!root.ok()) return bad("expected a JSON object");
  if (!root.value().is_map()) return bad("expected a JSON object");
  const auto version = text_of(root.value(), "apiVersion", "");
  if (!version.ok()) return version.error();
  if (version.value() != api_version) return bad("apiVersion: expected " + api_version);
  const auto kind = text_of(root.value(), "kind", "");
  if (!kind.ok() || kind.value() != "CredentialProviderResponse")
    return bad("kind: expected CredentialProviderResponse");
  KEELSON_TRY(check_fields(root.value(), "", {"kind", "apiVersion", "cacheKeyType", "cacheDuration", "auth"}));
  PluginResponse response;
  KEELSON_TRY(take_scope(root.value(), response));
  KEELSON_TRY(take_duration(root.value(), response));
  KEELSON_TRY(take_logins(root.value(), response));
  return response;
}

bool echoes_token(const PluginResponse& response, const std::string& token) {
  return !token.empty() && std::any_of(response.logins.begin(), response.logins.end(),
                                       [&](const auto& login) { return login.second.password == token; });
}

std::string cache_subject(Scope scope, const std::string& image) {
  switch (scope) {
    case Scope::image: return image;
    case Scope::registry: return image.substr(0, image.find('/'));
    case Scope::global: break;
  }
  return "global";
}

}  // namespace keelson::agent
