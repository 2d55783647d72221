// Rotation of real files on virtual time, with a runtime that opens logs when it is told to.
#include "agent/logs/log_rotator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "agent/logs/rotation_plan.hpp"
#include "agent/logs/tests/fixture.hpp"

namespace keelson::logs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Each container writes to the file that its log's name was when it was opened last.
class FakeContainers final : public RotatedContainers {
 public:
  explicit FakeContainers(base::Loop& loop) : answer_(loop) {}

  base::Task<Result<std::vector<std::string>>> running() override {
    if (away) co_return Error(ErrorKind::unavailable, "no runtime");
    std::vector<std::string> ids;
    for (const auto& [id, writer] : writers) ids.push_back(id);
    co_return ids;
  }
  base::Task<Result<std::string>> log_path(std::string id) override {
    ++asked;
    co_return paths.at(id);
  }
  base::Task<Status> reopen_log(std::string id) override {
    ++reopened;
    while (hanging.count(id) > 0) co_await answer_.wait();
    if (makes_log) writers[id] = std::make_unique<Writer>(paths.at(id));
    if (failing) co_return Error(ErrorKind::internal, "cannot reopen");
    co_return Status();
  }
  void let_go() {
    hanging.clear();
    answer_.notify();
  }
  void add(const std::string& id, const std::string& path) {
    paths[id] = path;
    writers[id] = std::make_unique<Writer>(path);
  }

  std::map<std::string, std::string> paths;
  std::map<std::string, std::unique_ptr<Writer>> writers;
  std::set<std::string> hanging;
  bool away = false;
  bool failing = false;
  bool makes_log = true;
  int asked = 0;
  int reopened = 0;

 private:
  base::Notification answer_;
};

class LogRotatorTest : public LoopTest {
 protected:
  LogRotatorTest() {
    policy.max_size = 1000;
    containers.add("c1", log);
  }
  ~LogRotatorTest() override {
    if (rotator) stop(*rotator);
  }
  void start() {
    rotator.emplace(LogRotator::Base{loop, clock, pool, containers, policy, logger});
    rotator->start();
    settle();
  }
  void write(const std::string& id, std::size_t size) { containers.writers.at(id)->write(std::string(size, 'x')); }
  // All but the log itself, by what comes after its name.
  std::vector<std::string> rotated() const {
    std::vector<std::string> out;
    for (const std::string& name : directory.names()) {
      if (name.starts_with("0.log.")) out.push_back(name.substr(6));
    }
    return out;
  }
  std::string name_now() const { return rotated_name("", clock.now()).substr(1); }
  std::int64_t size_of(const std::string& path) const { return log_sizes({path}).front().value_or(-1); }

  TempDirectory directory;
  const std::string log = directory.path("0.log");
  FakeContainers containers{loop};
  RotationPolicy policy;
  std::vector<std::string> lines;
  base::Logger logger{std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                                      [this](std::string_view line) { lines.emplace_back(line); })};
  std::optional<LogRotator> rotator;
};

TEST_F(LogRotatorTest, RotatesALogThatHasReachedItsSizeAtTheInterval) {
  write("c1", 999);
  start();
  EXPECT_THAT(rotated(), IsEmpty());
  write("c1", 1);
  pass(9s);
  EXPECT_THAT(rotated(), IsEmpty());
  pass(1s);
  EXPECT_THAT(rotated(), ElementsAre(name_now()));
  EXPECT_EQ(size_of(log), 0);
  EXPECT_EQ(size_of(log + "." + name_now()), 1000);
  write("c1", 5);
  EXPECT_EQ(size_of(log), 5) << "the runtime writes to the new one";
  EXPECT_EQ(containers.asked, 1) << "a path does not change";
  EXPECT_THAT(lines, IsEmpty());
}

