// CertificateManager: one certificate by certificate signing requests, for as long as we run.
//
// Loads the certificate in use from its store, asks for a new one when it is due (at 70 to 90 % of its lifetime, at
// once when there is none or a wanted name is missing), waits for the decision and stores what comes. It is Credentials
// for the client kind, and the source of the server's certificate for the serving kind. Owner: the wiring. Thread: the
// loop; disk access on the loop, small local files. Order: load(), then start() with what carries the requests; stops
// with the gate. A failed attempt is logged, counted and repeated after 2, 4, 8, 16 s (and up to 10 %), then every 32
// s. Source: contract 01 §6.1 "Issue and rotation", §6.2.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/certificate_store.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/signing_api.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube {

// --- Decisions
// notBefore + lifetime x (0.7 + 0.2 x part), part in [0, 1).
base::SystemTime rotation_deadline(const CertificateInfo& certificate, double part);
// Whether every wanted name is in it; more names do no harm.
bool satisfies(const CertificateNames& certificate, const CertificateNames& wanted);
// The pause after the nth failure in a row, from 1.
base::Duration retry_pause(int failures, base::Random& random);
// Whether an answer to a request shows that the API server itself is alive.
bool shows_live_server(const Error& error);

struct CertificatePurpose {
  std::string kind;  // "client", "server": for the log
  std::string_view signer = kClientSigner;
  // What the certificate must say; nothing: do not ask for one now.
  std::function<std::optional<CertificateNames>()> names;
  // The pair inside the kubeconfig, taken over when the store has no valid one.
  std::optional<Identity> inline_identity;
  // There is a way to a new pair without the stored one (a bootstrap file): a stored pair that is broken is then told
  // of and treated as none, or a file half written when the power failed would keep the node out for good.
  bool replaceable = false;
  // Without a valid certificate for five minutes although the API server is alive. Client kind: leave the process.
  std::function<void()> lost;
  // A certificate was replaced, so long after its notBefore.
  std::function<void(base::Duration)> rotated;
};

// For the node's client certificate: subject, signer.
CertificatePurpose client_purpose(const std::string& node_name);

class CertificateManager final : public Credentials {
 public:
  CertificateManager(base::Loop& loop, base::Clock& clock, base::Random& random, CertificateStore store,
                     CertificatePurpose purpose, base::Logger log);

  // What is on disk; fails when there is something that cannot be used, and nothing to replace it with.
  Status load();
  // `present` sends with the certificate of this manager, `bootstrap` (may be null) with what we had before it. Both
  // outlive the gate's tasks.
  void start(base::Gate& gate, SigningApi& present, SigningApi* bootstrap);
  // The answer of the purpose's names() may be another one now.
  void names_changed() { bell_.notify(); }

  // The pair in use, as long as it is valid.
  std::optional<Identity> identity() override;
  base::Task<Result<std::string>> authorization() override;
  void rejected() override {}
  void on_identity_change(std::function<void()> listener) override { listener_ = std::move(listener); }

  // Until the certificate expires, negative when it has; infinite when there is none.
  double ttl_seconds() const;
  std::uint64_t renew_errors() const { return renew_errors_; }
  bool server_alive() const { return server_alive_; }
  base::SystemTime next_rotation() const { return deadline_; }
  const CertificateStore& store() const { return store_; }

 private:
  base::Task<void> run();
  base::Task<void> wait_until_due();
  base::Task<void> rotate();
  // One key, one request, one certificate.
  base::Task<Status> attempt();
  base::Task<Result<std::string>> await_decision(SigningApi* api, std::string name, std::string uid);
  base::Task<void> watch_validity();
  base::Task<void> wait_for_bell(base::Duration limit);

  bool valid() const;
  bool due(const CertificateNames& names) const;
  bool superseded() const;
  bool replaceable() const { return purpose_.replaceable || purpose_.inline_identity; }
  Status take_over_inline();
  Status use(Identity identity);
  SigningApi& signing_api() const;

  base::Loop& loop_;
  base::Clock& clock_;
  base::Random& random_;
  CertificateStore store_;
  CertificatePurpose purpose_;
  base::Logger log_;
  base::Gate* gate_ = nullptr;
  SigningApi* present_ = nullptr;
  SigningApi* bootstrap_ = nullptr;
  std::function<void()> listener_;

  std::optional<Identity> identity_;
  CertificateInfo info_;  // of identity_
  base::SystemTime deadline_{};
  CertificateNames requested_;  // by the last request
  bool rotate_at_once_ = false;
  bool server_alive_ = false;
  std::uint64_t renew_errors_ = 0;
  base::Notification bell_;  // names or the decision have changed
};

}  // namespace keelson::kube
