// Both formats of log lines, the times in them, and what is shown of a log.
#include "agent/logs/log_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keelson::logs {
namespace {

using ::testing::HasSubstr;

constexpr char kTime[] = "2026-01-02T03:04:05.123456789Z";

std::string show(const LogOptions& options, std::string_view log, std::size_t piece = 1'000'000) {
  LogText text(options);
  std::string out;
  while (!log.empty()) {
    const auto part = log.substr(0, piece);
    log.remove_prefix(part.size());
    EXPECT_TRUE(text.feed(part, out).ok());
  }
  EXPECT_TRUE(text.finish(out).ok());
  return out;
}

std::string show(std::string_view log) { return show(LogOptions(), log); }

LogOptions with_times() {
  LogOptions options;
  options.timestamps = true;
  return options;
}

TEST(LogTime, ReadsRfc3339) {
  struct Row {
    const char* text;
    std::optional<LogTime> time;
  };
  const Row rows[] = {
      {"1970-01-01T00:00:00Z", LogTime{0, 0}},
      {"2026-01-01T00:00:00Z", LogTime{1'767'225'600, 0}},
      {"2026-01-01T00:00:00.1Z", LogTime{1'767'225'600, 100'000'000}},
      {"2026-01-01T00:00:00,000000001Z", LogTime{1'767'225'600, 1}},
      {"2026-01-01T00:00:00.1234567899Z", LogTime{1'767'225'600, 123'456'789}},
      {"2026-01-01T01:30:00+01:30", LogTime{1'767'225'600, 0}},
      {"2025-12-31T19:00:00.000000007-05:00", LogTime{1'767'225'600, 7}},
      {"0001-01-01T00:00:00Z", kZeroTime},
      {"2024-02-29T00:00:00Z", LogTime{1'709'164'800, 0}},
      {"2026-02-29T00:00:00Z", std::nullopt},
      {"2026-01-01T24:00:00Z", std::nullopt},
      {"2026-01-01T00:00:60Z", std::nullopt},
      {"2026-01-01T00:00:00", std::nullopt},
      {"2026-01-01T00:00:00.Z", std::nullopt},
      {"2026-01-01T00:00:00z", std::nullopt},
      {"2026-01-01T00:00:00+0100", std::nullopt},
      {"2026-01-01T00:00:00Zx", std::nullopt},
      {"2026-13-01T00:00:00Z", std::nullopt},
      {"26-01-01T00:00:00Z", std::nullopt},
      {"", std::nullopt},
  };
  for (const Row& row : rows) EXPECT_EQ(parse_log_time(row.text), row.time) << row.text;
}

TEST(LogTime, IsShownWithNineDigitsAndItsOffset) {
  const std::pair<const char*, const char*> rows[] = {
      {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z "},
      {"2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500000000Z "},
      {"2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z "},
      {"2026-01-02T03:04:05.1234567891+02:00", "2026-01-02T03:04:05.123456789+02:00 "},
      {"2026-01-02T03:04:05,5-05:30", "2026-01-02T03:04:05.500000000-05:30 "},
      {"2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.000000000Z "},
  };
  for (const auto& [text, shown] : rows) {
    std::string out;
    append_time_prefix(out, text);
    EXPECT_EQ(out, shown);
  }
}

TEST(LogLine, ReadsTheCriFormat) {
  struct Row {
    const char* rest;
    bool good;
    bool part;
    const char* content;
  };
  const Row rows[] = {
      {" stdout F hello\n", true, false, "hello\n"},
      {" stderr P half\n", true, true, "half"},
      {" stdout P:more:tags half\n", true, true, "half"},
      {" stdout F:P whole\n", true, false, "whole\n"},
      {" stdout X whole\n", true, false, "whole\n"},
      {" stdout  no tag\n", true, false, "no tag\n"},
      {" stdout F \n", true, false, "\n"},
      {" stdout P \n", true, true, ""},
      {" stdout F two  blanks \n", true, false, "two  blanks \n"},
      {" stdout F no end", true, false, "no end"},
      {" stdout F\n", false, false, ""},
      {" stdin F hello\n", false, false, ""},
      {"  stdout F hello\n", false, false, ""},
      {"\n", false, false, ""},
  };
  for (const Row& row : rows) {
    const std::string line = kTime + std::string(row.rest);
    const auto record = parse_cri_line(line);
    ASSERT_EQ(record.has_value(), row.good) << row.rest;
    if (!record) continue;
    EXPECT_EQ(record->time, kTime);
    EXPECT_EQ(record->when, parse_log_time(kTime));
    EXPECT_EQ(record->part, row.part) << row.rest;
    EXPECT_EQ(record->content, row.content) << row.rest;
  }
  EXPECT_FALSE(parse_cri_line("yesterday stdout F hello\n"));
}

TEST(LogLine, ReadsDockersFormat) {
  const auto record =
      parse_docker_line(R"({"log":"a \"b\"\n\u00e9","stream":"stderr","time":"2026-01-02T03:04:05Z","x":1})"
                        "\n");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->content, "a \"b\"\n\xc3\xa9");
  EXPECT_EQ(record->time, "2026-01-02T03:04:05Z");
  for (const char* bad : {
           R"({"log":"a","stream":"stdout"})",
           R"({"log":"a","stream":"stdin","time":"2026-01-02T03:04:05Z"})",
           R"({"log":"a","stream":"stdout","time":"now"})",
           R"({"log":5,"stream":"stdout","time":"2026-01-02T03:04:05Z"})",
           R"({"stream":"stdout","time":"2026-01-02T03:04:05Z"})",
           R"({"log":"a","stream":"stdout","time":"2026-01-02T03:04:05Z")",
           R"(["log"])",
           "",
       }) {
    EXPECT_FALSE(parse_docker_line(bad)) << bad;
  }
}

TEST(LogText, PutsPartsTogetherAndSkipsWhatItCannotRead) {
  const std::string log = std::string(kTime) + " stdout P one \n" + kTime + " stderr F two\n" + "nonsense\n\n" + kTime +
                          " stdout F three\n";
  EXPECT_EQ(show(log), "one two\nthree\n");
}

TEST(LogText, TheFirstLineDecidesTheFormat) {
  const std::string cri = std::string(kTime) + " stdout F cri\n";
  const std::string docker = R"({"log":"docker\n","stream":"stdout","time":"2026-01-02T03:04:05Z"})"
                             "\n";
  EXPECT_EQ(show(cri + docker + cri), "cri\ncri\n");
  EXPECT_EQ(show(docker + cri + docker), "docker\ndocker\n");
}

TEST(LogText, AFirstLineInNeitherFormatIsAnError) {
  LogText text{LogOptions()};
  std::string out;
  const Status status = text.feed("hello \"world\"\n", out);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().to_string(), R"(failed to get parse function: unsupported log format: "hello \"world\"\n")");
  EXPECT_EQ(out, "");
}

TEST(LogText, ShowsTheSameHoweverTheBytesCome) {
  std::string log;
  for (int i = 0; i < 20; ++i) {
    log += std::string(kTime) + (i % 3 == 0 ? " stdout P " : " stderr F ") + std::string(i * 7, 'x') + "\n";
  }
  log += std::string(kTime) + " stdout F no end";
  const std::string whole = show(with_times(), log);
  EXPECT_TRUE(whole.ends_with("no end"));
  for (std::size_t piece = 1; piece < 120; ++piece) EXPECT_EQ(show(with_times(), log, piece), whole) << piece;
}

TEST(LogText, TimesStandBeforeLinesOnlyAndNotBeforeTheirContinuations) {
  const std::string log =
      "2026-01-02T03:04:05Z stdout P a\n2026-01-02T03:04:06Z stdout P b\n"
      "2026-01-02T03:04:07.5Z stdout F c\n2026-01-02T03:04:08Z stdout F d\n"
      "2026-01-02T03:04:09Z stdout P \n2026-01-02T03:04:10Z stdout F e\n";
  // After an empty part the kubelet takes the next record for a line of its own.
  EXPECT_EQ(show(with_times(), log),
            "2026-01-02T03:04:05.000000000Z abc\n2026-01-02T03:04:08.000000000Z d\n"
            "2026-01-02T03:04:09.000000000Z 2026-01-02T03:04:10.000000000Z e\n");
  const std::string docker = R"({"log":"a","stream":"stdout","time":"2026-01-02T03:04:05Z"})"
                             "\n"
                             R"({"log":"b\n","stream":"stdout","time":"2026-01-02T03:04:06Z"})"
                             "\n";
  EXPECT_EQ(show(with_times(), docker), "2026-01-02T03:04:05.000000000Z ab\n");
}

TEST(LogText, SinceKeepsWhatIsAsOldOrYounger) {
  LogOptions options = with_times();
  options.since = parse_log_time("2026-01-02T03:04:06Z");
  const std::string log =
      "2026-01-02T03:04:05.999999999Z stdout F a\n2026-01-02T03:04:06Z stdout F b\n"
      "2026-01-02T03:04:05Z stdout F c\n2026-01-02T04:04:07+01:00 stdout F d\n";
  EXPECT_EQ(show(options, log), "2026-01-02T03:04:06.000000000Z b\n2026-01-02T04:04:07.000000000+01:00 d\n");
}

TEST(LogText, AContinuationOfALineThatIsTooOldIsNoLineOfItsOwn) {
  LogOptions options = with_times();
  options.since = parse_log_time("2026-01-02T03:04:06Z");
  EXPECT_EQ(show(options, "2026-01-02T03:04:05Z stdout P a\n2026-01-02T03:04:06Z stdout F b\n"), "b\n");
}

TEST(LogText, TheLimitCountsTimesAndCutsTheLastLine) {
  LogOptions options = with_times();
  const std::string log = std::string(kTime) + " stdout F one\n" + kTime + " stdout F two\n";
  const std::string whole = show(options, log);
  for (std::size_t limit = 1; limit <= whole.size() + 1; ++limit) {
    options.limit = static_cast<std::int64_t>(limit);
    EXPECT_EQ(show(options, log), whole.substr(0, limit));
    LogText text(options);
    std::string out;
    ASSERT_TRUE(text.feed(log, out).ok());
    EXPECT_EQ(text.done(), limit <= whole.size()) << limit;
  }
}

TEST(LogText, ATailCountsRecordsAlsoThoseThatAreTooOld) {
  LogOptions options;
  options.tail = 2;
  const std::string log =
      "2026-01-02T03:04:05Z stdout P a\nbad\n2026-01-02T03:04:06Z stdout F b\n"
      "2026-01-02T03:04:07Z stdout F c\n";
  EXPECT_EQ(show(options, log), "ab\n");
  options.since = parse_log_time("2026-01-02T03:04:06Z");
  EXPECT_EQ(show(options, log), "b\n");
  options.follow = true;
  EXPECT_EQ(show(options, log), "b\nc\n") << "one who follows wants what comes after, too";
  options.follow = false;
  options.tail = 0;
  EXPECT_EQ(show(options, log), "");
}

TEST(LogText, ARecordWithoutEndGoesOutInPieces) {
  LogText text(with_times());
  std::string out;
  const std::string head = std::string(kTime) + " stdout P ";
  ASSERT_TRUE(text.feed(head, out).ok());
  const std::string piece(64 * 1024, 'x');
  std::size_t shown = 0;
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(text.feed(piece, out).ok());
    shown += out.size();
    EXPECT_LE(out.size(), LogLines::most_held + 100) << "what was held goes out at once";
    out.clear();
  }
  EXPECT_EQ(shown, std::string(kTime).size() + 1 + 64 * piece.size());
  ASSERT_TRUE(text.feed("y\n" + std::string(kTime) + " stdout F z\n", out).ok());
  EXPECT_EQ(out, "yz\n") << "the record was a part, and its newline is none of the line";
}

TEST(LogText, AJsonLineWithoutEndIsSkipped) {
  const std::string good = R"({"log":"good\n","stream":"stdout","time":"2026-01-02T03:04:05Z"})"
                           "\n";
  const std::string huge = R"({"log":")" + std::string(LogLines::most_held, 'x') +
                           R"(","stream":"stdout","time":"2026-01-02T03:04:05Z"})"
                           "\n";
  EXPECT_EQ(show(good + huge + good), "good\ngood\n");
  EXPECT_EQ(show(LogOptions(), good + huge + good, 1000), "good\ngood\n");
}

TEST(LogText, BytesWithoutEndOfNoFormatAreRefused) {
  LogText text{LogOptions()};
  std::string out;
  Status status;
  for (int i = 0; i < 8 && status.ok(); ++i) status = text.feed(std::string(64 * 1024, 'x'), out);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().to_string(), HasSubstr("unsupported log format"));
  EXPECT_LT(status.error().to_string().size(), 2000u);
}

}  // namespace
}  // namespace keelson::logs
