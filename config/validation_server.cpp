// Rules of contract 01 §2.1 and §5 that are more than a range.
#include <algorithm>
#include <array>
#include <set>

#include "config/validation.hpp"
#include "config/values.hpp"
#include "config/version.hpp"

namespace keelson::config {
namespace {

// Names of cipher suites as IANA spells them, the insecure ones included. TLS 1.3 suites are accepted, but not
// configurable.
constexpr std::array<std::string_view, 27> kCipherSuites = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
};

// secp256r1, secp384r1, secp521r1, x25519, SecP256r1MLKEM768, X25519MLKEM768, SecP384r1MLKEM1024
constexpr std::array<std::int32_t, 7> kCurves = {23, 24, 25, 29, 4587, 4588, 4589};

void check_tls(const KubeletConfiguration& values, Report& report) {
  if (values.tls_cert_file.empty() && !values.tls_private_key_file.empty()) {
    report.required("tlsCertFile", "must be set when tlsPrivateKeyFile is");
  }
  if (values.tls_private_key_file.empty() && !values.tls_cert_file.empty()) {
    report.required("tlsPrivateKeyFile", "must be set when tlsCertFile is");
  }
  for (std::size_t i = 0; i < values.tls_cipher_suites.size(); ++i) {
    const std::string& suite = values.tls_cipher_suites[i];
    if (std::find(kCipherSuites.begin(), kCipherSuites.end(), suite) == kCipherSuites.end()) {
      report.invalid("tlsCipherSuites[" + std::to_string(i) + "]", quote(suite),
                     "no such cipher suite: expected an IANA name such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    }
  }
  std::set<std::int32_t> seen;
  for (std::size_t i = 0; i < values.tls_curve_preferences.size(); ++i) {
    const std::int32_t curve = values.tls_curve_preferences[i];
    const std::string path = "tlsCurvePreferences[" + std::to_string(i) + "]";
    if (curve < 1 || curve > 65535) {
      report.invalid(path, std::to_string(curve), "must be between 1 and 65535, inclusive");
    } else if (!seen.insert(curve).second) {
      report.duplicate(path, std::to_string(curve));
    } else if (std::find(kCurves.begin(), kCurves.end(), curve) == kCurves.end()) {
      report.invalid(path, std::to_string(curve), "no such key exchange: expected 23, 24, 25, 29, 4587, 4588 or 4589");
    }
  }
}

// Both ask the API server, which a standalone agent does not have.
void check_standalone(const Configuration& configuration, Report& report) {
  if (!configuration.standalone()) return;
  const KubeletConfiguration& values = configuration.kubelet;
  if (values.authentication.webhook.enabled) {
    report.invalid("authentication.webhook.enabled", "true",
                   "tokens are checked by the API server, and --kubeconfig is not given: set "
                   "authentication.webhook.enabled to false to run standalone, or give --kubeconfig");
  }
  if (values.authorization.mode == "Webhook") {
    report.invalid("authorization.mode", "\"Webhook\"",
                   "the API server decides in this mode, and --kubeconfig is not given: set authorization.mode to "
                   "AlwaysAllow to run standalone, or give --kubeconfig");
  }
}

}  // namespace

void validate_server(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  check_tls(values, report);
  check_standalone(configuration, report);
  if (values.server_tls_bootstrap && !configuration.gates.enabled("RotateKubeletServerCertificate")) {
    report.invalid("serverTLSBootstrap", "true", "needs feature gate RotateKubeletServerCertificate");
  }
  if (values.enable_system_log_query && !values.enable_system_log_handler) {
    report.invalid("enableSystemLogQuery", "true", "needs enableSystemLogHandler");
  }
  if (values.enable_system_log_query && !configuration.gates.enabled("NodeLogQuery")) {
    report.invalid("enableSystemLogQuery", "true", "needs feature gate NodeLogQuery");
  }
  const std::string& hidden = values.show_hidden_metrics_for_version;
  if (!hidden.empty() && hidden != kPreviousMinor) {
    report.invalid("showHiddenMetricsForVersion", quote(hidden),
                   "only the previous minor version is possible: " + quote(kPreviousMinor));
  }
  for (const auto& [path, address] : {std::pair<std::string_view, const std::string&>{"address", values.address},
                                      {"healthzBindAddress", values.healthz_bind_address}}) {
    if (!is_ip_address(address)) report.warn(path, quote(address) + " is no IP address");
  }
}

}  // namespace keelson::config
