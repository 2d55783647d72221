// Authenticator: who sends a request, by client certificate, bearer token, WebSocket subprotocol, or nobody in
// particular.
//
// The methods are tried in that order; one that fails does not keep a later one from being good. The anonymous user is
// only who has shown nothing at all: with a bad certificate or token nobody gets in. What carried a token is taken out
// of the request, so that it goes to no one else. Owner: the wiring; outlives the Server. Thread: the loop. Stops: with
// the task that awaits. What fails: `permission_denied` and what asking the API server gives; clients are told only
// "Unauthorized". Source: contract 05 §3.
#pragma once

#include "agent/server/client_certificates.hpp"
#include "agent/server/message.hpp"
#include "agent/server/server_metrics.hpp"
#include "agent/server/token_authenticator.hpp"
#include "base/clock.hpp"

namespace keelson::server {

struct Authentication {
  ClientCa* client_ca = nullptr;         // null: certificates are not looked at
  TokenAuthenticator* tokens = nullptr;  // null: authentication.webhook is off
  bool anonymous = false;
};

// The token of `Authorization: Bearer TOKEN`; empty when there is none.
std::string bearer_token(const Fields& headers);

class Authenticator {
 public:
  Authenticator(base::Clock& clock, Authentication methods, ServerMetrics& metrics);

  base::Task<Result<User>> authenticate(Request& request, const PeerCertificates& peer);

 private:
  Result<std::optional<User>> by_certificate(const PeerCertificates& peer);
  base::Task<Result<std::optional<User>>> by_bearer(Request& request);
  base::Task<Result<std::optional<User>>> by_protocol(Request& request);
  base::Task<Result<std::optional<User>>> by_token(std::string token);

  base::Clock& clock_;
  Authentication methods_;
  ServerMetrics& metrics_;
};

}  // namespace keelson::server
