// TlsContext: what TLS connections to one server have in common, and what their failures mean.
//
// Made from the endpoint's authorities and our certificate; a new one for each new identity. At least TLS 1.2. Owner:
// shared by the Dialer and the channels made with it. Thread: the loop. Fails with `invalid` for PEM that cannot be
// used. Source: contract 01 §6.1, §10; kubeconfig v1 (certificate-authority, tls-server-name,
// insecure-skip-tls-verify).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "kube-client/credentials.hpp"

namespace boost::asio::ssl {
class context;
}

namespace keelson::kube {

struct TlsSettings {
  std::string ca_pem;  // empty: the system's
  bool insecure = false;
  std::optional<Identity> identity;
  std::vector<std::string> protocols;  // for ALPN, the best first
};

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

Result<TlsContext> make_tls_context(const TlsSettings& settings);
// The text of OpenSSL's newest error, which it forgets.
std::string last_tls_error();

}  // namespace keelson::kube
