#include "api/time.hpp"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

TEST(Time, ReadsRfc3339WithOffsetsAndFractions) {
  struct Row {
    const char* text;
    const char* written;
  };
  const Row rows[] = {
      {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"},      {"2026-01-02T03:04:05.999999999Z", "2026-01-02T03:04:05Z"},
      {"2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"}, {"2026-01-02T03:04:05.5-23:59", "2026-01-03T03:03:05Z"},
      {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},      {"1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"},
      {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},      {"0001-01-01T00:00:01Z", "0001-01-01T00:00:01Z"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},      {"0001-01-01T00:00:00Z", ""},  // Go's zero time
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto time = parse_time(row.text);
    ASSERT_TRUE(time.ok()) << time.error().to_string();
    EXPECT_EQ(format_time(*time), row.written);
    EXPECT_FALSE(time->has_nanos());
  }
}

TEST(Time, RefusesEverythingElse) {
  for (const char* text :
       {"", "now", "2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z",
        "2026-02-29T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z",
        "2026-01-02T03:04:05.Z", "2026-01-02T3:04:05Z", "2026-01-02T03:04:05+2", "2026-01-02T03:04:05Zx",
        "26-01-02T03:04:05Z", "2026-01-02T03:04:05+0200"}) {
    EXPECT_FALSE(parse_time(text).ok()) << text;
    EXPECT_FALSE(parse_micro_time(text).ok()) << text;
  }
}

TEST(MicroTime, HasExactlySixDigits) {
  const auto time = parse_micro_time("2026-01-02T03:04:05.000006Z");
  ASSERT_TRUE(time.ok());
  EXPECT_EQ(time->nanos(), 6000);
  EXPECT_EQ(format_time(*time), "2026-01-02T03:04:05.000006Z");
  for (const char* text : {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.00006Z", "2026-01-02T03:04:05.0000060Z"})
    EXPECT_FALSE(parse_micro_time(text).ok()) << text;
  const auto whole = parse_micro_time("2026-01-02T03:04:05.000000Z");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(format_time(*whole), "2026-01-02T03:04:05.000000Z");
}

TEST(Time, ConvertsToTheSystemClockAndBack) {
  const auto when = base::SystemTime(std::chrono::seconds(1'767'323'045) + std::chrono::nanoseconds(123'456'789));
  EXPECT_EQ(format_time(make_time(when)), "2026-01-02T03:04:05Z");
  EXPECT_EQ(format_time(make_micro_time(when)), "2026-01-02T03:04:05.123456Z");
  EXPECT_EQ(to_system_time(make_micro_time(when)), when - std::chrono::nanoseconds(789));
  const auto before = base::SystemTime(std::chrono::nanoseconds(-1));
  EXPECT_EQ(format_time(make_micro_time(before)), "1969-12-31T23:59:59.999999Z");
  EXPECT_TRUE(is_zero(Time()));
  EXPECT_FALSE(is_zero(make_time(base::SystemTime())));
  EXPECT_EQ(to_system_time(Time()), base::SystemTime::min());
  Time far;
  far.set_seconds(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(to_system_time(far), base::SystemTime::max());
  EXPECT_EQ(format_time(far), "9999-12-31T23:59:59Z");
  far.set_seconds(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(to_system_time(far), base::SystemTime::min());
  MicroTime odd;
  odd.set_seconds(0);
  odd.set_nanos(-5);
  EXPECT_EQ(format_time(odd), "1970-01-01T00:00:00.000000Z");
}

}  // namespace
}  // namespace keelson::api
