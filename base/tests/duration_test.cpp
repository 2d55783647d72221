#include "base/duration.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace keelson::base {
namespace {

TEST(ParseDuration, ReadsWhatGoReads) {
  struct Row {
    const char* text;
    Duration value;
  };
  for (const Row& row : {Row{"0", 0ns},
                         Row{"0s", 0ns},
                         Row{"+0", 0ns},
                         Row{"5s", 5s},
                         Row{"30s", 30s},
                         Row{"1478s", 1478s},
                         Row{"-5s", -5s},
                         Row{"+5s", 5s},
                         Row{"5.0s", 5s},
                         Row{"5.6s", 5600ms},
                         Row{"5.s", 5s},
                         Row{".5s", 500ms},
                         Row{"1.004s", 1004ms},
                         Row{"100.00100s", 100001ms},
                         Row{"10ns", 10ns},
                         Row{"11us", 11us},
                         Row{"12\u00b5s", 12us},
                         Row{"12\u03bcs", 12us},
                         Row{"13ms", 13ms},
                         Row{"14s", 14s},
                         Row{"15m", 15min},
                         Row{"16h", 16h},
                         Row{"3h30m", 3h + 30min},
                         Row{"1m30s", 90s},
                         Row{"10.5s4m", 4min + 10500ms},
                         Row{"-2m3.4s", -(2min + 3400ms)},
                         Row{"1h2m3s4ms5us6ns", 1h + 2min + 3s + 4ms + 5us + 6ns},
                         Row{"39h9m14.425s", 39h + 9min + 14425ms},
                         Row{"0.3333333333333333333h", 20min},
                         Row{"9223372036854775807ns", Duration::max()},
                         Row{"2562047h47m16.854775807s", Duration::max()},
                         Row{"0.0000000000000000000000000000000000000000000000000000000000001h", 0ns},
                         Row{"0.9999999999999999999s", 999999999ns}}) {
    SCOPED_TRACE(row.text);
    const auto parsed = parse_duration(row.text);
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    EXPECT_NEAR(static_cast<double>(parsed->count()), static_cast<double>(row.value.count()), 1.0);
  }
}

TEST(ParseDuration, RefusesEverythingElseAndQuotesIt) {
  for (const char* text : {"",         "3",
                           "-",        "+",
                           "s",        ".",
                           "-.",       ".s",
                           "+.s",      "1d",
                           "1w",       "5 s",
                           " 5s",      "5s ",
                           "1x",       "1e3s",
                           "1m 30s",   "--5s",
                           "1.2.3s",   "9223372036854775808ns",
                           "3000000h", "99999999999999999999h",
                           "0x10s",    "\x85\x85",
                           "\xff"}) {
    SCOPED_TRACE(text);
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().kind(), ErrorKind::invalid);
    EXPECT_NE(parsed.error().to_string().find("\"" + std::string(text) + "\""), std::string::npos);
  }
}

TEST(FormatDuration, WritesTheCanonicalFormAndItReadsBack) {
  struct Row {
    Duration value;
    const char* text;
  };
  for (const Row& row :
       {Row{0ns, "0s"}, Row{1ns, "1ns"}, Row{1100ns, "1.1\u00b5s"}, Row{2200us, "2.2ms"}, Row{3300ms, "3.3s"},
        Row{4min + 5s, "4m5s"}, Row{4min + 5001ms, "4m5.001s"}, Row{5h + 6min + 7001ms, "5h6m7.001s"},
        Row{8min, "8m0s"}, Row{24h, "24h0m0s"}, Row{-90s, "-1m30s"}, Row{-1ns, "-1ns"}, Row{100ms, "100ms"},
        Row{Duration::max(), "2562047h47m16.854775807s"}}) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(format_duration(row.value), row.text);
    EXPECT_EQ(*parse_duration(row.text), row.value);
  }
}

TEST(FormatDuration, TakesTheSmallestValue) { EXPECT_EQ(format_duration(Duration::min())[0], '-'); }

SystemTime at(std::int64_t seconds, std::int64_t nanos = 0) {
  return SystemTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos));
}

TEST(Rfc3339, FormatsInUtcWithoutTrailingZeros) {
  EXPECT_EQ(format_rfc3339(at(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339(at(1'767'323'045, 999'999'999)), "2026-01-02T03:04:05Z");
  EXPECT_EQ(format_rfc3339_nano(at(1'767'323'045)), "2026-01-02T03:04:05Z");
  EXPECT_EQ(format_rfc3339_nano(at(1'767'323'045, 123'000'000)), "2026-01-02T03:04:05.123Z");
  EXPECT_EQ(format_rfc3339_nano(at(1'767'323'045, 1)), "2026-01-02T03:04:05.000000001Z");
  EXPECT_EQ(format_rfc3339_nano(at(-1, 500'000'000)), "1969-12-31T23:59:59.5Z");
}

TEST(Rfc3339, ParsesZonesAndFractions) {
  struct Row {
    const char* text;
    SystemTime time;
  };
  for (const Row& row :
       {Row{"2026-01-02T03:04:05Z", at(1'767'323'045)}, Row{"2026-01-02t03:04:05z", at(1'767'323'045)},
        Row{"2026-01-02T05:34:05+02:30", at(1'767'323'045)}, Row{"2026-01-01T23:04:05-04:00", at(1'767'323'045)},
        Row{"2026-01-02T03:04:05.25Z", at(1'767'323'045, 250'000'000)},
        Row{"2026-01-02T03:04:05.1234567891Z", at(1'767'323'045, 123'456'789)},
        Row{"2024-02-29T00:00:00Z", at(1'709'164'800)}}) {
    SCOPED_TRACE(row.text);
    const auto parsed = parse_rfc3339(row.text);
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    EXPECT_EQ(*parsed, row.time);
  }
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "2026", "2026-01-02", "2026-01-02 03:04:05Z", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z",
        "2025-02-29T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+0200", "2026-01-02T03:04:05+24:00",
        "+026-01-02T03:04:05Z", "9999-01-01T00:00:00Z"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(parse_rfc3339(text).ok());
  }
}

TEST(FormatAge, ReadsAsKubectlPrintsIt) {
  struct Row {
    Duration age;
    const char* text;
  };
  for (const Row& row :
       {Row{-5s, "0s"}, Row{0s, "0s"}, Row{119s, "119s"}, Row{120s, "2m"}, Row{125s, "2m5s"}, Row{10min, "10m"},
        Row{179min, "179m"}, Row{180min, "3h"}, Row{185min, "3h5m"}, Row{8h, "8h"}, Row{47h, "47h"}, Row{48h, "2d"},
        Row{50h, "2d2h"}, Row{24h * 8, "8d"}, Row{24h * 400, "400d"}}) {
    EXPECT_EQ(format_age(row.age), row.text);
  }
}

}  // namespace
}  // namespace keelson::base
