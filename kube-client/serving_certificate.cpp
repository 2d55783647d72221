#include "kube-client/serving_certificate.hpp"

#include <unistd.h>

#include <set>

#include "base/file.hpp"

namespace keelson::kube {
namespace {

Result<bool> readable(const std::string& path) {
  const auto text = base::read_file(path, 1u << 20);
  if (text.ok()) return true;
  if (text.error().kind() == ErrorKind::not_found) return false;
  return text.error();
}

Error half(const std::string& missing, const std::string& there) {
  return Error(ErrorKind::invalid,
               missing + " is missing beside " + there + ", certificate and key must be supplied as a pair");
}

std::vector<std::string> sorted(std::set<std::string> names) { return {names.begin(), names.end()}; }

}  // namespace

Result<ServingFiles> ensure_self_signed_pair(const std::string& folder, const std::string& host, base::SystemTime now) {
  ServingFiles files{folder + "/kubelet.crt", folder + "/kubelet.key"};
  const auto certificate = readable(files.certificate);
  if (!certificate.ok()) return certificate.error();
  const auto key = readable(files.key);
  if (!key.ok()) return key.error();
  if (*certificate && *key) return files;
  if (*certificate) return half(files.key, files.certificate);
  if (*key) return half(files.certificate, files.key);

  const auto pair = make_self_signed(host, now);
  if (!pair.ok()) return pair.error();
  KEELSON_TRY(base::make_directories(folder, 0755));
  KEELSON_TRY(base::write_file_atomically(files.certificate, pair->certificate_pem, 0644));
  const Status written = base::write_file_atomically(files.key, pair->key_pem, 0600);
  if (!written.ok()) {
    ::unlink(files.certificate.c_str());  // or the next start would find half a pair
    return written.error();
  }
  return files;
}

std::optional<CertificateNames> serving_names(const std::string& node_name,
                                              const std::vector<api::core::NodeAddress>& addresses) {
  std::set<std::string> dns_names;
  std::set<std::string> ip_addresses;
  for (const auto& address : addresses) {
    const std::string& text = address.address();
    const std::string ip = canonical_ip(text);
    if (text.empty()) continue;
    if (address.type() == "Hostname") {
      ip.empty() ? dns_names.insert(text) : ip_addresses.insert(ip);
    } else if (address.type() == "InternalDNS" || address.type() == "ExternalDNS") {
      dns_names.insert(text);
    } else if ((address.type() == "InternalIP" || address.type() == "ExternalIP") && !ip.empty()) {
      ip_addresses.insert(ip);
    }
  }
  if (ip_addresses.empty()) return std::nullopt;
  CertificateNames names;
  names.common_name = "system:node:" + node_name;
  names.organizations = {"system:nodes"};
  names.dns_names = sorted(std::move(dns_names));
  names.ip_addresses = sorted(std::move(ip_addresses));
  return names;
}

CertificatePurpose serving_purpose(const std::string& node_name,
                                   std::function<std::vector<api::core::NodeAddress>()> addresses) {
  CertificatePurpose purpose;
  purpose.kind = "server";
  purpose.signer = kServingSigner;
  purpose.names = [node_name, addresses = std::move(addresses)] { return serving_names(node_name, addresses()); };
  return purpose;
}

}  // namespace keelson::kube
