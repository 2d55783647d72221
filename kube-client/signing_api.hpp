// SigningApi: what certificates need of the API server: a request made, and followed until somebody has decided.
//
// KubeSigningApi is the real one, over a Client; tests have a fake. The requests' contents and the reading of their
// outcome are pure functions here. API version v1 only (every supported server has it). Owner: the wiring; outlives
// who uses it. Thread: the loop. Stops: with the task that awaits. Source: contract 01 §6.1 "Issue and rotation", §10.
//
// A decision against us is `permission_denied` (denied), `invalid` (failed), `not_found` (deleted) or `conflict`
// (another request of that name); these have code 0, an answer of the server has its HTTP status.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/proto/certificates_v1.pb.h"
#include "base/backoff.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "kube-client/client.hpp"

namespace keelson::kube {

using SigningRequest = k8s::certificates::v1::CertificateSigningRequest;

inline constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr std::string_view kServingSigner = "kubernetes.io/kubelet-serving";

// The API object; an empty `name` lets the server choose one ("csr-...").
SigningRequest make_signing_request(const std::string& name, std::string_view signer, std::string request_pem);
// The certificate, or why there will be none; nothing while it is open. `uid`: of the request that we made.
std::optional<Result<std::string>> outcome_of(const SigningRequest& request, const std::string& uid);

class SigningApi {
 public:
  virtual ~SigningApi() = default;
  virtual base::Task<Result<SigningRequest>> create(SigningRequest request) = 0;
  virtual base::Task<Result<SigningRequest>> get(std::string name) = 0;
  // The certificate's PEM. Trouble on the way is tried again for as long as it is awaited.
  virtual base::Task<Result<std::string>> await_certificate(std::string name, std::string uid) = 0;
  // One GET of /healthz, within a second.
  virtual base::Task<Status> healthz() = 0;
};

class KubeSigningApi final : public SigningApi {
 public:
  KubeSigningApi(Client& client, base::Random& random, base::Logger log);

  base::Task<Result<SigningRequest>> create(SigningRequest request) override;
  base::Task<Result<SigningRequest>> get(std::string name) override;
  base::Task<Result<std::string>> await_certificate(std::string name, std::string uid) override;
  base::Task<Status> healthz() override;

 private:
  using Outcome = std::optional<Result<std::string>>;
  // One list and one watch; nothing when the watch ended without a decision.
  base::Task<Result<Outcome>> follow(std::string name, std::string uid);
  base::Task<Result<Outcome>> read_watch(std::unique_ptr<HttpStream> stream, std::string name, std::string uid);

  Client& client_;
  base::Random& random_;
  base::Logger log_;
};

}  // namespace keelson::kube
