// FakeCa: a certificate authority for tests, which issues serving and client certificates.
//
// Keys are ECDSA P-256. Owner: a test or the fake API server's program. Thread: any; values. What fails: `invalid` for
// PEM that holds no certificate or key, `internal` for a failure of the library. Source: contract 01 §6; RFC 5280.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "kube-client/credentials.hpp"

namespace keelson::fakes {

// What a certificate says.
struct CertificateWish {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> names;  // subject alternative names: DNS names and IP addresses
  bool server = false;             // usage: server auth, else client auth
  std::chrono::seconds begins_before{300};
  std::chrono::seconds lifetime{365 * 86400};  // from now; negative: expired already
};

class FakeCa {
 public:
  // A new authority called "kubernetes".
  static FakeCa create();
  static Result<FakeCa> load(const kube::Identity& identity);
  ~FakeCa();
  FakeCa(FakeCa&&) noexcept;
  FakeCa& operator=(FakeCa&&) noexcept;

  const std::string& certificate_pem() const;
  kube::Identity issue(const CertificateWish& wish) const;

 private:
  struct State;
  explicit FakeCa(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace keelson::fakes
