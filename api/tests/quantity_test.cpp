#include "api/quantity.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace keelson::api {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

Quantity q(std::string_view text) {
  const auto parsed = Quantity::parse(text);
  EXPECT_TRUE(parsed.ok()) << text << ": " << parsed.error().to_string();
  return parsed.value_or(Quantity());
}

TEST(Quantity, IsWrittenInCanonicalForm) {
  struct Row {
    const char* text;
    const char* canonical;
  };
  const Row rows[] = {
      // the suffix family is kept, the suffix grows as far as nothing is lost
      {"0", "0"},
      {"0m", "0"},
      {"00.000Gi", "0"},
      {"-0", "0"},
      {"1", "1"},
      {"+5", "5"},
      {"007", "7"},
      {"100m", "100m"},
      {"1000m", "1"},
      {"1500m", "1500m"},
      {"0.5", "500m"},
      {".5", "500m"},
      {"5.", "5"},
      {"1.5", "1500m"},
      {"1.2345", "1234500u"},
      {"0.001", "1m"},
      {"0.0001", "100u"},
      {"1n", "1n"},
      {"1000n", "1u"},
      {"1000", "1k"},
      {"1024", "1024"},
      {"1500", "1500"},
      {"15000", "15k"},
      {"1000k", "1M"},
      {"1M", "1M"},
      {"1G", "1G"},
      {"1T", "1T"},
      {"1P", "1P"},
      {"1E", "1E"},
      {"0.1E", "100P"},
      {"2500000M", "2500G"},
      {"1Ki", "1Ki"},
      {"1024Ki", "1Mi"},
      {"0.5Gi", "512Mi"},
      {"1.5Gi", "1536Mi"},
      {"1Ti", "1Ti"},
      {"1Pi", "1Pi"},
      {"1Ei", "1Ei"},
      {"100Ki", "100Ki"},
      {"1.5Ki", "1536"},
      {"9007199254740988Ki", "9007199254740988Ki"},
      // below 1024 a binary quantity is written in decimal
      {"0.5Ki", "512"},
      {"0.1Ki", "102400m"},
      {"0.0001Ki", "102400u"},
      {"1.1Mi", "1153433600m"},
      // decimal exponents
      {"1e3", "1e3"},
      {"1E3", "1e3"},
      {"1e6", "1e6"},
      {"1e4", "10e3"},
      {"12e6", "12e6"},
      {"1e-3", "1e-3"},
      {"1e0", "1"},
      {"1.5e3", "1500"},
      {"100e-3", "100e-3"},
      {"1e+3", "1e3"},
      {"1e30", "1e30"},
      // sign
      {"-1.5Gi", "-1536Mi"},
      {"-100m", "-100m"},
      {"-5", "-5"},
      // finer than a nano: away from zero
      {"0.1n", "1n"},
      {"0.9n", "1n"},
      {"1.1n", "2n"},
      {"-0.1n", "-1n"},
      {"1e-20", "1e-9"},
      {"0.0000000001", "1n"},
      {"1.0000000001", "1000000001n"},
      {"0.00000000000000000000000000000000000000000000000001", "1n"},
      // beyond 64 bits: decimal keeps its value, binary is capped
      {"18446744073709551616", "18446744073709551616"},
      {"100E", "100E"},
      {"1000E", "1e21"},
      {"8Ei", "9223372036854775807"},
      {"-8Ei", "-9223372036854775807"},
      {"9999999999999999999999Ki", "9223372036854775807"},
      {"7.9999999999Ei", "9223372036739483657539315303n"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      // as generous as the API server: no digits is zero
      {"Ki", "0"},
      {"m", "0"},
      {".", "0"},
      {"+", "0"},
      {"1000000000000000000000000000000000000000000", "1e42"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(q(row.text).to_string(), row.canonical);
    EXPECT_EQ(q(row.canonical), q(row.text)) << "the canonical form is the same amount";
    EXPECT_EQ(q(row.canonical).to_string(), row.canonical) << "canonical form is stable";
  }
}

TEST(Quantity, RefusesWhatIsNoQuantity) {
  for (const char* text : {"",
                           " 1",
                           "1 ",
                           "1 Gi",
                           "1i",
                           ".5i",
                           "-3.01i",
                           "-3.01e-",
                           "0.1mi",
                           "0.1am",
                           "aoeu",
                           "1.1.M",
                           "1+1.0M",
                           "1K",
                           "1KI",
                           "1ki",
                           "1gi",
                           "1B",
                           "1GB",
                           "--1",
                           "+-1",
                           "1e",
                           "1e+",
                           "1e+-3",
                           "1e1.5",
                           "1e3k",
                           "0x10",
                           "1_000",
                           "1,5",
                           "NaN",
                           "inf",
                           "1e9999999999999999999999",
                           "1e999999999",
                           "1e-999999999",
                           "\xff",
                           "1234567890123456789012345678901234567",
                           "1.00000000000000000001Gi"}) {
    const auto parsed = Quantity::parse(text);
    EXPECT_FALSE(parsed.ok()) << text;
    EXPECT_TRUE(parsed.ok() || parsed.error().kind() == ErrorKind::invalid) << text;
  }
  EXPECT_EQ(Quantity::parse("1GB").error().message(),
            "invalid quantity \"1GB\": expected a number with an optional suffix, such as 100m, 1.5Gi, 1e3, 5");
}

TEST(Quantity, RoundsUpToWholeUnitsAndSaturates) {
  struct Row {
    const char* text;
    std::int64_t value;
    std::int64_t milli;
  };
  const Row rows[] = {
      {"0", 0, 0},
      {"1", 1, 1000},
      {"100m", 1, 100},
      {"1500m", 2, 1500},
      {"1.0001", 2, 1001},
      {"-1.5", -2, -1500},
      {"1n", 1, 1},
      {"-1n", -1, -1},
      {"64Mi", 67108864, 67108864000},
      {"1e3", 1000, 1000000},
      {"1Ei", 1152921504606846976, kMax},
      {"8Ei", kMax, kMax},
      {"-8Ei", -kMax, kMin},
      {"1e30", kMax, kMax},
      {"-1e30", kMin, kMin},
      {"9223372036854775807", kMax, kMax},
      {"9223372036854775807m", 9223372036854776, kMax},
      {"99999999999999999999", kMax, kMax},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(q(row.text).value(), row.value);
    EXPECT_EQ(q(row.text).milli_value(), row.milli);
  }
  EXPECT_EQ(q("1.5Gi").scaled(6), 1611);
  EXPECT_EQ(q("250m").scaled(-9), 250'000'000);
  EXPECT_EQ(q("1n").scaled(1000), 1);
  EXPECT_DOUBLE_EQ(q("250m").to_double(), 0.25);
}

TEST(Quantity, ComparesByAmountWhateverTheFormat) {
  const char* ascending[] = {
      "-1e30", "-8Ei", "-1Gi", "-1G", "-1",  "-1m", "0",   "1n",   "1m",  "0.1", "999m",
      "1",     "1k",   "1Ki",  "1M",  "1Mi", "1G",  "1Gi", "1e12", "1Ti", "8Ei", "18446744073709551616",
      "1e30",  "1e31"};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      SCOPED_TRACE(std::string(ascending[i]) + " and " + ascending[j]);
      EXPECT_EQ(q(ascending[i]) < q(ascending[j]), i < j);
      EXPECT_EQ(q(ascending[i]) == q(ascending[j]), i == j);
    }
  }
  EXPECT_EQ(q("1Gi"), q("1073741824"));
  EXPECT_EQ(q("0Gi"), Quantity());
}

