#include "agent/server/server.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/error_code.hpp>
#include <utility>

#include "agent/server/connection.hpp"
#include "kube-client/url.hpp"

namespace keelson::server {
namespace {

namespace asio = base::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

// Out of file descriptors, say: trying again at once would only spin.
constexpr base::Duration kAcceptPause = std::chrono::milliseconds(200);

void keep_watch(Tcp::socket& socket) {
  error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int fd = socket.native_handle();
  const auto set = [fd](int option, int value) { setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value); };
  set(TCP_KEEPIDLE, 15);
  set(TCP_KEEPINTVL, 15);
  set(TCP_KEEPCNT, 9);
}

error_code listen_on(Tcp::acceptor& acceptor, const Tcp::endpoint& endpoint, bool both_families) {
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && endpoint.protocol() == Tcp::v6()) acceptor.set_option(asio::ip::v6_only(!both_families), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

}  // namespace

struct Server::State {
  State(base::Loop& l, base::Clock& clock, base::Logger log, const Router& router, ServerMetrics& metrics)
      : service{l, clock, std::move(log), router, metrics}, gate(l), acceptor(l.context()) {}

  Status listen();
  base::Task<void> accept_all();
  bool make_room();

  Service service;
  base::Gate gate;
  Tcp::acceptor acceptor;
  bool running = false;
};

// 0.0.0.0 is every address of either family, as Go takes it.
Status Server::State::listen() {
  const ServerOptions& options = service.options;
  const std::string where = kube::join_host_port(options.address, std::to_string(options.port));
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) return Error(ErrorKind::invalid, "listen tcp " + where + ": " + options.address + " is no IP address");
  const auto port = static_cast<asio::ip::port_type>(options.port);
  if (address.is_unspecified()) {
    error = listen_on(acceptor, Tcp::endpoint(Tcp::v6(), port), true);
    const bool no_v6 =
        error == asio::error::address_family_not_supported || error == boost::system::errc::address_not_available;
    if (no_v6) error = listen_on(acceptor, Tcp::endpoint(Tcp::v4(), port), false);
  } else {
    error = listen_on(acceptor, Tcp::endpoint(address, port), false);
  }
  if (!error) return {};
  return Error(ErrorKind::unavailable, "listen tcp " + where + ": " + error.message(), error.value());
}

bool Server::State::make_room() {
  if (service.wires->size() < service.options.max_connections) return true;
  return service.wires->close_longest_waiting();
}

base::Task<void> Server::State::accept_all() {
  bool refusing = false;
  while (true) {
    error_code error;
    Tcp::socket socket(service.loop.context());
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      service.log.warning("Cannot accept a connection", {{"error", error.message()}});
      if (error == asio::error::no_descriptors) service.wires->close_longest_waiting();
      co_await service.clock.sleep_for(kAcceptPause);
      continue;
    }
    if (!make_room()) {
      if (!std::exchange(refusing, true)) {
        service.log.warning("Connections are refused, there are too many",
                            {{"limit", service.options.max_connections}});
      }
      continue;  // closes it
    }
    refusing = false;
    keep_watch(socket);
    auto wire = std::make_shared<Wire>(service.clock, std::move(socket), service.wires);
    auto connection = std::make_shared<Connection>(service, std::move(wire));
    base::spawn(gate, "http connection", serve(std::move(connection)));
  }
}

Server::Server(base::Loop& loop, base::Clock& clock, base::Logger log, const Router& router, ServerMetrics& metrics)
    : state_(std::make_unique<State>(loop, clock, std::move(log), router, metrics)) {}

Server::~Server() = default;

Status Server::start(ServerOptions options, TlsContexts* tls, Access access) {
  KEELSON_ASSERT_ON_LOOP(state_->service.loop);
  KEELSON_CHECK(!state_->running && "the server runs already");
  const bool guarded = tls != nullptr && access.authenticator != nullptr && access.authorizer != nullptr;
  const bool open = tls == nullptr && access.authenticator == nullptr && access.authorizer == nullptr;
  KEELSON_CHECK(state_->service.router.port() == Port::read_write ? guarded : open);
  state_->service.options = std::move(options);
  state_->service.tls = tls;
  state_->service.access = access;
  KEELSON_TRY(state_->listen());
  state_->running = true;
  base::spawn(state_->gate, "http listener", state_->accept_all());
  return {};
}

base::Task<void> Server::stop() {
  co_await state_->gate.stop();
  error_code ignored;
  state_->acceptor.close(ignored);
  state_->service.wires->close_all();
}

std::size_t Server::connections() const { return state_->service.wires->size(); }

int Server::port() const {
  error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

}  // namespace keelson::server
