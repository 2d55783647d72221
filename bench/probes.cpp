// keelson-bench-probes: what a thousand probes a second cost, by the real manager and network on loopback.
//
//   keelson-bench-probes [PROBES-A-SECOND [SECONDS]]
//
// So many workers with a period of one second, half of them httpGet, half tcpSocket; the servers are a process of their
// own. Printed: the CPU time of this process as per cent of a core, with what the kernel does in its name. Exit status
// 1 when it is over 5 %, or when an attempt failed.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "api/int_or_string.hpp"
#include "base/gate.hpp"
#include "probes/network_transport.hpp"
#include "probes/probe_manager.hpp"

namespace keelson::bench {
namespace {

namespace asio = base::asio;
using asio::ip::tcp;

constexpr double kBudget = 5;  // per cent of a core

// --- The servers ---

base::Task<void> answer(std::shared_ptr<tcp::socket> socket) {
  static const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok";
  boost::system::error_code error;
  char buffer[1024];
  const std::size_t size =
      co_await socket->async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
  if (size > 0) {
    co_await asio::async_write(*socket, asio::buffer(kAnswer), asio::redirect_error(asio::use_awaitable, error));
  }
  socket->close(error);
}

base::Task<void> accept(base::Loop* loop, base::Gate* gate, tcp::acceptor* acceptor) {
  while (true) {
    auto socket = std::make_shared<tcp::socket>(loop->context());
    boost::system::error_code error;
    co_await acceptor->async_accept(*socket, asio::redirect_error(asio::use_awaitable, error));
    if (!error) base::spawn(*gate, "answer", answer(std::move(socket)));
  }
}

[[noreturn]] void serve(tcp::acceptor::native_handle_type listening) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  base::Loop loop;
  base::Gate gate(loop);
  tcp::acceptor acceptor(loop.context());
  acceptor.assign(tcp::v4(), listening);
  base::spawn(gate, "accept", accept(&loop, &gate, &acceptor));
  loop.run();
  std::_Exit(0);
}

// --- The probes ---

struct Counter final : probes::ProbeListener {
  void on_verdict(const probes::ProbeKey&, probes::Verdict) override {}
  void on_event(const probes::ProbeKey&, const std::string&, const std::string& message) override {
    if (failures++ == 0) first = message;
  }
  std::size_t failures = 0;
  std::string first;
};

struct NoCommands final : probes::CommandRunner {
  base::Task<probes::CommandOutcome> run(std::string, std::vector<std::string>, std::chrono::seconds) override {
    co_return probes::CommandOutcome();
  }
};

api::core::Container make_container(int port, bool http) {
  api::core::Container container;
  container.set_name("main");
  auto& probe = *container.mutable_livenessprobe();
  probe.set_periodseconds(1);
  probe.set_timeoutseconds(1);
  auto& handler = *probe.mutable_handler();
  auto& to = http ? *handler.mutable_httpget()->mutable_port() : *handler.mutable_tcpsocket()->mutable_port();
  to = api::make_int(port);
  if (http) handler.mutable_httpget()->set_path("/healthz");
  return container;
}

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double user_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) + static_cast<double>(usage.ru_utime.tv_usec) / 1e6;
}

struct Figures {
  double cpu = 0;
  double user = 0;
  std::uint64_t attempts = 0;
};

std::uint64_t attempts_of(const probes::ProbeManager& manager) {
  std::uint64_t attempts = 0;
  for (const auto& probe : manager.metrics()) attempts += probe.successful + probe.failed;
  return attempts;
}

base::Task<void> measure(base::Clock* clock, probes::ProbeManager* manager, probes::Network* network, int seconds,
                         Figures* figures) {
  co_await clock->sleep_for(std::chrono::seconds(3));  // all have begun
  const std::uint64_t before = attempts_of(*manager);
  const double cpu = cpu_seconds();
  const double user = user_seconds();
  co_await clock->sleep_for(std::chrono::seconds(seconds));
  figures->cpu = cpu_seconds() - cpu;
  figures->user = user_seconds() - user;
  figures->attempts = attempts_of(*manager) - before;
  co_await manager->stop();
  co_await network->stop();
}

int run(int count, int seconds) {
  base::Loop loop;
  tcp::acceptor listening(loop.context(), tcp::endpoint(tcp::v4(), 0));
  const int port = listening.local_endpoint().port();
  const pid_t servers = ::fork();
  if (servers == 0) serve(listening.native_handle());
  listening.close();

  base::RealClock clock(loop);
  base::BlockingPool pool(loop, clock, 1);
  base::Random random(1);
  probes::Network network(loop, clock, pool);
  NoCommands commands;
  probes::NetworkTransport transport(network, commands);
  Counter counter;
  probes::ProbeManager manager(loop, clock, random, clock.now(), transport, counter);
  for (int i = 0; i < count; ++i) {
    const std::string uid = "pod-" + std::to_string(i);
    manager.watch({uid, uid, "bench"}, make_container(port, i % 2 == 0));
    probes::Sight sight;
    sight.life = probes::Sight::Life::running;
    sight.container_id = uid;
    sight.started_at = clock.now();
    sight.pod_ip = "127.0." + std::to_string(1 + i / 250) + "." + std::to_string(1 + i % 250);
    manager.see(uid, "main", sight);
  }
  Figures figures;
  base::Gate gate(loop);
  base::spawn(gate, "measure", measure(&clock, &manager, &network, seconds, &figures));
  while (gate.tasks() > 0) loop.context().run_one();
  ::kill(servers, SIGTERM);
  ::waitpid(servers, nullptr, 0);

  const double share = 100 * figures.cpu / seconds;
  std::printf("%.0f probes a second: %.2f %% of a core (%.2f %% of it in user space), %.1f us each, budget %.0f %%\n",
              static_cast<double>(figures.attempts) / seconds, share, 100 * figures.user / seconds,
              1e6 * figures.cpu / static_cast<double>(figures.attempts), kBudget);
  if (counter.failures > 0) std::printf("%zu failed, first: %s\n", counter.failures, counter.first.c_str());
  return share <= kBudget && counter.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace keelson::bench

int main(int argc, char** argv) {
  return keelson::bench::run(argc > 1 ? std::atoi(argv[1]) : 1000, argc > 2 ? std::atoi(argv[2]) : 20);
}
