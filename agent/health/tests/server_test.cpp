#include "agent/health/server.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>

#include "agent/health/pulse.hpp"
#include "base/file.hpp"

namespace keelson::agent {
namespace {

HealthServerOptions any_port() { return {.address = "127.0.0.1", .port = 0, .any_port = true}; }

httplib::Result get(int port, const std::string& target) {
  httplib::Client client("127.0.0.1", port);
  return client.Get(target);
}

base::UniqueFd connected(int port) {
  base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

TEST(HealthServer, AnswersOverHttpAsTheKubeletDoes) {
  HealthChecks checks;
  checks.add("log", [] { return Status(); });
  HealthServer server(checks);
  ASSERT_TRUE(server.start(any_port()).ok());

  auto plain = get(server.port(), "/healthz");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->status, 200);
  EXPECT_EQ(plain->body, "ok");
  EXPECT_EQ(plain->get_header_value("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(plain->get_header_value("X-Content-Type-Options"), "nosniff");

  auto verbose = get(server.port(), "/healthz?verbose&exclude=log&exclude=x");
  ASSERT_TRUE(verbose);
  EXPECT_EQ(verbose->body,
            "[+]ping ok\n[+]log excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\n"
            "healthz check passed\n");

  auto one = get(server.port(), "/healthz/log");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->body, "ok");

  auto missing = get(server.port(), "/livez");
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(missing->body, "404 page not found\n");

  httplib::Client client("127.0.0.1", server.port());
  auto posted = client.Post("/healthz", "", "text/plain");
  ASSERT_TRUE(posted);
  EXPECT_EQ(posted->status, 200) << "any method is served";
}

// Time that a handler can let pass while it holds up the loop.
class HandClock final : public base::Clock {
 public:
  base::SystemTime now() const override { return {}; }
  base::SteadyTime steady_now() const override { return base::SteadyTime(offset_.load()); }
  base::Task<void> sleep_until(base::SteadyTime) override { co_return; }
  std::unique_ptr<base::Alarm> set_alarm(base::SteadyTime, std::function<void()>) override { return nullptr; }
  void pass(base::Duration duration) { offset_ = offset_.load() + duration; }

 private:
  std::atomic<base::Duration> offset_{std::chrono::hours(1)};
};

TEST(HealthServer, AnswersWhileTheLoopIsStalledAndSaysSo) {
  base::Loop loop;
  HandClock clock;
  Pulse pulse(clock, "the event loop", LoopWatch::stall_limit);
  HealthChecks checks;
  checks.add("syncloop", [&pulse] { return pulse.check(); });
  HealthServer server(checks);
  ASSERT_TRUE(server.start(any_port()).ok());

  httplib::Result all(nullptr, httplib::Error::Unknown);
  httplib::Result one(nullptr, httplib::Error::Unknown);
  loop.post([&] {  // a handler that does not return for ten seconds
    clock.pass(std::chrono::seconds(10));
    all = get(server.port(), "/healthz");
    one = get(server.port(), "/healthz/syncloop");
  });
  loop.poll();
  ASSERT_TRUE(all && one);
  EXPECT_EQ(all->status, 500);
  EXPECT_EQ(all->body, "[+]ping ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n");
  EXPECT_EQ(one->status, 500);
  EXPECT_EQ(one->body,
            "internal server error: the event loop was last seen active 10s ago; expected at least every 8s\n");

  pulse.beat();
  auto recovered = get(server.port(), "/healthz");
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->status, 200);
}

TEST(LoopWatch, PassesWhileTheLoopTurnsAndFailsWithinTenSecondsOfAStall) {
  static_assert(LoopWatch::stall_limit + LoopWatch::beat_period < std::chrono::seconds(10));
  base::Loop loop;
  base::VirtualClock clock(loop);
  base::Gate gate(loop);
  LoopWatch watch(clock);
  watch.start(gate);
  clock.advance(std::chrono::minutes(5));
  EXPECT_TRUE(watch.check().ok());

  bool stopped = false;
  boost::asio::co_spawn(loop.context(), gate.stop(), [&](std::exception_ptr) { stopped = true; });
  while (!stopped) loop.poll();
  clock.advance(std::chrono::seconds(9));  // nobody beats any more
  EXPECT_FALSE(watch.check().ok());
}

TEST(HealthServer, RefusesATakenPortNamingTheAddress) {
  HealthChecks checks;
  HealthServer first(checks);
  ASSERT_TRUE(first.start(any_port()).ok());
  HealthServer second(checks);
  const Status taken = second.start({.address = "127.0.0.1", .port = first.port()});
  ASSERT_FALSE(taken.ok());
  EXPECT_THAT(
      taken.error().to_string(),
      testing::HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(first.port()) + ": Address already in use"));
  first.stop();
}

TEST(HealthServer, RefusesAnAddressThatIsNotOurs) {
  HealthChecks checks;
  HealthServer server(checks);
  const Status foreign = server.start({.address = "192.0.2.1", .port = 10248});
  ASSERT_FALSE(foreign.ok());
  EXPECT_THAT(foreign.error().to_string(), testing::HasSubstr("192.0.2.1:10248"));
  const Status garbage = server.start({.address = "not an address", .port = 10248});
  ASSERT_FALSE(garbage.ok());
  EXPECT_THAT(garbage.error().to_string(), testing::HasSubstr("healthzBindAddress"));
}

TEST(HealthServer, IsOffAtPortZero) {
  HealthChecks checks;
  HealthServer server(checks);
  EXPECT_TRUE(server.start({.address = "127.0.0.1", .port = 0}).ok());
  EXPECT_EQ(server.port(), 0);
}

TEST(HealthServer, AHungClientDelaysNeitherOthersNorTheStop) {
  HealthChecks checks;
  HealthServer server(checks);
  ASSERT_TRUE(server.start(any_port()).ok());
  std::vector<base::UniqueFd> hung;
  for (int i = 0; i < 3; ++i) {
    hung.push_back(connected(server.port()));
    ASSERT_GT(send(hung.back().get(), "GET /healthz HT", 15, MSG_NOSIGNAL), 0);
  }
  auto answer = get(server.port(), "/healthz");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);

  const auto before = std::chrono::steady_clock::now();
  server.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1500));
}

TEST(HealthServer, FreesItsPortAtStop) {
  HealthChecks checks;
  HealthServer server(checks);
  ASSERT_TRUE(server.start(any_port()).ok());
  const int port = server.port();
  server.stop();
  EXPECT_TRUE(server.start({.address = "127.0.0.1", .port = port}).ok());
}

TEST(Pulse, FailsOnlyWhenTheLastBeatIsTooOld) {
  base::Loop loop;
  base::VirtualClock clock(loop);
  Pulse pulse(clock, "the log", std::chrono::minutes(2));
  clock.advance(std::chrono::minutes(2));
  EXPECT_TRUE(pulse.check().ok());
  clock.advance(std::chrono::milliseconds(1));
  const Status late = pulse.check();
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().to_string(), "the log was last seen active 2m0.001s ago; expected at least every 2m0s");
}

}  // namespace
}  // namespace keelson::agent