TEST_F(LogRotatorTest, KeepsSoManyFilesOfWhichAllButTheTwoYoungestAreCompressed) {
  start();
  std::vector<std::string> times;
  for (int i = 0; i < 6; ++i) {
    containers.writers.at("c1")->write(std::string(1000, static_cast<char>('a' + i)));
    pass(10s);
    times.push_back(name_now());
  }
  EXPECT_THAT(rotated(), ElementsAre(times[2] + ".gz", times[3] + ".gz", times[4] + ".gz", times[5]));
  EXPECT_EQ(content_of(log + "." + times[5]), std::string(1000, 'f'));
  EXPECT_LT(size_of(log + "." + times[4] + ".gz"), 100);
  EXPECT_EQ(size_of(log), 0);
}

TEST_F(LogRotatorTest, NegativeSizeMeansNoRotation) {
  policy.max_size = -1;
  write("c1", 5000);
  start();
  for (int i = 0; i < 30; ++i) pass(1s);
  EXPECT_THAT(rotated(), IsEmpty());
  EXPECT_EQ(containers.asked, 0);
}

TEST_F(LogRotatorTest, AMissingLogIsOpenedAgain) {
  start();
  ASSERT_EQ(::unlink(log.c_str()), 0);
  pass(10s);
  EXPECT_EQ(size_of(log), 0);
  EXPECT_EQ(containers.reopened, 1);
}

TEST_F(LogRotatorTest, WhatACrashLeftIsPutRight) {
  // Renamed, and then nobody told the runtime; and a compression that was under way.
  rename_file(log, log + ".20260101-000000");
  write_log(log + ".20251231-000000", "older");
  write_log(log + ".20251231-000000.tmp", "half");
  write_log(log + ".20251230-000000", "oldest");
  write_log(log + ".20251230-000000.gz", "compressed oldest");
  start();
  EXPECT_EQ(containers.reopened, 1);
  EXPECT_EQ(size_of(log), 0);
  write("c1", 1000);
  pass(10s);
  EXPECT_THAT(rotated(), ElementsAre("20251230-000000.gz", "20251231-000000.gz", "20260101-000000.gz", name_now()));
  EXPECT_EQ(content_of(log + ".20251230-000000.gz"), "compressed oldest");
}

TEST_F(LogRotatorTest, ALogThatCannotBeReopenedGetsItsNameBack) {
  write("c1", 1000);
  containers.failing = true;
  containers.makes_log = false;
  start();
  EXPECT_THAT(rotated(), IsEmpty());
  EXPECT_EQ(size_of(log), 1000);
  pass(10s);
  pass(10s);
  EXPECT_EQ(containers.reopened, 3);
  ASSERT_EQ(lines.size(), 1u) << "said once";
  EXPECT_THAT(lines.front(), HasSubstr("cannot reopen"));
  containers.failing = false;
  containers.makes_log = true;
  pass(10s);
  EXPECT_THAT(rotated(), ElementsAre(name_now()));
}

TEST_F(LogRotatorTest, ANewLogIsNotWrittenOverThoughReopeningFailed) {
  write("c1", 1000);
  containers.failing = true;
  start();
  EXPECT_THAT(rotated(), ElementsAre(name_now()));
  EXPECT_EQ(size_of(log), 0);
  EXPECT_EQ(size_of(log + "." + name_now()), 1000);
}

TEST_F(LogRotatorTest, GoesOnAfterTheRuntimeWasAway) {
  write("c1", 1000);
  containers.away = true;
  start();
  EXPECT_THAT(rotated(), IsEmpty());
  containers.away = false;
  pass(10s);
  EXPECT_THAT(rotated(), ElementsAre(name_now()));
}

