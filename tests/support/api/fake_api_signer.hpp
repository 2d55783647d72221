// FakeApiSigner: the certificate authority and the token maker of the fake API server.
//
// Signs the requests of nodes as the controller manager does, with a CA made at its start, on the clock it is given.
// Tokens look like JWTs and are remembered, so that a TokenReview knows them. Owner: ApiBackend. Thread: the loop. What
// fails: a request that is none is answered with a Failed or Denied condition. Source: contract 01 §6.1, §6.2, §9.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/proto/certificates_v1.pb.h"
#include "api/proto/certificates_v1beta1.pb.h"
#include "base/clock.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_failure.hpp"
#include "tests/support/api/fake_api_store.hpp"

namespace keelson::fakes {

inline constexpr const char* kClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr const char* kServingSigner = "kubernetes.io/kubelet-serving";
// Of certificates of pods: one that signs all, one that denies all.
inline constexpr const char* kPodSigner = "keelson.test/pods";
inline constexpr const char* kDenyingSigner = "keelson.test/nobody";

// The shape checks of creation and, for nodes, that the name in it is their own.
Refusal check_csr(const ApiKind& kind, const k8s::certificates::v1::CertificateSigningRequest& csr);

class FakeApiSigner {
 public:
  explicit FakeApiSigner(base::SystemTime now);
  ~FakeApiSigner();

  std::string ca_certificate() const;
  kube::Identity authority() const;
  std::string server_version() const { return "v1.36.2"; }
  // The request approved and signed, or with the condition that says why not; null when no signer of ours is named.
  NewObject answer(const k8s::certificates::v1::CertificateSigningRequest& csr, base::SystemTime now) const;
  NewObject answer(const k8s::certificates::v1beta1::PodCertificateRequest& request, base::SystemTime now) const;
  // The same for one that somebody approved; null when it is not approved or has its certificate.
  NewObject sign_approved(const google::protobuf::Message& csr, base::SystemTime now) const;

  struct Token {
    std::string ns;
    std::string account;
    std::string account_uid;
    std::string audience;
    std::string pod;
    std::string pod_uid;
    base::SystemTime expires{};
  };
  std::string issue_token(const Token& token, base::SystemTime now);
  std::optional<Token> find_token(const std::string& text) const;

 private:
  struct Keys;
  std::shared_ptr<const Keys> keys_;
  std::map<std::string, Token> tokens_;
  std::uint64_t issued_ = 0;
};

}  // namespace keelson::fakes
