// How often the runtime is asked whether a container runs, and who is told.
#include "agent/logs/container_lives.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "agent/logs/tests/fakes.hpp"
#include "agent/logs/tests/fixture.hpp"

namespace keelson::logs {
namespace {

class ContainerLivesTest : public LoopTest {
 protected:
  ~ContainerLivesTest() override { stop(lives); }
  void check_each_second(ContainerLives::Listener& listener, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      listener.check();
      pass(1s);
    }
  }

  FakeState state{loop};
  ContainerLives lives{loop, clock, state};
  base::Notification bell{loop};
};

TEST_F(ContainerLivesTest, IsAskedAtOnceAndThenLessAndLess) {
  const auto listener = lives.follow("c1", bell);
  listener->check();
  settle();
  EXPECT_EQ(state.total(), 1);
  listener->check();
  settle();
  EXPECT_EQ(state.total(), 1) << "it has just been asked";
  pass(1s);
  check_each_second(*listener, 60);
  EXPECT_LE(state.total(), 16);
  EXPECT_GE(state.total(), 12);
}

TEST_F(ContainerLivesTest, ASuspicionIsFollowedUpSoonButNotAtEachLine) {
  const auto listener = lives.follow("c1", bell);
  check_each_second(*listener, 30);
  const int before = state.total();
  for (int i = 0; i < 100; ++i) {
    listener->suspect();
    pass(10ms);
  }
  EXPECT_LE(state.total(), before + 5);
  EXPECT_GE(state.total(), before + 4);
}

TEST_F(ContainerLivesTest, ASuspicionThatComesWhileItIsAskedOutlivesTheAnswer) {
  const auto listener = lives.follow("c1", bell);
  state.hanging = true;
  listener->check();
  settle();
  listener->suspect();
  EXPECT_TRUE(listener->suspected());
  state.let_go();
  pass(ContainerLives::least_rest);
  EXPECT_EQ(state.total(), 1);
  listener->check();
  settle();
  EXPECT_EQ(state.total(), 2);
  EXPECT_FALSE(listener->suspected());
}

TEST_F(ContainerLivesTest, AllListenersAreToldOfTheEndAndItIsNotAskedAgain) {
  base::Notification other(loop);
  const auto first = lives.follow("c1", bell);
  const auto second = lives.follow("c1", other);
  state.ended.insert("c1");
  first->check();
  second->check();
  settle();
  EXPECT_EQ(state.total(), 1);
  EXPECT_TRUE(first->ended() && second->ended());
  EXPECT_TRUE(bell.pending() && other.pending());
  pass(10s);
  first->suspect();
  settle();
  EXPECT_EQ(state.total(), 1);
}

TEST_F(ContainerLivesTest, AContainerThatIsGoneHasEndedAndARuntimeThatIsAwaySaysNothing) {
  state.gone.insert("c1");
  const auto gone = lives.follow("c1", bell);
  gone->check();
  settle();
  EXPECT_TRUE(gone->ended());
  state.away = true;
  const auto unknown = lives.follow("c2", bell);
  unknown->check();
  settle();
  EXPECT_FALSE(unknown->ended());
}

TEST_F(ContainerLivesTest, ALifeIsForgottenWithItsLastListener) {
  state.ended.insert("c1");
  auto listener = lives.follow("c1", bell);
  listener->check();
  settle();
  listener.reset();
  listener = lives.follow("c1", bell);
  EXPECT_FALSE(listener->ended());
  listener->check();
  settle();
  EXPECT_EQ(state.total(), 2);
}

}  // namespace
}  // namespace keelson::logs
