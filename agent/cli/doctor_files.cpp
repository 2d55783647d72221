// The checks of what lies on disk: certificates and free space.
#include <algorithm>
#include <cstdio>
#include <set>

#include "agent/cli/doctor.hpp"
#include "base/duration.hpp"
#include "config/reservations.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
constexpr auto expiry_warning = 24h * 14;

struct CertificateFile {
  std::string path;
  std::string what;
  bool required = false;
};

std::vector<CertificateFile> certificate_files(const config::Configuration& config) {
  std::vector<CertificateFile> files;
  const auto& kubelet = config.kubelet;
  const std::string& directory = config.flags.cert_dir;
  if (!kubelet.authentication.x509.client_ca_file.empty()) {
    files.push_back({kubelet.authentication.x509.client_ca_file, "clientCAFile", true});
  }
  if (!kubelet.tls_cert_file.empty()) {
    files.push_back({kubelet.tls_cert_file, "tlsCertFile", true});
  } else {
    const char* name = kubelet.server_tls_bootstrap ? "/kubelet-server-current.pem" : "/kubelet.crt";
    files.push_back({directory + name, "serving certificate", false});
  }
  if (!config.standalone()) files.push_back({directory + "/kubelet-client-current.pem", "client certificate", false});
  return files;
}

void check_certificate(const CertificateFile& file, Host& host, Findings& findings) {
  const std::string named = file.what + " " + file.path;
  const auto chain = host.certificates(file.path);
  if (!chain.ok()) {
    findings.push_back({"certificates", Level::fail, named + " cannot be used: " + chain.error().to_string(),
                        "put a PEM certificate there that root can read"});
    return;
  }
  const base::SystemTime now = host.now();
  for (const auto& certificate : *chain) {
    const std::string end = base::format_rfc3339(certificate.not_after);
    if (now >= certificate.not_after) {
      findings.push_back({"certificates", Level::fail, named + " (" + certificate.subject + ") expired at " + end,
                          "renew it; with rotateCertificates remove the file and restart with a bootstrap kubeconfig"});
      return;
    }
    if (now < certificate.not_before) {
      findings.push_back(
          {"certificates", Level::fail,
           named + " (" + certificate.subject + ") is valid only from " + base::format_rfc3339(certificate.not_before),
           "check this machine's clock (`timedatectl`)"});
      return;
    }
    if (now + expiry_warning >= certificate.not_after) {
      findings.push_back({"certificates", Level::warn, named + " (" + certificate.subject + ") expires soon, at " + end,
                          "renew it, or check that its rotation works"});
      return;
    }
  }
  findings.push_back({"certificates", Level::ok, named + " is valid", ""});
}

std::string percent_text(double part, double whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f%%", whole > 0 ? 100.0 * part / whole : 0.0);
  return text;
}

std::string gib(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

// What must stay free, by the hard eviction threshold of that signal; 0 when there is none.
double needed(const config::KubeletConfiguration& kubelet, const std::string& signal, double total) {
  const auto found = kubelet.eviction_hard.find(signal);
  if (found == kubelet.eviction_hard.end()) return 0;
  const auto threshold = config::parse_threshold(found->second);
  if (!threshold.ok() || threshold->off()) return 0;
  return threshold->percent ? total * *threshold->percent / 100.0 : static_cast<double>(threshold->amount.value());
}

void check_amount(const std::string& what, const std::string& free_text, double free, double limit, const char* fix,
                  Findings& findings) {
  const std::string text = what + ": " + free_text;
  if (limit > 0 && free < limit) {
    findings.push_back({"disk", Level::fail, text + "; below the eviction threshold, pods are evicted", fix});
  } else if (limit > 0 && free < limit * 1.5) {
    findings.push_back({"disk", Level::warn, text + "; close to the eviction threshold", fix});
  } else {
    findings.push_back({"disk", Level::ok, text, ""});
  }
}

void check_disk(const config::KubeletConfiguration& kubelet, const std::string& what, const std::string& path,
                const std::string& signals, Host& host, Findings& findings) {
  const auto use = host.disk(path);
  if (!use.ok()) {
    findings.push_back({"disk", Level::unknown, what + ": " + use.error().to_string(), "check the file system"});
    return;
  }
  constexpr const char* fix = "free space: remove unused images (`crictl rmi --prune`), old logs, or grow the disk";
  const auto total = static_cast<double>(use->total);
  const auto free = static_cast<double>(use->available);
  check_amount(what, gib(use->available) + " free of " + gib(use->total) + " (" + percent_text(free, total) + ")", free,
               needed(kubelet, signals + ".available", total), fix, findings);
  if (use->inodes == 0) return;
  const auto inodes = static_cast<double>(use->inodes);
  const auto inodes_free = static_cast<double>(use->inodes_free);
  const double limit = needed(kubelet, signals + ".inodesFree", inodes);
  if (limit <= 0 || inodes_free >= limit * 1.5) return;  // only worth a line when short
  check_amount(what, percent_text(inodes_free, inodes) + " of the inodes free", inodes_free, limit,
               "remove many small files, or make a file system with more inodes", findings);
}

}  // namespace

void check_certificates(const DoctorInput& input, Host& host, Findings& findings) {
  const std::size_t before = findings.size();
  for (const auto& file : certificate_files(input.config)) {
    if (file.required || host.exists(file.path)) check_certificate(file, host, findings);
  }
  if (!input.config.standalone() && !host.exists(input.config.flags.kubeconfig) &&
      !host.exists(input.config.flags.bootstrap_kubeconfig)) {
    findings.push_back({"certificates", Level::fail,
                        "neither " + input.config.flags.kubeconfig + " nor a bootstrap kubeconfig exists",
                        "join the node (`kubeadm join`), or give the right --kubeconfig"});
  }
  if (findings.size() == before) {
    findings.push_back({"certificates", Level::ok, "none is configured; the agent makes what it needs", ""});
  }
}

void check_disks(const DoctorInput& input, const RuntimeView& runtime, Host& host, Findings& findings) {
  const auto& kubelet = input.config.kubelet;
  // The directories may not be there before the first start; their file system is what counts.
  const auto existing = [&host](std::string path) {
    while (path.size() > 1 && !host.exists(path))
      path = path.substr(0, std::max<std::size_t>(1, path.find_last_of('/')));
    return path.empty() ? std::string("/") : path;
  };
  check_disk(kubelet, "root directory " + input.config.flags.root_dir, existing(input.config.flags.root_dir), "nodefs",
             host, findings);
  check_disk(kubelet, "pod logs " + kubelet.pod_logs_dir, existing(kubelet.pod_logs_dir), "nodefs", host, findings);
  const std::set<std::string> images(runtime.image_filesystems.begin(), runtime.image_filesystems.end());
  for (const auto& path : images) check_disk(kubelet, "images " + path, path, "imagefs", host, findings);
}

}  // namespace keelson::agent
