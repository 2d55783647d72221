// Endpoint and Credentials: where the API server is, and who we are to it.
//
// Filled from a kubeconfig (kubeconfig.hpp); the certificate manager (certificate_manager.hpp) provides Credentials
// whose identity changes while we run. Owner: the agent's wiring; outlives the transport. Thread: the loop. Source:
// contract 01 §6, §10; kubeconfig v1.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::kube {

struct Endpoint {
  bool tls = true;
  std::string host;  // name or address, without brackets
  std::string port = "443";
  std::string base_path;    // "" or "/prefix" without a trailing slash
  std::string server_name;  // for SNI and verification; empty: the host
  std::string ca_pem;       // empty: the system's bundle
  bool insecure = false;    // verify nothing
  std::string proxy_url;    // http://[user:password@]host:port, https:// likewise; empty: none
  bool compression = true;
};

// A certificate chain and its key, PEM.
struct Identity {
  std::string certificate_pem;
  std::string key_pem;
  bool operator==(const Identity&) const = default;
};

class Credentials {
 public:
  virtual ~Credentials() = default;
  // What a new connection presents; nothing when there is no client certificate (yet).
  virtual std::optional<Identity> identity() = 0;
  // The value of the Authorization header for the next request; empty: none. May run an exec plugin.
  virtual base::Task<Result<std::string>> authorization() = 0;
  // The server answered 401: whatever was cached is worth nothing.
  virtual void rejected() = 0;
  // Called when identity() has changed: the transport then replaces its connections. One listener.
  virtual void on_identity_change(std::function<void()> listener) = 0;
};

}  // namespace keelson::kube
