#include "base/in_flight.hpp"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

TEST(InFlight, LetsAKeyInAgainOnlyWhenItsTokenHasEnded) {
  InFlight calls;
  auto first = calls.enter("a");
  ASSERT_TRUE(first);
  EXPECT_FALSE(calls.enter("a"));
  auto captured = first;  // as a closure would hold it
  first.reset();
  EXPECT_FALSE(calls.enter("a"));
  EXPECT_TRUE(calls.enter("b"));
  captured.reset();
  EXPECT_TRUE(calls.enter("a"));
}

}  // namespace
}  // namespace keelson::base
