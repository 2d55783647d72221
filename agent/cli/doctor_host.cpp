#include "agent/cli/doctor_host.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

std::string link_target(const std::string& path) {
  char target[4096];
  const ssize_t size = readlink(path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<std::size_t>(size)) : std::string();
}

ProcessView process_of(const std::string& pid) {
  std::string name = base::read_file("/proc/" + pid + "/comm").value_or("");
  name.erase(name.find_last_not_of('\n') + 1);
  return {
      .pid = std::strtoll(pid.c_str(), nullptr, 10), .name = name, .executable = link_target("/proc/" + pid + "/exe")};
}

std::vector<std::string> process_ids() {
  auto names = base::list_directory("/proc").value_or({});
  std::erase_if(names,
                [](const std::string& name) { return name.find_first_not_of("0123456789") != std::string::npos; });
  return names;
}

base::SystemTime time_of(const ASN1_TIME* time) {
  tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return base::SystemTime(std::chrono::seconds(timegm(&parts)));
}

std::string subject_of(const X509* certificate) {
  char text[512] = {};
  X509_NAME_oneline(X509_get_subject_name(certificate), text, sizeof text);
  return text;
}

}  // namespace

bool RealHost::is_root() { return geteuid() == 0; }

base::SystemTime RealHost::now() { return std::chrono::system_clock::now(); }

bool RealHost::exists(const std::string& path) { return !path.empty() && access(path.c_str(), F_OK) == 0; }

Result<std::string> RealHost::read(const std::string& path) { return base::read_file(path); }

Result<std::vector<std::string>> RealHost::list(const std::string& path) { return base::list_directory(path); }

Result<DiskUse> RealHost::disk(const std::string& path) {
  struct statvfs use {};
  if (statvfs(path.c_str(), &use) != 0) return errno_error("statfs " + path, errno);
  return DiskUse{.total = use.f_blocks * use.f_frsize,
                 .available = use.f_bavail * use.f_frsize,
                 .inodes = use.f_files,
                 .inodes_free = use.f_ffree};
}

Result<std::vector<CertificateView>> parse_certificates(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      BIO_free);
  std::vector<CertificateView> found;
  while (true) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (!certificate) break;
    found.push_back({subject_of(certificate.get()), time_of(X509_get0_notBefore(certificate.get())),
                     time_of(X509_get0_notAfter(certificate.get()))});
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (found.empty() || !at_end) return Error(ErrorKind::invalid, "it holds no valid PEM certificate");
  return found;
}

Result<std::vector<CertificateView>> RealHost::certificates(const std::string& path) {
  auto pem = base::read_file(path, 1 << 20);
  if (!pem.ok()) return std::move(pem).error();
  return parse_certificates(*pem);
}

std::vector<ProcessView> RealHost::processes() {
  std::vector<ProcessView> found;
  for (const auto& pid : process_ids()) found.push_back(process_of(pid));
  return found;
}

std::optional<ProcessView> RealHost::socket_owner(std::uint64_t inode) {
  const std::string wanted = "socket:[" + std::to_string(inode) + "]";
  for (const auto& pid : process_ids()) {
    const std::string directory = "/proc/" + pid + "/fd";
    for (const auto& fd : base::list_directory(directory).value_or({})) {
      if (link_target(directory + "/" + fd) == wanted) return process_of(pid);
    }
  }
  return {};
}

}  // namespace keelson::agent
