// What of a pod's log directory is counted.
#include "agent/stats/file_usage.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.hpp"

namespace keelson::stats {
namespace {

namespace fs = std::filesystem;

class FileUsageTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-logs-XXXXXX";
    top_ = ::mkdtemp(name);
    fs::create_directories(top_ + "/pod/main");
    write("pod/main/0.log", 10'000);
    write("pod/main/0.log.20260101-000000.gz", 5'000);
  }
  void TearDown() override { fs::remove_all(top_); }

  void write(const std::string& path, std::size_t size) {
    ASSERT_TRUE(base::write_file(top_ + "/" + path, std::string(size, 'x'), 0644).ok());
  }
  std::uint64_t blocks(const std::string& path) const {
    struct stat info {};
    EXPECT_EQ(::lstat((top_ + "/" + path).c_str(), &info), 0) << path;
    return static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  LogReading measured(std::vector<std::string> containers = {"main"}) const {
    LogOrder order;
    order.directory = top_ + "/pod";
    order.containers = std::move(containers);
    order.hosts_file = top_ + "/etc-hosts";
    return read_log_usage(order);
  }

  std::string top_;
};

TEST_F(FileUsageTest, OfAContainerIsThatOfTheFilesInItsDirectory) {
  const LogReading logs = measured();
  const std::uint64_t expected = blocks("pod/main/0.log") + blocks("pod/main/0.log.20260101-000000.gz");
  EXPECT_GE(expected, 15'000u);
  EXPECT_EQ(logs.containers.at("main"), (FileUsage{expected, 2}));
}

TEST_F(FileUsageTest, CountsADirectoryWithAllThatIsInIt) {
  fs::create_directories(top_ + "/pod/main/more");
  write("pod/main/more/x", 4'000);
  const std::uint64_t before = blocks("pod/main/0.log") + blocks("pod/main/0.log.20260101-000000.gz");
  EXPECT_EQ(measured().containers.at("main"),
            (FileUsage{before + blocks("pod/main/more") + blocks("pod/main/more/x"), 4}));
}

TEST_F(FileUsageTest, DoesNotFollowLinks) {
  write("elsewhere", 1'000'000);
  fs::remove(top_ + "/pod/main/0.log");
  fs::create_symlink(top_ + "/elsewhere", top_ + "/pod/main/0.log");
  EXPECT_LT(measured().containers.at("main").bytes, 1'000'000u);
  EXPECT_EQ(measured().containers.at("main").inodes, 2u);
}

TEST_F(FileUsageTest, OfThePodIsThatOfFilesRightInItsDirectory) {
  EXPECT_EQ(measured().pod, FileUsage());
  write("pod/resize.log", 3'000);
  EXPECT_EQ(measured().pod, (FileUsage{blocks("pod/resize.log"), 1}));
}

TEST_F(FileUsageTest, LeavesOutWhatIsNotThere) {
  const LogReading logs = measured({"main", "gone"});
  EXPECT_EQ(logs.containers.count("gone"), 0u);
  EXPECT_EQ(logs.hosts_file, std::nullopt);
  write("etc-hosts", 100);
  EXPECT_EQ(measured().hosts_file, (FileUsage{blocks("etc-hosts"), 1}));
  EXPECT_TRUE(read_log_usage({"/nowhere/at/all", {"main"}, ""}).containers.empty());
}

}  // namespace
}  // namespace keelson::stats
