// keelson-fake-apiserver: the fake API server as a program, for integration tests, benchmarks and trying things by
// hand.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>

#include "tests/support/api/apiserver_control.hpp"
#include "tests/support/api/apiserver_files.hpp"
#include "tests/support/api/apiserver_options.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_server.hpp"
#include "tests/support/api/fake_controllers.hpp"
#include "tests/support/api/nodes/node_proxy.hpp"
#include "tests/support/api/server_handler.hpp"

namespace {

using namespace keelson;
using namespace keelson::fakes;

int fail(const std::string& text) {
  std::fprintf(stderr, "keelson-fake-apiserver: %s\n", text.c_str());
  return 1;
}

FakeApiServerOptions server_options(const ApiServerOptions& options, NodeStreams& nodes) {
  FakeApiServerOptions out;
  out.nodes = &nodes;
  out.address = options.address;
  out.port = options.port;
  out.names = options.names;
  out.http2 = !options.http1_only;
  return out;
}

ControllerOptions controller_options(const ApiServerOptions& options) {
  ControllerOptions out;
  out.schedule = options.schedule;
  out.accounts = options.schedule || options.service_accounts;
  return out;
}

// What clients on this machine reach it by.
std::string client_url(const ApiServerOptions& options, const FakeApiServer& server) {
  const bool any = options.address == "0.0.0.0" || options.address == "::";
  return any ? "https://127.0.0.1:" + std::to_string(server.port()) : server.url();
}

FakeCa authority_of(const FakeApi& api) {
  auto ca = FakeCa::load(api.authority());
  KEELSON_CHECK(ca.ok() && "the API server's own CA");
  return std::move(*ca);
}

class Program {
 public:
  explicit Program(ApiServerOptions options)
      : options_(std::move(options)),
        server_(loop_, handler_, ca_, server_options(options_, nodes_)),
        controllers_(loop_, api_, clock_, controller_options(options_)),
        control_(loop_, api_, server_, clock_),
        gate_(loop_) {}

  Status start() {
    for (const auto& [token, user] : options_.tokens) api_.add_token(token, user);
    api_.add_token(kBootstrapToken, bootstrap_user());
    api_.mount_service_account_tokens(options_.service_accounts);
    controllers_.start();
    KEELSON_TRY(server_.start());
    if (!options_.control.empty()) KEELSON_TRY(control_.start(options_.control));
    const std::string url = client_url(options_, server_);
    KEELSON_TRY(write_api_server_files(options_, ca_, url));
    std::printf("ready %s\n", url.c_str());
    std::fflush(stdout);
    return {};
  }

  int run() {
    base::spawn(gate_, "signals", wait_and_stop(this));
    const auto started = start();
    if (!started.ok()) base::spawn(gate_, "stop", stop(this));
    loop_.run();
    loop_.poll();
    return started.ok() ? 0 : fail(started.error().to_string());
  }

 private:
  static base::Task<void> wait_and_stop(Program* self) {
    const auto [error, number] = co_await self->signals_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (!error) co_await stop(self);
  }
  static base::Task<void> stop(Program* self) {
    self->signals_.cancel();
    co_await self->control_.stop();
    co_await self->nodes_.stop();
    co_await self->server_.stop();
    co_await self->controllers_.stop();
    self->loop_.stop();
  }

  ApiServerOptions options_;
  base::Loop loop_;
  base::RealClock clock_{loop_};
  boost::asio::signal_set signals_{loop_.context(), SIGTERM, SIGINT};
  FakeApi api_{loop_, clock_};
  FakeCa ca_ = authority_of(api_);
  FakeApiHandler handler_{api_};
  NodeProxy nodes_{loop_, clock_, handler_, ca_};
  FakeApiServer server_;
  FakeControllers controllers_;
  ApiServerControl control_;
  base::Gate gate_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse_api_server_options({argv + 1, argv + argc});
  if (!options.ok()) {
    fail(options.error().to_string());
    return 2;
  }
  if (options->help) {
    std::fputs(kApiServerUsage, stdout);
    return 0;
  }
  std::signal(SIGPIPE, SIG_IGN);
  Program program(*options);
  return program.run();
}
