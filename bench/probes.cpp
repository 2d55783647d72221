// keelson-bench-probes: what a thousand probes a second cost, by the real manager and network on loopback.
//
//   keelson-bench-probes [PROBES-A-SECOND [SECONDS [HANGING]]]
//
// So many workers with a period of one second, half of them httpGet, half tcpSocket; the servers are a process of their
// own. Beside them HANGING more that are never answered and time out after a second. Printed: the CPU time of this
// process as per cent of a core, with what the kernel does in its name, and the answered attempts that were due. Exit
// status 1 when it is over 5 %, when an answered attempt failed, or when one in a hundred was not made in its time.
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

constexpr double kBudget = 5;          // per cent of a core
constexpr double kLeastInTime = 0.99;  // of the attempts, however many others hang
constexpr char kHanging[] = "hanging-";

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
  void on_event(const probes::ProbeKey& key, const std::string&, const std::string& message) override {
    if (key.pod_uid.starts_with(kHanging)) return;
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

// A readiness probe goes on when it has failed.
api::core::Container make_container(int port, bool http, bool readiness) {
  api::core::Container container;
  container.set_name("main");
  auto& probe = readiness ? *container.mutable_readinessprobe() : *container.mutable_livenessprobe();
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
  for (const auto& probe : manager.metrics()) {
    if (!probe.key.pod_uid.starts_with(kHanging)) attempts += probe.successful + probe.failed;
  }
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

void watch(probes::ProbeManager& manager, base::Clock& clock, const std::string& prefix, int number, int port,
           bool http) {
  const std::string uid = prefix + std::to_string(number);
  manager.watch({uid, uid, "bench"}, make_container(port, http, prefix == kHanging));
  probes::Sight sight;
  sight.life = probes::Sight::Life::running;
  sight.container_id = uid;
  sight.started_at = clock.now();
  sight.pod_ip = "127.0." + std::to_string(1 + number / 250) + "." + std::to_string(1 + number % 250);
  manager.see(uid, "main", sight);
}

int run(int count, int seconds, int hanging) {
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
  tcp::acceptor silent(loop.context(), tcp::endpoint(tcp::v4(), 0));  // the kernel connects, and nobody answers
  for (int i = 0; i < count; ++i) watch(manager, clock, "pod-", i, port, i % 2 == 0);
  for (int i = 0; i < hanging; ++i) watch(manager, clock, kHanging, i, silent.local_endpoint().port(), true);
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
  const double in_time = static_cast<double>(figures.attempts) / (static_cast<double>(count) * seconds);
  std::printf("%.1f %% of those that are answered made in time, beside %d that hang\n", 100 * in_time, hanging);
  if (counter.failures > 0) std::printf("%zu failed, first: %s\n", counter.failures, counter.first.c_str());
  return share <= kBudget && counter.failures == 0 && in_time >= kLeastInTime ? 0 : 1;
}

}  // namespace
}  // namespace keelson::bench

int main(int argc, char** argv) {
  const auto argument = [&](int place, int otherwise) { return argc > place ? std::atoi(argv[place]) : otherwise; };
  return keelson::bench::run(argument(1, 1000), argument(2, 20), argument(3, 0));
}