TEST_F(LogRotatorTest, RotatesSoManyLogsAtATime) {
  policy.workers = 2;
  for (const char* id : {"c2", "c3", "c4"}) {
    containers.add(id, directory.path(std::string(id) + ".log"));
    write(id, 1000);
  }
  write("c1", 1000);
  containers.hanging = {"c1", "c2"};
  start();
  EXPECT_EQ(containers.reopened, 2);
  EXPECT_EQ(size_of(directory.path("c3.log")), 1000) << "it waits for its turn";
  containers.let_go();
  settle();
  EXPECT_EQ(containers.reopened, 4);
  EXPECT_EQ(size_of(directory.path("c3.log")), 0);
  EXPECT_EQ(size_of(directory.path("c4.log")), 0);
}

TEST_F(LogRotatorTest, AContainerThatHasEndedIsLeftAlone) {
  start();
  write("c1", 1000);
  containers.writers.clear();
  pass(10s);
  EXPECT_THAT(rotated(), IsEmpty());
}

TEST_F(LogRotatorTest, ABurstIsRotatedWithinASecond) {
  start();
  pass(2s);
  KEELSON_CHECK(::truncate(log.c_str(), policy.burst_size()) == 0);
  pass(1s);
  EXPECT_THAT(rotated(), ElementsAre(name_now()));
  EXPECT_EQ(size_of(log), 0);
}

TEST_F(LogRotatorTest, AContainerThatHasJustStartedIsWatchedWhenItIsTold) {
  start();
  pass(1s);
  const std::string fresh = directory.path("new.log");
  containers.add("c2", fresh);
  rotator->container_started("c2");
  settle();
  KEELSON_CHECK(::truncate(fresh.c_str(), policy.burst_size()) == 0);
  pass(1s);
  EXPECT_EQ(size_of(fresh), 0);
  EXPECT_TRUE(base::path_exists(rotated_name(fresh, clock.now())));
}

TEST_F(LogRotatorTest, ABurstOfAMinuteTakesNoMoreRoomThanAFewSecondsOfIt) {
  start();
  const std::int64_t each_second = policy.burst_size() + (1 << 20);
  std::int64_t most = 0;
  for (int i = 0; i < 15; ++i) {
    KEELSON_CHECK(::truncate(log.c_str(), each_second) == 0);
    pass(1s);
    std::int64_t room = 0;
    for (const std::string& name : directory.names()) room += size_of(directory.path(name));
    most = std::max(most, room);
    EXPECT_LE(rotated().size(), 4u);
  }
  EXPECT_LE(most, (policy.max_files + 1) * each_second);
  EXPECT_THAT(lines, IsEmpty());
}

TEST_F(LogRotatorTest, TwoRotationsInOneSecondDoNotMeet) {
  write("c1", 1000);
  write_log(log + "." + name_now(), "an earlier one of this second");
  start();
  EXPECT_EQ(size_of(log), 1000);
  EXPECT_EQ(content_of(log + "." + name_now()), "an earlier one of this second");
  pass(10s);
  EXPECT_EQ(size_of(log), 0);
  EXPECT_THAT(lines, IsEmpty());
}

TEST_F(LogRotatorTest, StopsInTheMiddleOfARotationAndTheNextStartGoesOn) {
  write("c1", 1000);
  containers.hanging = {"c1"};
  start();
  EXPECT_EQ(size_of(log), -1);
  stop(*rotator);
  containers.hanging.clear();
  start();
  EXPECT_EQ(size_of(log), 0);
  EXPECT_THAT(rotated(), ElementsAre(name_now()));
}

TEST(RotationPolicy, ABurstIsFarBeyondTheSizeOfALog) {
  const std::pair<std::int64_t, std::int64_t> rows[] = {
      {0, 40 << 20},          {1000, 40 << 20},       {10 << 20, 40 << 20},
      {100 << 20, 400 << 20}, {INT64_MAX, INT64_MAX}, {INT64_MAX / 4, INT64_MAX / 4 * 4},
  };
  for (const auto& [size, burst] : rows) {
    RotationPolicy policy;
    policy.max_size = size;
    EXPECT_EQ(policy.burst_size(), burst) << size;
  }
}

}  // namespace
}  // namespace keelson::logs
