#include "base/grpc.hpp"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

using namespace std::chrono_literals;

TEST(Grpc, TimeLimitsAreRoundedUpAndHaveEightDigitsAtMost) {
  EXPECT_EQ(grpc_timeout(-1s), "1u");
  EXPECT_EQ(grpc_timeout(1ns), "1u");
  EXPECT_EQ(grpc_timeout(1001ns), "2u");
  EXPECT_EQ(grpc_timeout(99'999'999us), "99999999u");
  EXPECT_EQ(grpc_timeout(2min - 1ns), "120000m") << "a server that gives up first says something else";
  EXPECT_EQ(grpc_timeout(30h), "108000S");
}

TEST(Grpc, APrefixSaysHowLongItsMessageIs) {
  EXPECT_FALSE(read_grpc_prefix(std::string("\0\0\0\0", 4)));
  const auto prefix = read_grpc_prefix(grpc_prefix(0x01020304) + "x");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->size, 0x01020304u);
  EXPECT_FALSE(prefix->compressed);
}

}  // namespace
}  // namespace keelson::base
