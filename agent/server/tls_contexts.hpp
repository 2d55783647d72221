// TlsContexts: what new TLS connections are made with: the newest serving certificate, the policy, the client CA's
// hint.
//
// Asked at each handshake, so that a certificate that was rotated or replaced on the disk counts from then on; running
// connections keep what they began with. Content that cannot be used leaves the last good one; without any certificate
// every handshake ends with the alert internal_error. A client certificate is asked for only when there is a client CA,
// never required, and judged later (client_certificates.hpp). Owner: the wiring; outlives the Server. Thread: the loop.
// Source: contract 05 §2, contract 01 §6.2.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>

#include "agent/server/client_certificates.hpp"
#include "agent/server/tls_policy.hpp"
#include "base/logger.hpp"
#include "kube-client/credentials.hpp"

namespace keelson::server {

// Where the certificate comes from: files, a certificate manager.
class ServingCredentials {
 public:
  virtual ~ServingCredentials() = default;
  // Nothing: there is none (yet, or any more).
  virtual std::optional<kube::Identity> identity() = 0;
};

using SslContext = std::shared_ptr<SSL_CTX>;

// For one certificate (null: none) and the authorities that clients are told of (null: no client certificate is
// wanted).
Result<SslContext> make_server_context(const TlsPolicy& policy, const kube::Identity* identity, const ClientCa* ca);

class TlsContexts {
 public:
  // `ca` may be null.
  TlsContexts(TlsPolicy policy, ServingCredentials& credentials, ClientCa* ca, base::Logger log);

  SslContext current();

 private:
  void renew(std::optional<kube::Identity> identity, std::uint64_t generation);

  TlsPolicy policy_;
  ServingCredentials& credentials_;
  ClientCa* ca_;
  base::Logger log_;
  bool made_ = false;
  std::optional<kube::Identity> seen_;  // by the last renew(), of use or not
  std::uint64_t generation_ = 0;        // of the client CA, likewise
  std::optional<kube::Identity> used_;
  SslContext context_;
};

}  // namespace keelson::server
