// Docker configuration: the logins for registries that a pull secret or a file of the node holds.
//
// Pure. Both forms are read as the kubelet reads them: names of fields in any case, unknown ones ignored (identity
// tokens and credential helpers among them), `auth` (base64 of user:password) before username and password. Failures
// are `invalid`, name the entry, and never show what it holds. Source: contract 02 §16.2.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

struct RegistryLogin {
  std::string username;
  std::string password;  // secret: never logged
  std::string email;
  bool operator==(const RegistryLogin&) const = default;
};

// Where it is for (a host, a URL, a pattern), and the login; in the order of the text.
using DockerConfig = std::vector<std::pair<std::string, RegistryLogin>>;

// {"auths": {WHERE: LOGIN}}: config.json, and Secrets of type kubernetes.io/dockerconfigjson.
Result<DockerConfig> parse_docker_config_json(std::string_view text);
// {WHERE: LOGIN}: .dockercfg, and Secrets of type kubernetes.io/dockercfg.
Result<DockerConfig> parse_dockercfg(std::string_view text);

}  // namespace keelson::agent
