// The rules for rotated files, and what is done about them on a disk.
#include "agent/logs/rotation_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include <random>
#include <string>
#include <vector>

#include "agent/logs/rotation_plan.hpp"
#include "agent/logs/tests/fixture.hpp"

namespace keelson::logs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t kAll = std::size_t(1) << 40;

std::string unzipped(const std::string& path) {
  gzFile file = ::gzopen(path.c_str(), "rb");
  std::string out;
  char piece[4096];
  for (int got = 0; (got = ::gzread(file, piece, sizeof piece)) > 0;) out.append(piece, static_cast<std::size_t>(got));
  EXPECT_EQ(::gzclose(file), Z_OK);
  return out;
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST(RotationPlan, KeepsTheYoungestAndCompressesThem) {
  struct Row {
    const char* what;
    std::vector<std::string> names;
    int max_files;
    std::string in_work;
    std::vector<std::string> remove;
    std::vector<std::string> compress;
  };
  const Row rows[] = {
      {"nothing there", {"0.log"}, 5, "", {}, {}},
      {"others", {"0.log", "1.log", "1.log.1", "0.logs", "10.log.1"}, 2, "", {}, {}},
      {"room for all", {"0.log", "0.log.3", "0.log.2.gz", "0.log.1.gz"}, 5, "", {}, {"0.log.3"}},
      {"one too many",
       {"0.log", "0.log.4", "0.log.3.gz", "0.log.2.gz", "0.log.1.gz"},
       5,
       "",
       {"0.log.1.gz"},
       {"0.log.4"}},
      {"no room", {"0.log", "0.log.2", "0.log.1.gz"}, 2, "", {"0.log.1.gz", "0.log.2"}, {}},
      {"less than none", {"0.log", "0.log.1"}, 0, "", {"0.log.1"}, {}},
      {"leftovers",
       {"0.log", "0.log.1", "0.log.1.gz", "0.log.2", "0.log.2.tmp"},
       5,
       "",
       {"0.log.1", "0.log.2.tmp"},
       {"0.log.2"}},
      {"leftovers are not kept",
       {"0.log.1", "0.log.1.gz", "0.log.2", "0.log.3"},
       4,
       "",
       {"0.log.1", "0.log.1.gz"},
       {"0.log.2", "0.log.3"}},
      {"at work",
       {"0.log", "0.log.1", "0.log.1.tmp", "0.log.2", "0.log.2.tmp"},
       5,
       "0.log.1",
       {"0.log.2.tmp"},
       {"0.log.2"}},
      {"at work on the oldest", {"0.log", "0.log.1", "0.log.1.tmp", "0.log.2"}, 3, "0.log.1", {"0.log.1"}, {"0.log.2"}},
  };
  for (const Row& row : rows) {
    const RotationPlan plan = plan_rotation("0.log", row.names, row.max_files, row.in_work);
    EXPECT_EQ(plan.remove, row.remove) << row.what;
    EXPECT_EQ(plan.compress, row.compress) << row.what;
  }
}

TEST(RotationPlan, TheNameIsTheLocalTime) {
  const base::SystemTime when{std::chrono::seconds(1'767'323'045)};  // 2026-01-02T03:04:05Z
  const char* before = ::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TZ", "XYZ-2", 1);
  ::tzset();
  EXPECT_EQ(rotated_name("/l/0.log", when), "/l/0.log.20260102-050405");
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  EXPECT_EQ(rotated_name("/l/0.log", when), "/l/0.log.20260102-030405");
  if (before == nullptr) {
    ::unsetenv("TZ");
  } else {
    ::setenv("TZ", kept.c_str(), 1);
  }
  ::tzset();
}

class RotationFiles : public ::testing::Test {
 protected:
  TempDirectory directory;
  const std::string log = directory.path("0.log");
};

TEST_F(RotationFiles, SizesTellWhatIsMissing) {
  write_log(log, "12345");
  EXPECT_THAT(log_sizes({log, directory.path("none"), directory.path("0.log/x")}),
              ElementsAre(std::optional<std::int64_t>(5), std::nullopt, std::optional<std::int64_t>(0)));
}

TEST_F(RotationFiles, PuttingAsideMakesRoomFirst) {
  for (const char* name : {"0.log", "0.log.1.gz", "0.log.2.gz", "0.log.3.gz", "0.log.4", "0.log.4.tmp"}) {
    write_log(directory.path(name), name);
  }
  ASSERT_EQ(::mkdir(directory.path("0.log.folder").c_str(), 0755), 0);
  const auto aside = put_aside(log, log + ".5", 5, "");
  ASSERT_TRUE(aside.ok());
  EXPECT_TRUE(aside->done);
  EXPECT_THAT(aside->compress, ElementsAre(log + ".4"));
  EXPECT_THAT(directory.names(), ElementsAre("0.log.2.gz", "0.log.3.gz", "0.log.4", "0.log.5", "0.log.folder"));
  EXPECT_EQ(content_of(log + ".5"), "0.log");
}

TEST_F(RotationFiles, NothingIsWrittenOver) {
  write_log(log, "new");
  write_log(log + ".5", "old");
  const auto aside = put_aside(log, log + ".5", 5, "");
  ASSERT_TRUE(aside.ok());
  EXPECT_FALSE(aside->done);
  EXPECT_EQ(content_of(log + ".5"), "old");
  EXPECT_EQ(content_of(log), "new");
  // The runtime has made a new log after all.
  EXPECT_TRUE(put_back(log + ".5", log).ok());
  EXPECT_EQ(content_of(log), "new");
  EXPECT_EQ(content_of(log + ".5"), "old");
}

TEST_F(RotationFiles, PuttingBackUndoesIt) {
  write_log(log, "text");
  ASSERT_TRUE(put_aside(log, log + ".5", 5, "").ok());
  ASSERT_TRUE(put_back(log + ".5", log).ok());
  EXPECT_THAT(directory.names(), ElementsAre("0.log"));
}

TEST_F(RotationFiles, ALogThatHasGoneCannotBePutAside) {
  EXPECT_EQ(put_aside(log, log + ".5", 5, "").error().kind(), ErrorKind::not_found);
  EXPECT_EQ(put_aside(directory.path("none/0.log"), log + ".5", 5, "").error().kind(), ErrorKind::not_found);
}

TEST_F(RotationFiles, CompressesAFileWithItsModeAndContent) {
  std::mt19937 random(3);
  for (const std::size_t size : {0u, 1u, 65'535u, 65'536u, 1'000'000u}) {
    std::string text;
    while (text.size() < size) text += record(std::to_string(random()));
    text.resize(size);
    const std::string path = directory.path("f" + std::to_string(size));
    write_log(path, text);
    ASSERT_EQ(::chmod(path.c_str(), 0604), 0);
    auto file = GzipFile::open(path);
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE((*file)->step(kAll).value_or(false));
    EXPECT_TRUE(unzipped(path + ".gz") == text) << size;
    EXPECT_EQ(mode_of(path + ".gz"), 0604u);
    EXPECT_FALSE(base::path_exists(path) || base::path_exists(path + ".tmp"));
  }
}

TEST_F(RotationFiles, CompressesInStepsAndLeavesTheFileUntilAllIsDone) {
  std::string text;
  while (text.size() < 500'000) text += record("a line");
  write_log(log, text);
  auto file = GzipFile::open(log);
  ASSERT_TRUE(file.ok());
  int steps = 0;
  while (!(*file)->step(100'000).value_or(true)) {
    ++steps;
    EXPECT_TRUE(base::path_exists(log) && base::path_exists(log + ".tmp"));
    EXPECT_FALSE(base::path_exists(log + ".gz"));
  }
  EXPECT_GE(steps, 3);
  EXPECT_TRUE(unzipped(log + ".gz") == text);
}

TEST_F(RotationFiles, GivesUpOnAFileThatWasRemovedAndLeavesNothing) {
  write_log(log, std::string(300'000, 'x'));
  {
    auto file = GzipFile::open(log);
    ASSERT_TRUE(file.ok());
    EXPECT_FALSE((*file)->step(1).value_or(true));
    ASSERT_EQ(::unlink(log.c_str()), 0);
    EXPECT_EQ((*file)->step(1).error().kind(), ErrorKind::cancelled);
  }
  EXPECT_THAT(directory.names(), IsEmpty());
}

TEST_F(RotationFiles, AFileThatIsNotThereCannotBeCompressed) {
  EXPECT_EQ(GzipFile::open(log).error().kind(), ErrorKind::not_found);
  EXPECT_THAT(directory.names(), IsEmpty());
}

}  // namespace
}  // namespace keelson::logs
