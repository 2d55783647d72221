// Client certificates: what a peer has shown, the authorities it is measured by, and the user that comes of it.
//
// The handshake proves only that the peer has the key; a chain that is worth nothing is found out here and gives 401.
// ClientCa is a file of authorities, looked at whenever it is used, so that a new one counts for the next request;
// content that cannot be used leaves the last good one. Owner: the wiring (ClientCa), the Wire (PeerCertificates).
// Thread: the loop; the file is small and local. What fails: open() for a file that cannot be used; a certificate that
// is refused says why. Source: contract 05 §2, §3; RFC 5280.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/server/message.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "kube-client/configured_credentials.hpp"
#include "kube-client/x509_openssl.hpp"

struct ssl_st;

namespace keelson::server {

struct PeerCertificates {
  kube::openssl::CertificatePtr leaf;                 // null: none was shown
  std::vector<kube::openssl::CertificatePtr> others;  // the rest of what came

  static PeerCertificates of(ssl_st* session);
  static Result<PeerCertificates> of_pem(std::string_view pem);
};

class ClientCa {
 public:
  // `reload`: gate ReloadKubeletClientCAFile.
  static Result<std::unique_ptr<ClientCa>> open(std::string path, bool reload, base::Logger log);

  // Reads the file again if it has changed.
  void refresh();
  // Another number when there are other authorities.
  std::uint64_t generation() const { return generation_; }
  const std::vector<kube::openssl::CertificatePtr>& authorities() const { return authorities_; }

  // Nothing for a good certificate without a common name. `permission_denied` for one that is not good.
  Result<std::optional<User>> user_of(const PeerCertificates& peer, base::SystemTime now);

 private:
  struct FreeStore {
    void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  };

  ClientCa(std::string path, bool reload, base::Logger log);
  Status load();
  Status verify(const PeerCertificates& peer, base::SystemTime now) const;

  kube::FileChange file_;
  bool reload_;
  base::Logger log_;
  std::uint64_t generation_ = 0;
  std::string pem_;
  std::unique_ptr<X509_STORE, FreeStore> store_;
  std::vector<kube::openssl::CertificatePtr> authorities_;
  bool told_ = false;  // that the file is bad
};

// How long the certificate is still good.
base::Duration time_left(const PeerCertificates& peer, base::SystemTime now);

}  // namespace keelson::server
