// What the tests of the server share: fakes of what it asks, handlers, and ServerTest, a node's two ports on loopback.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/server/server.hpp"
#include "agent/server/tests/certificates.hpp"
#include "agent/server/tests/test_client.hpp"
#include "base/sync.hpp"

namespace keelson::server::testing {

// Knows some tokens.
class FakeTokenReviewer final : public TokenReviewer {
 public:
  base::Task<Result<TokenReviewStatus>> review(std::string token) override;

  std::map<std::string, User> users;
  std::string error_text;              // of an answer "not authenticated"
  std::vector<Error> failures;         // of the next calls
  base::Notification* gate = nullptr;  // wait here before answering
  int calls = 0;
};

// Allows what is listed: "USER VERB SUBRESOURCE".
class FakeAccessReviewer final : public AccessReviewer {
 public:
  base::Task<Result<AccessReviewStatus>> review(AccessReviewSpec spec) override;

  std::vector<std::string> allowed;
  bool deny_outright = false;
  bool contradict = false;
  std::vector<Error> failures;
  bool hangs = false;
  std::vector<AccessReviewSpec> asked;
};

class FakeCredentials final : public ServingCredentials {
 public:
  std::optional<kube::Identity> identity() override { return current; }
  std::optional<kube::Identity> current;
};

// Runs a function for each request.
class FunctionHandler final : public Handler {
 public:
  using Function = std::function<base::Task<void>(const Request&, Reply&)>;
  explicit FunctionHandler(Function function) : function_(std::move(function)) {}
  base::Task<void> handle(const Request& request, Reply& reply) override;

 private:
  Function function_;
};

// Answers with what it was asked: method, path, user, body.
class EchoHandler final : public Handler {
 public:
  base::Task<void> handle(const Request& request, Reply& reply) override;
  std::optional<Request> last;
  int calls = 0;
};

template <class T>
base::Task<void> keep_answer(base::Task<T> task, std::optional<T>* place) {
  T value = co_await std::move(task);
  place->emplace(std::move(value));
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // Both ports, with every endpoint echoing that has no handler of its own yet.
  void start(Switches switches = {}, ServerOptions options = {});
  void plug(std::string_view name, FunctionHandler::Function function);
  void stop();

  TestClient connect_plain() { return TestClient(loop_, read_only_->port()); }
  // Through TLS, with the credentials of somebody who may do everything.
  TestClient connect();
  TestClient connect(const ClientTls& tls);
  ClientTls as(const Wish& wish) const;

  template <class T>
  T run(base::Task<T> task) {
    std::optional<T> answer;
    base::Gate gate(loop_);
    base::spawn(gate, "test", keep_answer<T>(std::move(task), &answer));
    pump(loop_, [&] { return gate.tasks() == 0; });
    return std::move(answer.value());
  }

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::Random random_{7};
  std::vector<std::string> log_lines_;
  base::Logger log_;
  ServerMetrics metrics_;
  Authority authority_{"clients"};
  std::string folder_;
  std::string ca_file_;
  TlsSettings tls_settings_;
  FakeCredentials credentials_;
  FakeTokenReviewer tokens_;
  FakeAccessReviewer access_;
  bool anonymous_ = false;
  bool always_allow_ = false;
  base::Duration token_ttl_ = TokenAuthenticator::kUsualTtl;
  EchoHandler echo_;
  std::vector<std::pair<std::string_view, std::unique_ptr<FunctionHandler>>> handlers_;
  std::unique_ptr<ClientCa> client_ca_;
  std::unique_ptr<TokenAuthenticator> token_authenticator_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<Authorizer> authorizer_;
  std::unique_ptr<TlsContexts> tls_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Router> read_only_router_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Server> read_only_;
};

}  // namespace keelson::server::testing
