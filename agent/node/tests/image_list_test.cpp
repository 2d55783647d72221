#include "agent/node/image_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/tests/small_api.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::agent {
namespace {

using namespace testing;

class ImageListTest : public ::testing::Test {
 protected:
  ImageListTest() {
    cri_.images["a"].id = "a";
    cri_.images["a"].size = 5;
  }
  ~ImageListTest() override { bench_.stop(); }

  NodeBench bench_;
  fakes::FakeCri cri_{bench_.loop, bench_.clock};
  ImageList list_{bench_.loop, bench_.clock, cri_, cri_, 50, "v1.36.2", bench_.log};
};

TEST_F(ImageListTest, IsEmptyFirstAndAskedForEveryThirtySeconds) {
  EXPECT_TRUE(list_.images()->empty());
  EXPECT_EQ(list_.runtime_version(), "Unknown");
  list_.start(bench_.gate);
  bench_.advance(1s);
  EXPECT_EQ(list_.images()->size(), 1u);
  EXPECT_NE(list_.runtime_version(), "Unknown");
  cri_.images["b"].id = "b";
  bench_.advance(28s);
  EXPECT_EQ(list_.images()->size(), 1u);
  bench_.advance(2s);
  EXPECT_EQ(list_.images()->size(), 2u);
  EXPECT_EQ(cri_.count("list_images"), 2u);
}

TEST_F(ImageListTest, KeepsImagesButNotTheVersionOfARuntimeThatIsAway) {
  list_.start(bench_.gate);
  bench_.advance(1s);
  cri_.go_away();
  bench_.advance(60s);
  EXPECT_EQ(list_.images()->size(), 1u);
  EXPECT_EQ(list_.runtime_version(), "Unknown");
  cri_.come_back();
  list_.refresh_soon();
  bench_.advance(1s);
  EXPECT_NE(list_.runtime_version(), "Unknown");
}

}  // namespace
}  // namespace keelson::agent
