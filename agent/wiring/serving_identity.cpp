#include "agent/wiring/serving_identity.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include "kube-client/kubeconfig.hpp"

namespace keelson::agent {

namespace {

constexpr auto kLimit = std::chrono::minutes(2);  // a small machine without entropy

bool is_file(const std::string& path) {
  std::error_code code;
  return std::filesystem::exists(path, code);
}

}  // namespace

Result<std::unique_ptr<ServingIdentity>> ServingIdentity::create(base::Clock& clock,
                                                                 const config::Configuration& configuration,
                                                                 const std::string& host,
                                                                 kube::CertificateManager* manager, base::Logger log) {
  std::unique_ptr<ServingIdentity> out(new ServingIdentity(clock));
  const auto& kubelet = configuration.kubelet;
  out->manager_ = manager;
  if (manager != nullptr) return out;
  const bool configured = !kubelet.tls_cert_file.empty() && !kubelet.tls_private_key_file.empty();
  const std::string folder = configuration.flags.cert_dir;
  out->certificate_file_ = configured ? kubelet.tls_cert_file : folder + "/kubelet.crt";
  out->key_file_ = configured ? kubelet.tls_private_key_file : folder + "/kubelet.key";
  if (!configured && !is_file(out->certificate_file_) && !is_file(out->key_file_)) {
    out->folder_ = folder;
    out->host_ = host;
    return out;
  }
  const bool reload = configured && configuration.gates.enabled("ReloadKubeletServerCertificateFile");
  KEELSON_TRY(out->use_files(reload, std::move(log)).wrap("while loading the serving certificate"));
  return out;
}

Status ServingIdentity::use_files(bool reload, base::Logger log) {
  kube::UserConfig pair;
  pair.certificate_file = certificate_file_;
  pair.key_file = key_file_;
  auto read = kube::identity_of(pair);
  if (!read.ok()) return read.error();
  fixed_ = std::move(*read);
  if (reload) files_ = std::make_unique<kube::ConfiguredCredentials>(clock_, std::move(pair), std::move(log));
  return {};
}

void ServingIdentity::start(base::Gate& gate, base::BlockingPool& pool, std::function<void(std::string)> failed) {
  if (files_) files_->start(gate);
  if (!folder_.empty()) base::spawn(gate, "make the serving certificate", make_pair(&pool, std::move(failed)));
}

base::Task<void> ServingIdentity::make_pair(base::BlockingPool* pool, std::function<void(std::string)> failed) {
  auto made = co_await make_files(*pool);
  Status used = made.ok() ? use_files(false, base::Logger()) : Status(made.error());
  if (!used.ok()) failed("no serving certificate could be made: " + used.error().to_string());
}

// No coroutine: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<kube::ServingFiles>> ServingIdentity::make_files(base::BlockingPool& pool) {
  return pool.run<kube::ServingFiles>("make the serving certificate", kLimit,
                                      [folder = folder_, host = host_, now = clock_.now()] {
                                        return kube::ensure_self_signed_pair(folder, host, now);
                                      });
}

std::optional<kube::Identity> ServingIdentity::identity() {
  if (manager_ != nullptr) return manager_->identity();
  if (files_) {
    if (auto newest = files_->identity()) return newest;
  }
  return fixed_;
}

}  // namespace keelson::agent
