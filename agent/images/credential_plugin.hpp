// The words between the agent and a credential provider plugin: request and response as JSON, and for what an answer
// may be kept.
//
// Pure. A response is read strictly, as the kubelet does; errors never show what it holds. Source: contract 02 §16.2
// (group credentialprovider.kubelet.k8s.io).
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/images/docker_config.hpp"
#include "agent/images/keyring.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::agent {

// The service account that a plugin in token mode acts for.
struct PluginAccount {
  ObjectIdentity account;
  std::map<std::string, std::string> annotations;  // those that the configuration names and the account has
  std::string token;                               // bound to the pod; secret: never logged
};

std::string plugin_request(const std::string& api_version, const std::string& image,
                           const std::optional<PluginAccount>& account);

struct PluginResponse {
  enum class Scope { image, registry, global };
  Scope scope = Scope::image;                    // for what the answer holds
  std::optional<base::Duration> cache_duration;  // none: the configured default
  DockerConfig logins;
};
Result<PluginResponse> parse_plugin_response(std::string_view text, const std::string& api_version);

// Whether the plugin has handed the token back as a password.
bool echoes_token(const PluginResponse& response, const std::string& token);

// Under what an answer is kept: what it is good for and, in token mode, for whom.
struct PluginCacheKey {
  std::string what;  // the image, its registry, or "global"
  ObjectIdentity account;
  std::map<std::string, std::string> annotations;
  std::string pod_uid;     // with cacheType Token
  std::string token_hash;  // likewise
  auto operator<=>(const PluginCacheKey&) const = default;
};
std::string cache_subject(PluginResponse::Scope scope, const std::string& image);

}  // namespace keelson::agent