TEST(Quantity, AddsAndSubtractsExactly) {
  struct Row {
    const char* a;
    const char* b;
    const char* sum;
    const char* difference;
  };
  const Row rows[] = {
      {"1", "1", "2", "0"},
      {"100m", "200m", "300m", "-100m"},
      {"1Gi", "512Mi", "1536Mi", "512Mi"},
      {"1Gi", "1G", "2073741824", "73741824"},
      {"0", "1Gi", "1Gi", "-1Gi"},
      {"1Gi", "0", "1Gi", "1Gi"},
      {"1", "1n", "1000000001n", "999999999n"},
      {"8Ei", "8Ei", "18446744073709551614", "0"},
      {"1e3", "1", "1001", "999"},
      {"100m", "1Gi", "1073741824100m", "-1073741823900m"},
      // more digits than 128 bits hold: the lowest are rounded away from zero
      {"1e40", "1n", "10000000000000000000000000000000000100e3", "9999999999999999999999999999999999900e3"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.a) + " and " + row.b);
    EXPECT_EQ((q(row.a) + q(row.b)).to_string(), row.sum);
    EXPECT_EQ((q(row.a) - q(row.b)).to_string(), row.difference);
  }
}

TEST(Quantity, ComesFromNumbersAndMessages) {
  EXPECT_EQ(Quantity::from_milli(1500).to_string(), "1500m");
  EXPECT_EQ(Quantity::bytes(64 << 20).to_string(), "64Mi");
  EXPECT_EQ(Quantity::bytes(1000).to_string(), "1k");
  EXPECT_EQ(Quantity::bytes(25276510208).to_string(), "24684092Ki");
  EXPECT_EQ(Quantity::from_scaled(5, 9).to_string(), "5G");
  EXPECT_EQ(Quantity::from_int(kMin).to_string(), "-9223372036854775808");
  k8s::resource::Quantity message;
  EXPECT_TRUE(Quantity::of(message).is_zero());
  message.set_string("rubbish");
  EXPECT_TRUE(Quantity::of(message).is_zero());
  q("1.5Gi").store(message);
  EXPECT_EQ(message.string(), "1536Mi");
  EXPECT_EQ(Quantity::of(message), q("1.5Gi"));
}

}  // namespace
}  // namespace keelson::api
