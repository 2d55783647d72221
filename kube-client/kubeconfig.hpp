// KubeConfig: a kubeconfig file: the server it names and how we prove there who we are.
//
// Only what the current context points at is looked at; unknown fields are ignored. Relative paths resolve against the
// file's folder. Every problem is reported at once, each with line and field, in one `invalid` error that names the
// file; what cannot be read keeps the kind of its errno. Blocking, on small local files. Owner: the wiring at start;
// values. Thread: any.
//
// Not supported, and refused rather than ignored: impersonation (`as*`), `auth-provider`, SOCKS proxies.
// Source: kubeconfig v1 and client-go's checks of it; contract 01 §4.2, §6.1 rule 3.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/proxy.hpp"

namespace keelson::kube {

// A program that gives credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string command;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  std::string api_version;
  std::string install_hint;
  std::string cluster_json;  // spec.cluster of KUBERNETES_EXEC_INFO; empty when it is not wanted
};

// How we prove who we are. Text wins over the file of the same thing; both are never set but for the token.
struct UserConfig {
  std::string certificate_pem;
  std::string certificate_file;
  std::string key_pem;
  std::string key_file;
  std::string token;
  std::string token_file;  // what it holds wins over `token`
  std::string username;
  std::string password;
  std::optional<ExecPlugin> exec;

  bool has_certificate() const { return !certificate_pem.empty() || !certificate_file.empty(); }
};

// As the file has it.
struct ClusterConfig {
  std::string server;
  std::string ca_file;
  std::string ca_pem;  // certificate-authority-data, decoded
  std::string server_name;
  std::string proxy_url;
  bool insecure = false;
  bool disable_compression = false;
};

struct KubeConfig {
  ClusterConfig cluster;
  UserConfig user;
  Endpoint endpoint;  // the cluster's, CA file read, proxy of the environment applied
};

Result<KubeConfig> parse_kubeconfig(std::string_view text, const std::string& path, const Environment& environment);
Result<KubeConfig> load_kubeconfig(const std::string& path, const Environment& environment);

// The user's certificate and key, files read, checked to belong together; nothing without a certificate.
Result<std::optional<Identity>> identity_of(const UserConfig& user);

// The file an agent writes when it joins: that cluster, and the certificate and its key in one file.
std::string kubeconfig_text(const ClusterConfig& cluster, const std::string& certificate_file);
// Written whole or not at all, 0600; its folder is made.
Status write_kubeconfig(const std::string& path, const ClusterConfig& cluster, const std::string& certificate_file);

}  // namespace keelson::kube
