// Keyring: which credentials fit an image.
//
// Pure values. Filled with docker configurations, each with where it came from; lookup() answers all whose key matches,
// the longest keys first (reverse alphabetical order), and within a key in the order they were added. Where none does,
// images of the Docker Hub get those of index.docker.io. Source: contract 02 §16.2, §16.3 (credentialHash).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/images/docker_config.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// A Secret or a ServiceAccount.
struct ObjectIdentity {
  std::string ns;
  std::string name;
  std::string uid;
  auto operator<=>(const ObjectIdentity&) const = default;
};

// Whose a credential is: a pull secret's, a service account's, or, with neither, that of all pods of the node.
struct CredentialOrigin {
  std::optional<ObjectIdentity> secret;
  std::optional<ObjectIdentity> account;
  bool operator==(const CredentialOrigin&) const = default;
};

struct Credential {
  cri::AuthConfig auth;
  std::string hash;  // names it without telling it
  CredentialOrigin origin;
};

class Keyring {
 public:
  void add(const CredentialOrigin& origin, const DockerConfig& config);
  // `repository` as normal_repository() makes it.
  std::vector<Credential> lookup(std::string_view repository) const;
  bool empty() const { return keys_.empty(); }

 private:
  std::map<std::string, std::vector<Credential>, std::greater<>> keys_;
};

// A host (each label a glob) with an optional port and path against an image: the same port, the same number of labels,
// the image's path begins with the pattern's.
bool matches_image(std::string_view pattern, std::string_view image);

// Hex SHA-256 of the login as the kubelet writes it down.
std::string login_hash(const RegistryLogin& login);

}  // namespace keelson::agent
