#include "agent/images/keyring.hpp"

#include <fnmatch.h>

#include <algorithm>

#include "agent/pod_config/go_text.hpp"
#include "base/sha256.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kHubKey = "index.docker.io";

struct Location {
  std::vector<std::string> labels;  // of the host
  std::string port;
  std::string_view path;  // with its slash
};

std::string_view until(std::string_view text, char end) { return text.substr(0, text.find(end)); }

// "host:5000/path" in its parts.
Location split(std::string_view text) {
  Location location;
  text = until(until(text, '#'), '?');
  const auto slash = text.find('/');
  std::string_view host = text.substr(0, slash);
  if (slash != std::string_view::npos) location.path = text.substr(slash);
  const bool address = host.starts_with('[');
  const auto colon = host.rfind(':');
  if (colon != std::string_view::npos && (!address || host[colon - 1] == ']')) {
    location.port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (address) {
    location.labels.emplace_back(host);
    return location;
  }
  while (true) {
    const auto dot = host.find('.');
    location.labels.emplace_back(host.substr(0, dot));
    if (dot == std::string_view::npos) return location;
    host = host.substr(dot + 1);
  }
}

// "https://host/v1/" is "host"; "" when it names no host.
std::string key_of(std::string_view where) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!where.starts_with(scheme)) continue;
    where = where.substr(scheme.size());
    break;
  }
  where = until(until(where, '#'), '?');
  const auto slash = where.find('/');
  const std::string_view host = where.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? "" : where.substr(slash);
  if (host.empty() || host.find_first_of(" \t\r\n") != std::string_view::npos) return "";
  if (path.starts_with("/v1/") || path.starts_with("/v2/")) path = path.substr(3);
  return std::string(host) + (path == "/" ? "" : std::string(path));
}

bool is_of_the_hub(std::string_view image) {
  const std::string_view first = until(image, '/');
  if (first.empty()) return false;
  if (first == image || first == "docker.io" || first == kHubKey) return true;
  return first.find_first_of(".:") == std::string_view::npos;
}

bool label_matches(const std::string& pattern, const std::string& label) {
  return pattern == label || ::fnmatch(pattern.c_str(), label.c_str(), 0) == 0;
}

}  // namespace

bool matches_image(std::string_view pattern, std::string_view image) {
  const Location wanted = split(pattern);
  const Location given = split(image);
  return wanted.port == given.port && given.path.starts_with(wanted.path) &&
         std::equal(wanted.labels.begin(), wanted.labels.end(), given.labels.begin(), given.labels.end(),
                    label_matches);
}

std::string login_hash(const RegistryLogin& login) {
  std::string json;
  for (const auto& [key, value] : {std::pair("username", &login.username), std::pair("password", &login.password),
                                   std::pair("email", &login.email)}) {
    if (value->empty()) continue;
    json += (json.empty() ? "\"" : ",\"") + std::string(key) + "\":" + go_json_string(*value);
  }
  return base::sha256_hex("{" + json + "}");
}

void Keyring::add(const CredentialOrigin& origin, const DockerConfig& config) {
  for (const auto& [where, login] : config) {
    const std::string key = key_of(where);
    if (key.empty()) continue;
    Credential credential;
    credential.auth.username = login.username;
    credential.auth.password = login.password;
    credential.hash = login_hash(login);
    credential.origin = origin;
    keys_[key].push_back(std::move(credential));
  }
}

std::vector<Credential> Keyring::lookup(std::string_view repository) const {
  std::vector<Credential> found;
  for (const auto& [key, credentials] : keys_) {
    if (matches_image(key, repository)) found.insert(found.end(), credentials.begin(), credentials.end());
  }
  if (!found.empty() || !is_of_the_hub(repository)) return found;
  const auto hub = keys_.find(std::string(kHubKey));
  return hub == keys_.end() ? found : hub->second;
}

}  // namespace keelson::agent
