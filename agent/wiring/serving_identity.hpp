// ServingIdentity: where the certificate of the node's HTTPS port comes from.
//
// From a CertificateManager with serverTLSBootstrap; else from the configured files, which are looked at again while
// the gate ReloadKubeletServerCertificateFile is on; else from a self-signed pair in --cert-dir, made once: two RSA
// keys, beside the loop. Until there is a certificate no client gets in. Owner: NodeServer. Thread: the loop; create()
// blocks on small files. Stops: with the gate it was started in. What fails: create(), when the files cannot be used;
// start() tells `failed` when no pair can be made. Source: contract 05 §2, contract 01 §6.2.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/server/tls_contexts.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "config/configuration.hpp"
#include "kube-client/certificate_manager.hpp"
#include "kube-client/configured_credentials.hpp"
#include "kube-client/serving_certificate.hpp"

namespace keelson::agent {

class ServingIdentity final : public server::ServingCredentials {
 public:
  // `manager` is there with serverTLSBootstrap and outlives this.
  static Result<std::unique_ptr<ServingIdentity>> create(base::Clock& clock, const config::Configuration& configuration,
                                                         const std::string& host, kube::CertificateManager* manager,
                                                         base::Logger log);

  void start(base::Gate& gate, base::BlockingPool& pool, std::function<void(std::string)> failed);
  std::optional<kube::Identity> identity() override;

  // The pair that is used, for /configz; empty with serverTLSBootstrap.
  const std::string& certificate_file() const { return certificate_file_; }
  const std::string& key_file() const { return key_file_; }

 private:
  explicit ServingIdentity(base::Clock& clock) : clock_(clock) {}
  Status use_files(bool reload, base::Logger log);
  base::Task<void> make_pair(base::BlockingPool* pool, std::function<void(std::string)> failed);
  base::Task<Result<kube::ServingFiles>> make_files(base::BlockingPool& pool);

  base::Clock& clock_;
  std::string folder_;  // where a self-signed pair is still to be made
  std::string host_;

  std::string certificate_file_;
  std::string key_file_;
  kube::CertificateManager* manager_ = nullptr;
  std::unique_ptr<kube::ConfiguredCredentials> files_;
  std::optional<kube::Identity> fixed_;
};

}  // namespace keelson::agent
