// What the query of /containerLogs means, and what is answered to one that means nothing.
#include "agent/logs/log_query.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace keelson::logs {
namespace {

using server::Fields;

constexpr base::SystemTime kNow{std::chrono::seconds(1'767'225'600) + std::chrono::milliseconds(250)};
constexpr char kUndecodable[] = R"({"message": "Unable to decode query."})";
constexpr char kInvalid[] = R"({"message": "Invalid request."})";

LogOptions options_of(const Fields& query) {
  const auto options = parse_log_query(query, kNow);
  EXPECT_TRUE(options.ok()) << query.front().first << "=" << query.front().second;
  return options.value_or({});
}

TEST(LogQuery, AnEmptyQueryAsksForTheWholeLog) {
  const auto options = parse_log_query({}, kNow);
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->follow || options->previous || options->timestamps);
  EXPECT_FALSE(options->tail || options->limit || options->since);
  EXPECT_EQ(options->stream, "");
}

TEST(LogQuery, ASwitchIsOnWhenItIsThereUnlessItSaysZeroOrFalse) {
  const std::pair<const char*, bool> rows[] = {
      {"true", true},   {"1", true},      {"", true},  {"yes", true},    {"0", false},
      {"false", false}, {"FALSE", false}, {"f", true}, {"falsey", true}, {"00", true},
  };
  for (const auto& [value, on] : rows) {
    EXPECT_EQ(options_of({{"follow", value}}).follow, on) << value;
    EXPECT_EQ(options_of({{"previous", value}}).previous, on) << value;
    EXPECT_EQ(options_of({{"timestamps", value}}).timestamps, on) << value;
  }
}

TEST(LogQuery, NumbersAreDecimalAndSigned) {
  EXPECT_EQ(options_of({{"tailLines", "0"}}).tail, 0);
  EXPECT_EQ(options_of({{"tailLines", "+17"}}).tail, 17);
  EXPECT_EQ(options_of({{"tailLines", "9223372036854775807"}}).tail, INT64_MAX);
  EXPECT_EQ(options_of({{"limitBytes", "1"}}).limit, 1);
}

TEST(LogQuery, WhatCannotBeReadIs400) {
  const Fields rows[] = {
      {{"tailLines", "x"}},
      {{"tailLines", ""}},
      {{"tailLines", "1.5"}},
      {{"tailLines", "+-5"}},
      {{"tailLines", " 5"}},
      {{"tailLines", "9223372036854775808"}},
      {{"limitBytes", "1k"}},
      {{"sinceSeconds", "ten"}},
      {{"sinceTime", "yesterday"}},
      {{"sinceTime", "2026-02-30T00:00:00Z"}},
      {{"sinceTime", "2026-01-02 03:04:05Z"}},
      {{"tail", "many"}},
      {{"tail", "many"}, {"tailLines", "3"}},
      // It is read before it is judged.
      {{"tailLines", "-1"}, {"limitBytes", "x"}},
  };
  for (const Fields& query : rows) {
    const auto options = parse_log_query(query, kNow);
    ASSERT_FALSE(options.ok()) << query.front().first << "=" << query.front().second;
    EXPECT_EQ(options.error().code(), 400) << query.front().second;
    EXPECT_EQ(options.error().message(), kUndecodable) << query.front().second;
  }
}

TEST(LogQuery, WhatMakesNoSenseIs422) {
  const Fields rows[] = {
      {{"tailLines", "-1"}},
      {{"limitBytes", "0"}},
      {{"limitBytes", "-5"}},
      {{"sinceSeconds", "0"}},
      {{"sinceSeconds", "-1"}},
      {{"sinceSeconds", "5"}, {"sinceTime", "2026-01-01T00:00:00Z"}},
      {{"sinceTime", ""}, {"sinceSeconds", "5"}},
      {{"stream", "stdout"}},
      {{"stream", ""}},
      {{"stream", "Stdout"}, {"tailLines", "5"}},
  };
  for (const Fields& query : rows) {
    const auto options = parse_log_query(query, kNow);
    ASSERT_FALSE(options.ok()) << query.front().first << "=" << query.front().second;
    EXPECT_EQ(options.error().code(), 422) << query.front().second;
    EXPECT_EQ(options.error().message(), kInvalid) << query.front().second;
  }
}

TEST(LogQuery, TailIsAnOldNameOfTailLinesAndGoesFirst) {
  EXPECT_EQ(options_of({{"tail", "3"}}).tail, 3);
  EXPECT_EQ(options_of({{"tail", "3"}, {"tailLines", "x"}}).tail, 3);
  EXPECT_EQ(options_of({{"tail", "all"}, {"tailLines", "5"}}).tail, std::nullopt);
  EXPECT_EQ(options_of({{"tail", ""}, {"tailLines", "5"}}).tail, 5);
}

TEST(LogQuery, OfARepeatedKeyTheFirstCountsAndUnknownOnesDoNot) {
  EXPECT_EQ(options_of({{"tailLines", "1"}, {"tailLines", "2"}}).tail, 1);
  EXPECT_FALSE(options_of({{"Follow", "1"}, {"follow", "0"}, {"follow", "1"}}).follow);
  EXPECT_FALSE(options_of({{"colour", "red"}, {"insecureSkipTLSVerifyBackend", "maybe"}}).follow);
}

TEST(LogQuery, SinceSecondsCountsBackFromTheRequest) {
  const LogTime expected{1'767'225'600 - 90, 250'000'000};
  EXPECT_EQ(options_of({{"sinceSeconds", "90"}}).since, expected);
  EXPECT_LT(*options_of({{"sinceSeconds", "9223372036854775807"}}).since, kZeroTime);
}

TEST(LogQuery, SinceTimeIsAnInstantWithItsFractionAndOffset) {
  EXPECT_EQ(options_of({{"sinceTime", "2026-01-01T00:00:00Z"}}).since, (LogTime{1'767'225'600, 0}));
  EXPECT_EQ(options_of({{"sinceTime", "2026-01-01T02:00:00.5+02:00"}}).since, (LogTime{1'767'225'600, 500'000'000}));
  EXPECT_EQ(options_of({{"sinceTime", ""}}).since, kZeroTime);
  EXPECT_EQ(options_of({{"sinceTime", "null"}}).since, kZeroTime);
}

TEST(LogQuery, ASingleStreamIsRememberedForItsRefusal) {
  EXPECT_EQ(options_of({{"stream", "All"}}).stream, "");
  EXPECT_EQ(options_of({{"stream", "All"}, {"tailLines", "5"}}).tail, 5);
  EXPECT_EQ(options_of({{"stream", "Stdout"}}).stream, "Stdout");
  EXPECT_EQ(options_of({{"stream", "Stderr"}}).stream, "Stderr");
}

}  // namespace
}  // namespace keelson::logs
