#include "agent/service/lock_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

namespace keelson::agent {
namespace {

class LockFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-lock-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/lock";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  bool locked_by_somebody() const {
    const base::UniqueFd fd(open(path_.c_str(), O_RDWR | O_CLOEXEC));
    return flock(fd.get(), LOCK_EX | LOCK_NB) != 0;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(LockFileTest, IsMadePrivateAndHeldForLife) {
  {
    auto lock = LockFile::acquire(path_, base::Logger());
    ASSERT_TRUE(lock.ok());
    struct stat info {};
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
    EXPECT_TRUE(locked_by_somebody());
  }
  EXPECT_FALSE(locked_by_somebody());
  EXPECT_TRUE(base::path_exists(path_));
}

TEST_F(LockFileTest, WaitsForTheHolderAndSaysSo) {
  base::UniqueFd holder(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(flock(holder.get(), LOCK_EX), 0);
  std::promise<void> waiting;
  auto sink = std::make_shared<base::LogSink>(base::LogFormat::text, 0, [&](std::string_view line) {
    EXPECT_THAT(std::string(line), testing::HasSubstr("Waiting for another process"));
    waiting.set_value();
  });
  auto acquired = std::async(std::launch::async, [&] { return LockFile::acquire(path_, base::Logger(sink)); });
  ASSERT_EQ(waiting.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  holder.reset();
  EXPECT_TRUE(acquired.get().ok());
}

TEST_F(LockFileTest, NamesThePathThatCannotBeMade) {
  const auto lock = LockFile::acquire(directory_ + "/no/such/lock", base::Logger());
  ASSERT_FALSE(lock.ok());
  EXPECT_THAT(lock.error().to_string(), testing::HasSubstr(directory_ + "/no/such/lock"));
}

TEST_F(LockFileTest, OpeningTheFileIsContention) {
  base::Loop loop;
  auto lock = LockFile::acquire(path_, base::Logger());
  ASSERT_TRUE(lock.ok());
  int contention = 0;
  ASSERT_TRUE((*lock)->watch(loop, [&] { ++contention; }).ok());
  loop.poll();
  EXPECT_EQ(contention, 0) << "our own opening came before the watch";
  const base::UniqueFd other(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  while (contention == 0) loop.poll();
  EXPECT_EQ(contention, 1);
}

TEST(LockFlags, ExitOnContentionNeedsALockFile) {
  EXPECT_TRUE(check_lock_flags("", false).ok());
  EXPECT_TRUE(check_lock_flags("/run/lock/keelson", true).ok());
  const Status alone = check_lock_flags("", true);
  ASSERT_FALSE(alone.ok());
  EXPECT_THAT(alone.error().to_string(), testing::HasSubstr("--lock-file"));
}

}  // namespace
}  // namespace keelson::agent
