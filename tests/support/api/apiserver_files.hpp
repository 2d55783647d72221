// Kubeconfig files for the users of keelson-fake-apiserver.
//
// kubeconfig_text() is pure. Source: kubeconfig v1; contract 01 §6.1 (bootstrap and node users).
#pragma once

#include <string>

#include "base/result.hpp"
#include "kube-client/credentials.hpp"
#include "tests/support/api/apiserver_options.hpp"
#include "tests/support/api/fake_ca.hpp"

namespace keelson::fakes {

inline constexpr const char* kBootstrapToken = "abcdef.0123456789abcdef";
ApiUser bootstrap_user();

struct KubeconfigWish {
  std::string server;
  std::string ca_pem;
  std::string user;
  kube::Identity identity;  // or
  std::string token;
};
std::string kubeconfig_text(const KubeconfigWish& wish);

// All files of DIR, made with mode 0600.
Status write_api_server_files(const ApiServerOptions& options, const FakeCa& ca, const std::string& url);

}  // namespace keelson::fakes
