// TlsPolicy: what the configuration asks of TLS, in OpenSSL's words.
//
// Pure, any thread. The names were validated by config; what OpenSSL does not have (RC4, 3DES, the post-quantum groups)
// is left out and told in `left_out`. What fails: `invalid` when nothing is left of the curves, since any other would
// be one that was not allowed. Source: contract 05 §2, contract 01 §2.1; the IANA registry of TLS parameters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace keelson::server {

// As in KubeletConfiguration.
struct TlsSettings {
  std::string min_version;                      // tlsMinVersion: "VersionTLS12"; empty: that
  std::vector<std::string> cipher_suites;       // tlsCipherSuites; empty: ours
  std::vector<std::int32_t> curve_preferences;  // tlsCurvePreferences; empty: ours
};

struct TlsPolicy {
  int min_version = 0;  // TLS1_2_VERSION
  std::string ciphers;  // for TLS 1.2 and older; empty: these versions are not spoken
  std::string groups;
  std::vector<std::string> left_out;
};

Result<TlsPolicy> tls_policy(const TlsSettings& settings);

}  // namespace keelson::server
