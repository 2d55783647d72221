// The certificate of the agent's own port: a self-signed pair, or what a signed one must say.
//
// A pair that an administrator gives (tlsCertFile, tlsPrivateKeyFile) needs none of this: ConfiguredCredentials over
// the two files notices when they change. Pure, but for ensure_self_signed_pair(), which blocks (files, and up to
// seconds for two RSA keys): run it off the loop. Source: contract 01 §6.2.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "kube-client/certificate_manager.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube {

struct ServingFiles {
  std::string certificate;  // <folder>/kubelet.crt, 0644
  std::string key;          // <folder>/kubelet.key, 0600
};
// Makes the pair for `host` when both files are missing; what is there stays, expired or not. Only one of the two is an
// `invalid` error.
Result<ServingFiles> ensure_self_signed_pair(const std::string& folder, const std::string& host, base::SystemTime now);

// What a signed serving certificate must say, from the addresses that the API has for the node; nothing before there is
// an IP address.
std::optional<CertificateNames> serving_names(const std::string& node_name,
                                              const std::vector<api::core::NodeAddress>& addresses);
// For a CertificateManager over a store "kubelet-server"; call its names_changed() when the addresses change.
CertificatePurpose serving_purpose(const std::string& node_name,
                                   std::function<std::vector<api::core::NodeAddress>()> addresses);

}  // namespace keelson::kube
