#include "agent/images/docker_config.hpp"

#include <algorithm>
#include <cctype>

#include "api/base64.hpp"
#include "api/document.hpp"

namespace keelson::agent {
namespace {

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

bool same_but_for_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// The last entry of that name; null when there is none or it says nothing.
const api::Node* field(const api::Node& object, std::string_view key) {
  const api::Node* found = nullptr;
  for (const auto& entry : object.entries) {
    if (same_but_for_case(entry.key, key)) found = &entry.value;
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::string> text_field(const api::Node& object, std::string_view key, const std::string& where) {
  const api::Node* value = field(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return bad(where + "." + std::string(key) + ": expected a string");
  return value->text;
}

// Go reads both forms of base64 here, told apart by the end of the text.
std::string padded(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c == '\n' || c == '\r'; });
  if (!text.empty() && text.back() != '=') text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

Status take_auth(const std::string& auth, const std::string& where, RegistryLogin& login) {
  const auto decoded = api::base64_decode(padded(auth));
  if (!decoded.ok()) return bad(where + ".auth: expected base64 of username:password");
  const auto colon = decoded.value().find(':');
  if (colon == std::string::npos) return bad(where + ".auth: expected base64 of username:password");
  login.username = decoded.value().substr(0, colon);
  login.password = decoded.value().substr(colon + 1);
  return {};
}

Result<RegistryLogin> read_login(const api::Node& node, const std::string& where) {
  RegistryLogin login;
  if (node.is_null()) return login;
  if (!node.is_map()) return bad(where + ": expected an object");
  for (const auto& [key, target] : {std::pair("username", &login.username), std::pair("password", &login.password),
                                    std::pair("email", &login.email)}) {
    auto text = text_field(node, key, where);
    if (!text.ok()) return std::move(text).error();
    *target = std::move(*text);
  }
  const auto auth = text_field(node, "auth", where);
  if (!auth.ok()) return auth.error();
  if (!auth.value().empty()) KEELSON_TRY(take_auth(auth.value(), where, login));
  return login;
}

Result<DockerConfig> read_logins(const api::Node& node, const std::string& above) {
  DockerConfig config;
  if (node.is_null()) return config;
  if (!node.is_map()) return bad((above.empty() ? "" : above + ": ") + "expected an object of registries");
  for (const auto& entry : node.entries) {
    if (entry.shadowed) continue;
    auto login = read_login(entry.value, above + "[\"" + entry.key + "\"]");
    if (!login.ok()) return std::move(login).error();
    config.emplace_back(entry.key, std::move(*login));
  }
  return config;
}

}  // namespace

Result<DockerConfig> parse_docker_config_json(std::string_view text) {
  const auto root = api::parse_json(text);
  if (!root.ok()) return root.error();
  if (root.value().is_null()) return DockerConfig{};
  if (!root.value().is_map()) return bad("expected an object with auths");
  const api::Node* auths = field(root.value(), "auths");
  return auths == nullptr ? DockerConfig{} : read_logins(*auths, "auths");
}

Result<DockerConfig> parse_dockercfg(std::string_view text) {
  const auto root = api::parse_json(text);
  if (!root.ok()) return root.error();
  return read_logins(root.value(), "");
}

}  // namespace keelson::agent
