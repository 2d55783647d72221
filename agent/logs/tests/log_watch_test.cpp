// Whom what happens in a directory of logs wakes.
#include "agent/logs/log_watch.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>

#include "agent/logs/tests/fixture.hpp"

namespace keelson::logs {
namespace {

class LogWatchTest : public LoopTest {
 protected:
  ~LogWatchTest() override {
    ear.reset();
    stop(watch);
  }
  // Nobody waits for the bell here, so a ring stays until it is asked for.
  bool rang() {
    settle();
    if (!bell->pending()) return false;
    bell.emplace(loop);
    ear = watch.listen(log, *bell);
    settle();
    return true;
  }

  TempDirectory directory;
  const std::string log = directory.path("0.log");
  LogWatch watch{loop, base::Logger()};
  std::optional<base::Notification> bell{std::in_place, loop};
  std::unique_ptr<LogWatch::Ear> ear = watch.listen(log, *bell);
};

TEST_F(LogWatchTest, RingsForTheLogAndForWhatRotationMadeOfIt) {
  Writer writer(log);
  EXPECT_TRUE(rang()) << "made";
  writer.line("one");
  EXPECT_TRUE(rang()) << "written";
  rename_file(log, log + ".20260102-030405");
  EXPECT_TRUE(rang()) << "renamed";
  writer.line("two");
  EXPECT_TRUE(rang()) << "written under another name";
}

TEST_F(LogWatchTest, DoesNotRingForOthers) {
  write_log(directory.path("1.log"), "x");
  write_log(directory.path("0.logs"), "x");
  write_log(directory.path("0.log.20260102-030405.tmp"), "x");
  rename_file(directory.path("0.log.20260102-030405.tmp"), directory.path("0.log.20260102-030405.gz"));
  EXPECT_FALSE(rang());
  EXPECT_EQ(watch.directories(), 1u);
}

TEST_F(LogWatchTest, TellsWhetherTheLogWasClosedUnderItsOwnNameOrAnother) {
  Writer first(log);
  first.close();
  settle();
  EXPECT_TRUE(ear->take_closed());
  EXPECT_FALSE(ear->take_closed()) << "told once";
  EXPECT_FALSE(ear->take_rotated_closed());
  Writer second(log);
  rename_file(log, log + ".20260102-030405");
  second.close();
  settle();
  EXPECT_FALSE(ear->take_closed());
  EXPECT_TRUE(ear->take_rotated_closed());
}

TEST_F(LogWatchTest, FollowersOfADirectoryShareItsWatch) {
  base::Notification other(loop);
  auto second = watch.listen(directory.path("1.log"), other);
  EXPECT_EQ(watch.directories(), 1u);
  ear.reset();
  EXPECT_EQ(watch.directories(), 1u);
  write_log(directory.path("1.log"), "x");
  settle();
  EXPECT_TRUE(other.pending());
  second.reset();
  EXPECT_EQ(watch.directories(), 0u);
}

TEST_F(LogWatchTest, RingsWhenTheDirectoryGoes) {
  const std::string folder = directory.path("c");
  ASSERT_EQ(::mkdir(folder.c_str(), 0755), 0);
  base::Notification other(loop);
  auto second = watch.listen(folder + "/0.log", other);
  EXPECT_EQ(watch.directories(), 2u);
  ASSERT_EQ(::rmdir(folder.c_str()), 0);
  settle();
  EXPECT_TRUE(other.pending());
  EXPECT_EQ(watch.directories(), 1u);
}

TEST_F(LogWatchTest, ADirectoryThatIsNotThereIsNoTrouble) {
  base::Notification other(loop);
  auto second = watch.listen(directory.path("missing/0.log"), other);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(watch.directories(), 1u);
}

}  // namespace
}  // namespace keelson::logs
