#include "agent/health/server.hpp"

#include <fcntl.h>
#include <httplib.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t worker_count = 4;
constexpr time_t client_seconds = 1;
constexpr auto stop_patience = std::chrono::milliseconds(700);

// The library says only that binding failed; ask the kernel again for the reason.
std::string why_bind_failed(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return "not an IP address (healthzBindAddress)";
  }
  std::string reason = "cannot listen";
  const base::UniqueFd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (fd) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!fd || bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || listen(fd.get(), 1) != 0) {
    const int error = errno;
    reason = std::strerror(error);
    if (error == EADDRINUSE) reason += " (is a kubelet or another keelson running? healthzPort chooses another port)";
    if (error == EADDRNOTAVAIL) reason += " (healthzBindAddress must be an address of this machine)";
  }
  freeaddrinfo(found);
  return reason;
}

std::string host_port(const std::string& address, int port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

}  // namespace

// Shared with the serving thread, which may outlive the HealthServer when a client hangs at stop().
struct HealthServer::State {
  httplib::Server server;
  std::thread thread;
  int port = 0;

  std::mutex mutex;
  std::condition_variable changed;
  const HealthChecks* checks = nullptr;  // null once stopped
  bool finished = false;

  void answer(const httplib::Request& request, httplib::Response& response);
};

void HealthServer::State::answer(const httplib::Request& request, httplib::Response& response) {
  HealthQuery query;
  query.verbose = request.has_param("verbose");
  const auto [first, last] = request.params.equal_range("exclude");
  for (auto it = first; it != last; ++it) query.excluded.push_back(it->second);

  HealthAnswer answer{503, "stopping\n"};
  {
    std::lock_guard lock(mutex);
    if (checks) answer = health_answer(request.path, query, checks->run());
  }
  response.status = answer.status;
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_content(answer.body, "text/plain; charset=utf-8");
}

HealthServer::HealthServer(const HealthChecks& checks) : checks_(checks) {}

HealthServer::~HealthServer() { stop(); }

Status HealthServer::start(const HealthServerOptions& options) {
  if (state_) return Error(ErrorKind::already_exists, "the health server runs already");
  if (options.port == 0 && !options.any_port) return {};

  auto state = std::make_shared<State>();
  httplib::Server& server = state->server;
  // The library's own default is SO_REUSEPORT, which would let a second agent share the port in silence.
  server.set_socket_options([](socket_t fd) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  });
  server.new_task_queue = [] { return new httplib::ThreadPool(worker_count); };
  server.set_keep_alive_max_count(1);
  server.set_keep_alive_timeout(client_seconds);
  server.set_read_timeout(client_seconds);
  server.set_write_timeout(client_seconds);
  server.set_payload_max_length(1024);
  server.set_pre_routing_handler([weak = std::weak_ptr<State>(state)](const auto& request, auto& response) {
    if (const auto locked = weak.lock()) locked->answer(request, response);
    return httplib::Server::HandlerResponse::Handled;
  });

  const std::string where = host_port(options.address, options.port);
  if (options.any_port) {
    state->port = server.bind_to_any_port(options.address);
    if (state->port <= 0) return Error(ErrorKind::unavailable, "health server: cannot listen on " + where);
  } else {
    if (!server.bind_to_port(options.address, options.port)) {
      return Error(ErrorKind::unavailable,
                   "health server: cannot listen on " + where + ": " + why_bind_failed(options.address, options.port));
    }
    state->port = options.port;
  }
  state->checks = &checks_;
  state->thread = std::thread([state] {
    state->server.listen_after_bind();
    std::lock_guard lock(state->mutex);
    state->finished = true;
    state->changed.notify_all();
  });
  // The library's stop() does nothing until the thread has begun to accept.
  while (!server.is_running()) std::this_thread::yield();
  state_ = std::move(state);
  return {};
}

void HealthServer::stop() {
  if (!state_) return;
  const auto state = std::exchange(state_, nullptr);
  {
    std::lock_guard lock(state->mutex);
    state->checks = nullptr;
  }
  state->server.stop();
  std::unique_lock lock(state->mutex);
  const bool finished = state->changed.wait_for(lock, stop_patience, [&] { return state->finished; });
  lock.unlock();
  // A client that drips its request keeps a worker busy; the thread then ends by itself and touches only `state`.
  if (finished) {
    state->thread.join();
  } else {
    state->thread.detach();
  }
}

int HealthServer::port() const { return state_ ? state_->port : 0; }

}  // namespace keelson::agent
