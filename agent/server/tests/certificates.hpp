// Authority: makes certificates of every shape that the tests of the server want, good and bad.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/x509_openssl.hpp"

namespace keelson::server::testing {

// What VirtualClock begins with.
inline constexpr base::SystemTime kBeginning(std::chrono::seconds(1'767'225'600));

struct Wish {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> uids;     // 1.3.6.1.4.1.57683.2
  std::string usage = "clientAuth";  // empty: no extended key usage
  bool authority = false;
  bool old_authority = false;  // it may sign certificates, and does not say that it is an authority
  bool sha1 = false;
  base::SystemTime from = kBeginning - std::chrono::hours(1);
  base::SystemTime to = kBeginning + std::chrono::hours(24);
};

class Authority {
 public:
  explicit Authority(const std::string& name);

  kube::Identity issue(const Wish& wish) const;
  kube::Identity issue_rsa(const Wish& wish) const;
  // Its certificate is signed by this one.
  Authority intermediate(const Wish& wish) const;
  const std::string& pem() const { return pem_; }

 private:
  Authority() = default;
  kube::openssl::CertificatePtr sign(const Wish& wish, EVP_PKEY* key) const;

  kube::openssl::KeyPtr key_;
  kube::openssl::CertificatePtr certificate_;  // null: signs itself
  std::string pem_;
};

// A client's identity: for clients, with a name and groups.
Wish client(std::string name, std::vector<std::string> groups = {});
// A server's.
Wish server(std::string name);

}  // namespace keelson::server::testing
