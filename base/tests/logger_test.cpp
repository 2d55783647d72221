#include "base/logger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace keelson::base {
namespace {

using ::testing::MatchesRegex;

class LoggerTest : public ::testing::Test {
 protected:
  Logger logger(LogFormat format, int verbosity = 2) {
    sink = std::make_shared<LogSink>(format, verbosity, [this](std::string_view line) { lines.emplace_back(line); });
    return Logger(sink);
  }
  std::shared_ptr<LogSink> sink;
  std::vector<std::string> lines;
};

TEST_F(LoggerTest, TextLinesHaveLevelTimeMessageAndFields) {
  const Logger log = logger(LogFormat::text);
  log.info("Container started", {{"container", "web"}, {"attempt", 3}, {"ready", true}});
  log.warning("Slow");
  log.error("Failed", {{"err", Error(ErrorKind::invalid, "bad").wrap("while trying")}});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], MatchesRegex("I[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6} \"Container started\" "
                                     "container=\"web\" attempt=3 ready=true"));
  EXPECT_THAT(lines[1], MatchesRegex("W[0-9]{4} .* \"Slow\""));
  EXPECT_THAT(lines[2], MatchesRegex("E[0-9]{4} .* \"Failed\" err=\"while trying: bad\""));
}

TEST_F(LoggerTest, JournaldLinesCarryThePriority) {
  const Logger log = logger(LogFormat::journald, 4);
  log.error("a");
  log.warning("b");
  log.info("c", {{"pod", "default/web"}});
  log.debug(4, "d");
  EXPECT_EQ(lines, (std::vector<std::string>{"<3>a", "<4>b", "<6>c pod=\"default/web\"", "<7>d"}));
}

TEST_F(LoggerTest, JsonLinesAreOneObjectEach) {
  const Logger log = logger(LogFormat::json);
  log.info("Say \"hi\"", {{"path", "C:\\x"}, {"n", 7}, {"text", "a\nb\tc\x01"}});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], MatchesRegex("\\{\"ts\":[0-9]+\\.[0-9]{4},\"msg\":\"Say \\\\\"hi\\\\\"\",\"v\":0,"
                                     "\"path\":\"C:\\\\\\\\x\",\"n\":7,\"text\":\"a\\\\nb\\\\tc\\\\u0001\"\\}"));
}

TEST_F(LoggerTest, JsonStaysValidForNumbersThatJsonDoesNotHave) {
  logger(LogFormat::json).info("m", {{"a", std::nan("")}, {"b", -std::numeric_limits<double>::infinity()}, {"c", 0.5}});
  EXPECT_THAT(lines.at(0), ::testing::HasSubstr("\"a\":\"nan\",\"b\":\"-inf\",\"c\":0.5"));
}

TEST_F(LoggerTest, InvalidUtf8IsReplacedAndValidUtf8Kept) {
  struct Row {
    std::string in;
    std::string out;
  };
  const std::string replacement = "\xef\xbf\xbd";
  for (const Row& row : {Row{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"}, Row{"\xe2\x82\xac", "\xe2\x82\xac"},
                         Row{"\xf0\x9f\x9a\xa2", "\xf0\x9f\x9a\xa2"},
                         Row{"a\xff"
                             "b",
                             "a" + replacement + "b"},
                         Row{"\xc3", replacement}, Row{"\xc0\xaf", replacement + replacement},
                         Row{"\xed\xa0\x80", replacement + replacement + replacement},
                         Row{"\xf4\x90\x80\x80", replacement + replacement + replacement + replacement}}) {
    lines.clear();
    logger(LogFormat::journald).info("m", {{"k", row.in}});
    EXPECT_EQ(lines.at(0), "<6>m k=\"" + row.out + "\"");
  }
}

TEST_F(LoggerTest, NoTextBreaksALineInTwo) {
  for (const LogFormat format : {LogFormat::text, LogFormat::journald, LogFormat::json}) {
    lines.clear();
    logger(format).with("pod", "a\nb").error("first\nsecond\r", {{"err", "x\n<0>forged"}});
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0].find_first_of("\r\n"), std::string::npos) << lines[0];
  }
}

TEST_F(LoggerTest, VerbosityHidesDebugLines) {
  const Logger log = logger(LogFormat::journald, 2);
  log.debug(2, "shown");
  log.debug(3, "hidden");
  sink->set_verbosity(5);
  log.debug(5, "shown now");
  EXPECT_EQ(lines, (std::vector<std::string>{"<7>shown", "<7>shown now"}));
  EXPECT_EQ(sink->verbosity(), 5);
}

TEST_F(LoggerTest, WithPutsItsFieldsFirstAndLeavesTheOriginalAlone) {
  const Logger log = logger(LogFormat::journald);
  const Logger pod = log.with("pod", "default/web").with("uid", "12");
  pod.info("Started", {{"n", 1}});
  log.info("Other");
  EXPECT_EQ(lines, (std::vector<std::string>{"<6>Started pod=\"default/web\" uid=\"12\" n=1", "<6>Other"}));
}

TEST(Logger, WithoutASinkDropsEverything) {
  const Logger log;
  log.info("x");
  log.debug(0, "x");
  log.with("k", "v").error("x", {{"k", 1}});
}

TEST(LogSink, WritesToStandardErrorALineEach) {
  ::testing::internal::CaptureStderr();
  {
    auto sink = std::make_shared<LogSink>(LogFormat::journald, 0);
    Logger(sink).info("{} is not a placeholder", {{"k", "{}"}});
    Logger(sink).error("second");
    sink->flush();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "<6>{} is not a placeholder k=\"{}\"\n<3>second\n");
}

TEST(DefaultTextFormat, IsJournaldOnlyWhenJournalStreamNamesStandardError) {
  struct stat info {};
  ASSERT_EQ(::fstat(STDERR_FILENO, &info), 0);
  const std::string ours = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
  ::setenv("JOURNAL_STREAM", ours.c_str(), 1);
  EXPECT_EQ(default_text_format(), LogFormat::journald);
  for (const char* other : {"1:1", "", "garbage"}) {
    ::setenv("JOURNAL_STREAM", other, 1);
    EXPECT_EQ(default_text_format(), LogFormat::text) << other;
  }
  ::unsetenv("JOURNAL_STREAM");
  EXPECT_EQ(default_text_format(), LogFormat::text);
}

}  // namespace
}  // namespace keelson::base
