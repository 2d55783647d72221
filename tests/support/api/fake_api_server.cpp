#include "tests/support/api/fake_api_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <set>

#include "tests/support/api/server_internal.hpp"

namespace keelson::fakes {

namespace asio = boost::asio;
using asio::ip::tcp;
using server::Connection;

struct FakeApiServer::State {
  State(base::Loop& loop, ApiHandler& backend, const FakeCa& ca, FakeApiServerOptions options);

  Status listen();
  void stop_listening();
  static base::Task<void> accept_loop(State* self, int generation);
  static base::Task<bool> greet(State* self, server::Wire* wire, std::string name);
  static base::Task<void> serve(State* self, std::unique_ptr<server::Wire> wire, std::string name);
  std::vector<std::shared_ptr<Connection>> alive();

  server::Host host;
  std::string ca_pem;
  std::shared_ptr<X509> authority;
  std::shared_ptr<asio::ssl::context> tls;
  tcp::acceptor acceptor;
  tcp::endpoint endpoint;
  int generation = 0;              // of the listening socket: a loop of an older one leaves
  std::set<std::string> greeting;  // tasks in their handshake
  std::list<std::weak_ptr<Connection>> connections;
};

FakeApiServer::State::State(base::Loop& loop, ApiHandler& backend, const FakeCa& ca, FakeApiServerOptions options)
    : host(loop, backend, std::move(options)),
      ca_pem(ca.certificate_pem()),
      authority(server::read_certificate(ca_pem)),
      acceptor(loop.context()) {
  CertificateWish wish;
  wish.common_name = "kube-apiserver";
  wish.server = true;
  wish.names = {"127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"};
  if (host.options.address != "127.0.0.1" && host.options.address != "0.0.0.0" && host.options.address != "::") {
    wish.names.push_back(host.options.address);
  }
  for (const auto& name : host.options.names) wish.names.push_back(name);
  tls = server::make_tls(ca.issue(wish), ca_pem, host.options.http2);
}

Status FakeApiServer::State::listen() {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host.options.address, error);
  if (error) {
    return Error(ErrorKind::invalid, "listen address \"" + host.options.address + "\": expected an IP address");
  }
  if (endpoint.port() == 0) endpoint = tcp::endpoint(address, host.options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1024, error);
  if (error) {
    const std::string where = host.options.address + ":" + std::to_string(endpoint.port());
    stop_listening();
    return Error(ErrorKind::unavailable, "listen on " + where + ": " + error.message(), error.value());
  }
  endpoint = acceptor.local_endpoint();
  base::spawn(*host.gate, "accept", accept_loop(this, generation));
  return {};
}

void FakeApiServer::State::stop_listening() {
  ++generation;
  boost::system::error_code ignored;
  acceptor.close(ignored);
}

base::Task<void> FakeApiServer::State::accept_loop(State* self, int generation) {
  for (;;) {
    co_await self->host.while_dark();
    if (self->generation != generation) co_return;
    auto [error, socket] = co_await self->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (self->generation != generation) co_return;
    if (error) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    auto wire = std::make_unique<server::Wire>(self->host, std::move(socket), self->tls);
    std::string name = "connection " + std::to_string(++self->host.counts.accepted);
    auto task = serve(self, std::move(wire), name);
    base::spawn(*self->host.gate, std::move(name), std::move(task));
  }
}

base::Task<bool> FakeApiServer::State::greet(State* self, server::Wire* wire, std::string name) {
  struct Greeting {
    std::set<std::string>& names;
    const std::string& name;
    ~Greeting() { names.erase(name); }
  };
  self->greeting.insert(name);
  const Greeting noted{self->greeting, name};
  const bool good = co_await wire->handshake();
  co_return good;
}

base::Task<void> FakeApiServer::State::serve(State* self, std::unique_ptr<server::Wire> wire, std::string name) {
  const bool good = co_await greet(self, wire.get(), name);
  if (!good) co_return;
  const bool http2 = wire->http2();
  auto peer = wire->peer(self->authority.get());
  auto connection = http2 ? make_h2(self->host, std::move(wire), std::move(peer), name)
                          : make_h1(self->host, std::move(wire), std::move(peer), name);
  self->connections.remove_if([](const auto& other) { return other.expired(); });
  self->connections.push_back(connection);
  struct Counted {
    FakeApiServerCounts& counts;
    ~Counted() { --counts.connections; }
  };
  ++self->host.counts.connections;
  const Counted counted{self->host.counts};
  if (http2) {
    co_await serve_h2(connection);
  } else {
    co_await serve_h1(connection);
  }
}

std::vector<std::shared_ptr<Connection>> FakeApiServer::State::alive() {
  std::vector<std::shared_ptr<Connection>> out;
  for (const auto& weak : connections) {
    if (auto connection = weak.lock()) out.push_back(std::move(connection));
  }
  return out;
}

FakeApiServer::FakeApiServer(base::Loop& loop, ApiHandler& backend, const FakeCa& ca, FakeApiServerOptions options)
    : state_(std::make_unique<State>(loop, backend, ca, std::move(options))) {}
FakeApiServer::~FakeApiServer() = default;

Status FakeApiServer::start() {
  state_->host.gate = std::make_unique<base::Gate>(state_->host.loop);
  return state_->listen();
}

base::Task<void> FakeApiServer::stop() {
  state_->stop_listening();
  close_all();
  if (state_->host.gate != nullptr) co_await state_->host.gate->stop();
  state_->connections.clear();
}

std::uint16_t FakeApiServer::port() const { return state_->endpoint.port(); }

std::string FakeApiServer::url() const {
  const auto& address = state_->host.options.address;
  const bool v6 = address.find(':') != std::string::npos;
  return "https://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port());
}

FakeApiServerCounts FakeApiServer::counts() const { return state_->host.counts; }

void FakeApiServer::blackhole(bool on) {
  state_->host.dark = on;
  if (!on) state_->host.light.notify();
}

Status FakeApiServer::refuse(bool on) {
  if (on == !state_->acceptor.is_open()) return {};
  if (!on) return state_->listen();
  state_->stop_listening();
  return {};
}

void FakeApiServer::close_all() {
  const auto greeting = state_->greeting;
  for (const auto& name : greeting) state_->host.gate->cancel(name);
  for (const auto& connection : state_->alive()) connection->reset();
}

void FakeApiServer::go_away() {
  for (const auto& connection : state_->alive()) connection->go_away();
}

}  // namespace keelson::fakes
