#include "agent/server/tls_policy.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <string_view>

namespace keelson::server {
namespace {

struct Version {
  std::string_view name;
  int number;
};
constexpr Version kVersions[] = {{"", TLS1_2_VERSION},
                                 {"VersionTLS10", TLS1_VERSION},
                                 {"VersionTLS11", TLS1_1_VERSION},
                                 {"VersionTLS12", TLS1_2_VERSION},
                                 {"VersionTLS13", TLS1_3_VERSION}};

struct Suite {
  std::string_view iana;
  std::string_view openssl;  // empty: OpenSSL, as Debian builds it, has none
  bool usual = false;        // without tlsCipherSuites
};
// In the order of preference.
constexpr Suite kSuites[] = {
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", true},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", true},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", true},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", true},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", true},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", true},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA", true},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", true},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA", true},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA", true},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"},
    {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", ""},
    {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", ""},
    {"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", ""},
    {"TLS_ECDHE_RSA_WITH_RC4_128_SHA", ""},
    {"TLS_RSA_WITH_RC4_128_SHA", ""},
    // Those of TLS 1.3 can be named, but not chosen: all are always on.
};

struct Group {
  std::int32_t number;
  std::string_view name;
};
constexpr Group kGroups[] = {{23, "P-256"}, {24, "P-384"}, {25, "P-521"}, {29, "X25519"}};
constexpr std::string_view kUsualGroups = "X25519:P-256:P-384:P-521";

void append(std::string& list, std::string_view name) {
  if ((":" + list + ":").find(":" + std::string(name) + ":") != std::string::npos) return;
  if (!list.empty()) list += ":";
  list += name;
}

// Suites of TLS 1.3 are named after the cipher alone.
bool is_of_tls13(std::string_view iana) { return iana.find("_WITH_") == std::string_view::npos; }

Status choose_ciphers(const std::vector<std::string>& wanted, TlsPolicy& policy) {
  for (const Suite& suite : kSuites) {
    const bool chosen =
        wanted.empty() ? suite.usual : std::find(wanted.begin(), wanted.end(), suite.iana) != wanted.end();
    if (!chosen) continue;
    if (suite.openssl.empty()) {
      policy.left_out.emplace_back(suite.iana);
    } else {
      append(policy.ciphers, suite.openssl);
    }
  }
  const auto unknown = [](const std::string& name) {
    return !is_of_tls13(name) &&
           std::none_of(std::begin(kSuites), std::end(kSuites), [&](const Suite& suite) { return suite.iana == name; });
  };
  const auto bad = std::find_if(wanted.begin(), wanted.end(), unknown);
  if (bad == wanted.end()) return {};
  return Error(ErrorKind::invalid, "tlsCipherSuites: no such cipher suite: " + *bad);
}

Status choose_groups(const std::vector<std::int32_t>& wanted, TlsPolicy& policy) {
  for (const std::int32_t number : wanted) {
    const auto group = std::find_if(std::begin(kGroups), std::end(kGroups),
                                    [number](const Group& row) { return row.number == number; });
    if (group == std::end(kGroups)) {
      policy.left_out.push_back("curve " + std::to_string(number));
    } else {
      append(policy.groups, group->name);
    }
  }
  if (wanted.empty()) policy.groups = kUsualGroups;
  if (!policy.groups.empty()) return {};
  return Error(ErrorKind::invalid,
               "tlsCurvePreferences: none of them is supported here, expected at least one of 23, 24, 25 and 29");
}

}  // namespace

Result<TlsPolicy> tls_policy(const TlsSettings& settings) {
  TlsPolicy policy;
  const auto version = std::find_if(std::begin(kVersions), std::end(kVersions),
                                    [&](const Version& row) { return row.name == settings.min_version; });
  if (version == std::end(kVersions)) {
    return Error(ErrorKind::invalid, "tlsMinVersion: no such version: " + settings.min_version);
  }
  policy.min_version = version->number;
  KEELSON_TRY(choose_ciphers(settings.cipher_suites, policy));
  KEELSON_TRY(choose_groups(settings.curve_preferences, policy));
  return policy;
}

}  // namespace keelson::server
