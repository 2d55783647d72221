#include "agent/server/tests/server_fixture.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/file.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::server::testing {

base::Task<Result<TokenReviewStatus>> FakeTokenReviewer::review(std::string token) {
  ++calls;
  if (gate != nullptr) co_await gate->wait();
  if (!failures.empty()) {
    Error failure = failures.front();
    failures.erase(failures.begin());
    co_return failure;
  }
  TokenReviewStatus status;
  const auto user = users.find(token);
  if (user == users.end()) {
    if (!error_text.empty()) status.set_error(error_text);
    co_return status;
  }
  status.set_authenticated(true);
  status.mutable_user()->set_username(user->second.name);
  status.mutable_user()->set_uid(user->second.uid);
  for (const auto& group : user->second.groups) status.mutable_user()->add_groups(group);
  for (const auto& [key, values] : user->second.extra) {
    for (const auto& value : values) (*status.mutable_user()->mutable_extra())[key].add_items(value);
  }
  co_return status;
}

base::Task<Result<AccessReviewStatus>> FakeAccessReviewer::review(AccessReviewSpec spec) {
  asked.push_back(spec);
  while (hangs) co_await base::asio::post(base::asio::use_awaitable);
  if (!failures.empty()) {
    Error failure = failures.front();
    failures.erase(failures.begin());
    co_return failure;
  }
  const auto& what = spec.resourceattributes();
  const std::string line = spec.user() + " " + what.verb() + " " + what.subresource();
  AccessReviewStatus status;
  status.set_allowed(contradict || std::find(allowed.begin(), allowed.end(), line) != allowed.end());
  status.set_denied(contradict || deny_outright);
  co_return status;
}

base::Task<void> FunctionHandler::handle(const Request& request, Reply& reply) { co_await function_(request, reply); }

base::Task<void> EchoHandler::handle(const Request& request, Reply& reply) {
  ++calls;
  last = request;
  Response response =
      plain_text(200, request.method + " " + request.path + " " + request.user.name + " " + request.body);
  (void)co_await reply.send(std::move(response));
}

ServerTest::ServerTest() {
  log_ = base::Logger(std::make_shared<base::LogSink>(
      base::LogFormat::text, 4, [this](std::string_view line) { log_lines_.emplace_back(line); }));
  char name[] = "/tmp/keelson-server-XXXXXX";
  folder_ = ::mkdtemp(name);
  ca_file_ = folder_ + "/ca.crt";
  EXPECT_TRUE(base::write_file(ca_file_, authority_.pem(), 0644).ok());
  credentials_.current = Authority("serving").issue(server("node"));
  for (const char* verb : {"get", "create", "update", "patch", "delete", ""}) {
    for (const char* subresource :
         {"proxy", "pods", "stats", "metrics", "log", "healthz", "configz", "checkpoint", "statusz"}) {
      access_.allowed.push_back(std::string("admin ") + verb + " " + subresource);
    }
  }
}

ServerTest::~ServerTest() {
  stop();
  (void)base::remove_tree(folder_);
}

void ServerTest::plug(std::string_view name, FunctionHandler::Function function) {
  handlers_.emplace_back(name, std::make_unique<FunctionHandler>(std::move(function)));
}

void ServerTest::start(Switches switches, ServerOptions options) {
  auto ca = ClientCa::open(ca_file_, true, log_);
  ASSERT_TRUE(ca.ok()) << ca.error().to_string();
  client_ca_ = std::move(*ca);
  token_authenticator_ = std::make_unique<TokenAuthenticator>(loop_, clock_, random_, tokens_, token_ttl_, metrics_);
  Authentication methods;
  methods.client_ca = client_ca_.get();
  methods.tokens = token_authenticator_.get();
  methods.anonymous = anonymous_;
  authenticator_ = std::make_unique<Authenticator>(clock_, methods, metrics_);
  Authorization rules;
  rules.node_name = "node-1";
  rules.reviewer = always_allow_ ? nullptr : &access_;
  authorizer_ = std::make_unique<Authorizer>(clock_, random_, log_, rules, metrics_);
  const auto policy = tls_policy(tls_settings_);
  ASSERT_TRUE(policy.ok()) << policy.error().to_string();
  tls_ = std::make_unique<TlsContexts>(*policy, credentials_, client_ca_.get(), log_);

  router_ = std::make_unique<Router>(Port::read_write, switches);
  read_only_router_ = std::make_unique<Router>(Port::read_only, switches);
  for (Router* router : {router_.get(), read_only_router_.get()}) {
    for (const std::string_view name : endpoint_names()) router->plug(name, echo_);
    for (const auto& [name, handler] : handlers_) router->plug(name, *handler);
  }
  options.address = "127.0.0.1";
  options.port = 0;
  server_ = std::make_unique<Server>(loop_, clock_, log_, *router_, metrics_);
  read_only_ = std::make_unique<Server>(loop_, clock_, log_, *read_only_router_, metrics_);
  Access access;
  access.authenticator = authenticator_.get();
  access.authorizer = authorizer_.get();
  const Status started = server_->start(options, tls_.get(), access);
  ASSERT_TRUE(started.ok()) << started.error().to_string();
  const Status opened = read_only_->start(options, nullptr, Access());
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
}

namespace {

base::Task<void> stop_all(Server* server, Server* read_only, TokenAuthenticator* tokens, bool* stopped) {
  if (server != nullptr) co_await server->stop();
  if (read_only != nullptr) co_await read_only->stop();
  if (tokens != nullptr) co_await tokens->stop();
  *stopped = true;
}

}  // namespace

void ServerTest::stop() {
  bool stopped = false;
  base::Gate gate(loop_);
  base::spawn(gate, "stop", stop_all(server_.get(), read_only_.get(), token_authenticator_.get(), &stopped));
  pump(loop_, [&] { return gate.tasks() == 0; });
  EXPECT_TRUE(stopped);
  server_.reset();
  read_only_.reset();
  base::testing::drain(loop_);
}

ClientTls ServerTest::as(const Wish& wish) const {
  ClientTls tls;
  tls.identity = authority_.issue(wish);
  return tls;
}

TestClient ServerTest::connect() { return connect(as(client("admin"))); }

TestClient ServerTest::connect(const ClientTls& tls) {
  TestClient client(loop_, server_->port());
  EXPECT_TRUE(client.start_tls(tls)) << client.problem();
  return client;
}

}  // namespace keelson::server::testing
