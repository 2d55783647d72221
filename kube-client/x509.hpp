// X509: keys, certificates and certificate requests as PEM text, and what is written in them.
//
// Pure functions of values (and of OpenSSL's random source), any thread; no OpenSSL type leaves x509*.cpp. Failures are
// `invalid` for text that is no certificate or key, `internal` when the library fails. Making an RSA key takes up to a
// second: keep it off the loop. Source: contract 01 §6; RFC 5280, RFC 2986, RFC 5915.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::kube {

// Who a certificate is for. Addresses are in their usual text form (inet_ntop).
struct CertificateNames {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  bool operator==(const CertificateNames&) const = default;
};

struct CertificateInfo {
  CertificateNames names;
  std::string issuer_common_name;
  base::SystemTime not_before{};
  base::SystemTime not_after{};
};

// All certificates in `pem`, in order, other blocks skipped; none is an error.
Result<std::vector<CertificateInfo>> parse_certificates(std::string_view pem);
// That `pem` begins with a certificate whose public key belongs to the key.
Status check_key_pair(std::string_view certificate_pem, std::string_view key_pem);
Status check_key(std::string_view key_pem);

// A new ECDSA P-256 key as `EC PRIVATE KEY`.
Result<std::string> make_ec_key();
// A new key as `PRIVATE KEY` (PKCS#8): "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"; any
// other type is `invalid`.
Result<std::string> make_key(std::string_view type);
// The DER bytes of a certificate request that names nobody: it only shows that the key is had.
Result<std::string> make_stub_request(std::string_view key_pem);
// A `CERTIFICATE REQUEST` signed with SHA-256: the subject's organizations, then its common name, and a SAN extension
// only when there are names for it.
Result<std::string> make_certificate_request(std::string_view key_pem, const CertificateNames& names);
// The DER bytes of the key's public half (SubjectPublicKeyInfo).
Result<std::string> public_key_of(std::string_view key_pem);
Result<std::string> public_key_of_request(std::string_view request_pem);
// SHA-512/256.
Result<std::string> sha512_256(std::string_view bytes);

struct SelfSigned {
  std::string certificate_pem;  // the certificate, then its CA
  std::string key_pem;          // RSA PRIVATE KEY
};
// A server's pair for one host name or address, signed by a CA whose key is thrown away; valid from an hour before
// `now` for a year.
Result<SelfSigned> make_self_signed(const std::string& host, base::SystemTime now);

// The usual text form of an IPv4 or IPv6 address; empty for anything else.
std::string canonical_ip(const std::string& text);

}  // namespace keelson::kube
