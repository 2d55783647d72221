#include "api/int_or_string.hpp"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

TEST(IntOrString, IsANumberOrAText) {
  EXPECT_EQ(to_string(make_int(-5)), "-5");
  EXPECT_EQ(to_string(make_string("http")), "http");
  EXPECT_FALSE(is_string(IntOrString()));
  EXPECT_EQ(int_value(make_string("80")), 80);
  EXPECT_EQ(int_value(make_string("http")), 0);
  EXPECT_FALSE(is_string(parse_int_or_string("80")));
  for (const char* text : {"", "80 ", "8.0", "99999999999", "+-1", "http"})
    EXPECT_TRUE(is_string(parse_int_or_string(text))) << text;
}

TEST(IntOrString, ScalesPercentages) {
  struct Row {
    const char* text;
    std::int32_t total;
    std::int32_t down;
    std::int32_t up;
  };
  const Row rows[] = {{"25%", 10, 2, 3}, {"0%", 10, 0, 0}, {"100%", 7, 7, 7}, {"150%", 4, 6, 6}, {"-25%", 10, -3, -2}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(scaled_value(make_string(row.text), row.total, false).value_or(-99), row.down);
    EXPECT_EQ(scaled_value(make_string(row.text), row.total, true).value_or(-99), row.up);
  }
  EXPECT_EQ(scaled_value(make_int(3), 10, true).value_or(-99), 3);
  for (const char* text : {"", "25", "%", "x%", "2.5%"})
    EXPECT_FALSE(scaled_value(make_string(text), 10, true).ok()) << text;
}

}  // namespace
}  // namespace keelson::api
