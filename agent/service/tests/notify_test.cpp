#include "agent/service/notify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

// systemd's end of the notification socket.
class NotifyTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-notify-XXXXXX";
    directory_ = mkdtemp(name);
    const std::string path = directory_ + "/notify";
    socket_ = base::UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    std::filesystem::remove_all(directory_);
  }
  std::vector<std::string> received() {
    std::vector<std::string> messages;
    char buffer[4096];
    ssize_t size;
    while ((size = recv(socket_.get(), buffer, sizeof buffer, 0)) > 0) {
      messages.emplace_back(buffer, static_cast<std::size_t>(size));
    }
    return messages;
  }

  std::string directory_;
  base::UniqueFd socket_;
};

TEST_F(NotifyTest, SendsReadyOnceAndStatusOnlyWhenItChanges) {
  Notifier notifier{base::Logger()};
  notifier.status("starting");
  EXPECT_FALSE(notifier.is_ready());
  notifier.ready("3 pods");
  notifier.ready("3 pods");
  notifier.status("3 pods");
  notifier.status("two\nlines");
  EXPECT_THAT(received(), ElementsAre("STATUS=starting", "READY=1\nSTATUS=3 pods", "STATUS=two lines"));
}

TEST_F(NotifyTest, SaysReloadingWithTheTimeAndReadyAgain) {
  Notifier notifier{base::Logger()};
  notifier.ready("up");
  notifier.reloading();
  notifier.ready("up");
  EXPECT_THAT(received(), ElementsAre("READY=1\nSTATUS=up", MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"),
                                      "READY=1\nSTATUS=up"));
}

TEST_F(NotifyTest, SaysStoppingOnce) {
  Notifier notifier{base::Logger()};
  notifier.stopping("SIGTERM");
  notifier.stopping("SIGTERM");
  EXPECT_THAT(received(), ElementsAre("STOPPING=1\nSTATUS=SIGTERM"));
}

TEST_F(NotifyTest, IsSilentWithoutASocket) {
  unsetenv("NOTIFY_SOCKET");
  Notifier notifier{base::Logger()};
  notifier.ready("up");
  notifier.watchdog();
  EXPECT_THAT(received(), ElementsAre());
  EXPECT_TRUE(notifier.is_ready());
}

TEST_F(NotifyTest, LogsALostSocketOnceAndGoesOn) {
  setenv("NOTIFY_SOCKET", (directory_ + "/gone").c_str(), 1);
  std::vector<std::string> lines;
  auto sink = std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                              [&](std::string_view line) { lines.emplace_back(line); });
  Notifier notifier{base::Logger(sink)};
  notifier.ready("up");
  notifier.status("still up");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("Cannot notify systemd"));
}

TEST_F(NotifyTest, WatchdogIntervalFollowsTheEnvironment) {
  struct Row {
    const char* name;
    const char* usec;
    std::string pid;
    bool ok;
    std::optional<base::Duration> interval;
  };
  const std::string own = std::to_string(getpid());
  const Row rows[] = {
      {"unset", nullptr, "", true, std::nullopt},
      {"another process's", "30000000", "1", true, std::nullopt},
      {"30 s", "30000000", own, true, std::chrono::seconds(30)},
      {"30 s for anybody", "30000000", "", true, std::chrono::seconds(30)},
      {"just above a second", "1000001", own, true, std::chrono::microseconds(1'000'001)},
      {"a second is too short", "1000000", own, false, {}},
      {"not a number", "soon", own, false, {}},
      {"zero", "0", own, false, {}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    row.usec ? setenv("WATCHDOG_USEC", row.usec, 1) : unsetenv("WATCHDOG_USEC");
    row.pid.empty() ? unsetenv("WATCHDOG_PID") : setenv("WATCHDOG_PID", row.pid.c_str(), 1);
    const auto interval = watchdog_interval();
    ASSERT_EQ(interval.ok(), row.ok);
    if (row.ok) {
      EXPECT_EQ(*interval, row.interval);
    } else {
      EXPECT_THAT(interval.error().to_string(), testing::AnyOf(HasSubstr("WATCHDOG_USEC"), HasSubstr("WatchdogSec")));
    }
  }
}

TEST_F(NotifyTest, WatchdogPingsAtHalfTheIntervalWhileHealthy) {
  base::Loop loop;
  base::VirtualClock clock(loop);
  base::Gate gate(loop);
  Notifier notifier{base::Logger()};
  bool healthy = true;
  Watchdog watchdog(
      clock, base::Logger(), [&] { notifier.watchdog(); },
      [&]() -> Status {
        if (healthy) return {};
        return Error(ErrorKind::unavailable, "stalled");
      });
  watchdog.start(gate, std::chrono::seconds(10));
  clock.advance(std::chrono::milliseconds(4999));
  EXPECT_THAT(received(), ElementsAre("WATCHDOG=1"));
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_THAT(received(), ElementsAre("WATCHDOG=1"));
  healthy = false;
  clock.advance(std::chrono::seconds(20));
  EXPECT_THAT(received(), ElementsAre());
  healthy = true;
  clock.advance(std::chrono::seconds(5));
  EXPECT_THAT(received(), ElementsAre("WATCHDOG=1"));

  bool stopped = false;
  boost::asio::co_spawn(loop.context(), gate.stop(), [&](std::exception_ptr) { stopped = true; });
  while (!stopped) loop.poll();
}

}  // namespace
}  // namespace keelson::agent
