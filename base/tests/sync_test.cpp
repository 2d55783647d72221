#include "base/sync.hpp"

#include <gtest/gtest.h>

#include "base/tests/tasks.hpp"

namespace keelson::base {
namespace {

using testing::drain;
using testing::stop_now;

using Diary = std::vector<std::string>;

class SyncTest : public ::testing::Test {
 protected:
  Loop loop;
  VirtualClock clock{loop};
  Diary diary;
  Gate gate{loop};
};

Task<void> wait_for_bell(Notification* bell, std::string name, Diary* diary) {
  co_await bell->wait();
  diary->push_back(name);
}

TEST_F(SyncTest, NotificationWakesAllWhoWait) {
  Notification bell(loop);
  for (const char* name : {"a", "b", "c"}) spawn(gate, name, wait_for_bell(&bell, name, &diary));
  drain(loop);
  EXPECT_TRUE(diary.empty());
  bell.notify();
  drain(loop);
  EXPECT_EQ(diary, (Diary{"a", "b", "c"}));
  EXPECT_FALSE(bell.pending()) << "a ring that was heard is over";
}

TEST_F(SyncTest, NotificationLetsOneNextWaitPassWhenNobodyWaited) {
  Notification bell(loop);
  bell.notify();
  bell.notify();
  EXPECT_TRUE(bell.pending());
  spawn(gate, "a", wait_for_bell(&bell, "a", &diary));
  drain(loop);
  spawn(gate, "b", wait_for_bell(&bell, "b", &diary));
  drain(loop);
  EXPECT_EQ(diary, Diary{"a"});
  bell.notify();
  drain(loop);
  EXPECT_EQ(diary, (Diary{"a", "b"}));
}

TEST_F(SyncTest, NotificationWaitEndsByCancellation) {
  Notification bell(loop);
  spawn(gate, "a", wait_for_bell(&bell, "a", &diary));
  drain(loop);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_TRUE(diary.empty());
  bell.notify();
  EXPECT_TRUE(bell.pending()) << "the cancelled waiter is not counted any more";
}

TEST_F(SyncTest, ARingIsNotLostOnAWaiterThatIsCancelledAtTheSameTime) {
  Notification bell(loop);
  spawn(gate, "a", wait_for_bell(&bell, "a", &diary));
  drain(loop);
  bell.notify();
  gate.cancel("a");
  drain(loop);
  EXPECT_EQ(diary, Diary{"a"});
}

Task<void> wait_until_late(Notification* bell, Clock* clock, Duration limit, std::string name, Diary* diary) {
  const bool rung = co_await bell->wait_for(*clock, limit);
  diary->push_back(name + (rung ? " rung" : " late"));
}

TEST_F(SyncTest, AWaitWithALimitEndsByTheRingOrByTime) {
  Notification bell(loop);
  spawn(gate, "a", wait_until_late(&bell, &clock, 5s, "a", &diary));
  spawn(gate, "b", wait_until_late(&bell, &clock, 10s, "b", &diary));
  spawn(gate, "c", wait_for_bell(&bell, "c", &diary));
  spawn(gate, "d", wait_until_late(&bell, &clock, Duration::max(), "d", &diary));
  drain(loop);
  EXPECT_EQ(clock.sleepers(), 2u) << "what has no end needs no alarm";
  clock.advance(6s);
  EXPECT_EQ(diary, Diary{"a late"}) << "the end of one wait ends no other";
  bell.notify();
  drain(loop);
  EXPECT_EQ(diary, (Diary{"a late", "b rung", "c", "d rung"}));
  EXPECT_EQ(clock.sleepers(), 0u);
  clock.advance(1min);
  EXPECT_EQ(diary.size(), 4u);
}

TEST_F(SyncTest, AWaitWithALimitTakesARingThatCameBefore) {
  Notification bell(loop);
  bell.notify();
  spawn(gate, "a", wait_until_late(&bell, &clock, 0s, "a", &diary));
  drain(loop);
  EXPECT_EQ(diary, Diary{"a rung"});
  spawn(gate, "b", wait_until_late(&bell, &clock, 0s, "b", &diary));
  drain(loop);
  EXPECT_EQ(diary, (Diary{"a rung", "b late"}));
}

TEST_F(SyncTest, AWaitWithALimitEndsByCancellation) {
  Notification bell(loop);
  spawn(gate, "a", wait_until_late(&bell, &clock, 5s, "a", &diary));
  spawn(gate, "b", wait_for_bell(&bell, "b", &diary));
  drain(loop);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_TRUE(diary.empty());
  EXPECT_EQ(clock.sleepers(), 0u);
}

Task<void> hold(Semaphore* semaphore, Clock* clock, Duration duration, std::string name, Diary* diary) {
  Semaphore::Permit permit = co_await semaphore->acquire();
  diary->push_back(name);
  co_await clock->sleep_for(duration);
}

TEST_F(SyncTest, SemaphoreLetsInAsManyAsItHasPermitsInOrder) {
  Semaphore semaphore(loop, 2);
  for (const char* name : {"a", "b", "c", "d"}) spawn(gate, name, hold(&semaphore, &clock, 1s, name, &diary));
  drain(loop);
  EXPECT_EQ(diary, (Diary{"a", "b"}));
  EXPECT_EQ(semaphore.available(), 0u);
  EXPECT_EQ(semaphore.waiting(), 2u);
  clock.advance(1s);
  EXPECT_EQ(diary, (Diary{"a", "b", "c", "d"}));
  clock.advance(1s);
  EXPECT_EQ(semaphore.available(), 2u);
  EXPECT_EQ(semaphore.waiting(), 0u);
}

TEST_F(SyncTest, SemaphoreSkipsWaitersThatWereCancelled) {
  Semaphore semaphore(loop, 1);
  for (const char* name : {"a", "b", "c"}) spawn(gate, name, hold(&semaphore, &clock, 1s, name, &diary));
  drain(loop);
  gate.cancel("b");
  clock.advance(1s);
  EXPECT_EQ(diary, (Diary{"a", "c"}));
  clock.advance(1s);
  EXPECT_EQ(semaphore.available(), 1u);
}

TEST_F(SyncTest, APermitHandedToACancelledWaiterGoesToTheNext) {
  Semaphore semaphore(loop, 1);
  for (const char* name : {"a", "b", "c"}) spawn(gate, name, hold(&semaphore, &clock, 1s, name, &diary));
  drain(loop);
  EXPECT_EQ(diary, Diary{"a"});
  // "a" gives its permit to "b" when it unwinds; "b" is cancelled before it could notice.
  gate.cancel("a");
  while (semaphore.waiting() == 2) loop.context().poll_one();
  gate.cancel("b");
  drain(loop);
  EXPECT_EQ(diary.back(), "c");
  EXPECT_EQ(semaphore.waiting(), 0u);
  clock.advance(1s);
  EXPECT_EQ(semaphore.available(), 1u);
}

TEST_F(SyncTest, SemaphoreGivesAllBackWhenEverybodyIsStopped) {
  Semaphore semaphore(loop, 1);
  for (const char* name : {"a", "b", "c"}) spawn(gate, name, hold(&semaphore, &clock, 1h, name, &diary));
  drain(loop);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(semaphore.available(), 1u);
  EXPECT_EQ(semaphore.waiting(), 0u);
}

TEST_F(SyncTest, APermitIsGivenBackOnceHoweverItIsMoved) {
  Semaphore semaphore(loop, 1);
  {
    Semaphore::Permit taken;
    spawn(gate, "take",
          [](Semaphore* s, Semaphore::Permit* out) -> Task<void> { *out = co_await s->acquire(); }(&semaphore, &taken));
    drain(loop);
    EXPECT_EQ(semaphore.available(), 0u);
    Semaphore::Permit moved = std::move(taken);
    moved.release();
    moved.release();
    EXPECT_EQ(semaphore.available(), 1u);
  }
  EXPECT_EQ(semaphore.available(), 1u);
}

#ifdef KEELSON_DEBUG_CHECKS
TEST(SemaphoreDeathTest, DestructionWhileAPermitIsOutAborts) {
  EXPECT_DEATH(
      {
        Loop loop;
        VirtualClock clock(loop);
        Diary diary;
        Gate gate(loop);
        Semaphore semaphore(loop, 1);
        spawn(gate, "holder", hold(&semaphore, &clock, 1h, "holder", &diary));
        drain(loop);
      },
      "a Semaphore is destroyed while in use");
}
#endif

Task<void> receive_all(Mailbox<int>* mailbox, std::vector<int>* received) {
  while (true) {
    const int value = co_await mailbox->receive();
    received->push_back(value);
  }
}

Task<void> receive_for(Mailbox<int>* mailbox, Clock* clock, Duration limit, std::vector<int>* received) {
  auto value = co_await with_timeout(*clock, limit, mailbox->receive());
  received->push_back(value.value_or(-1));
}

TEST_F(SyncTest, MailboxKeepsTheOrderOfSending) {
  Mailbox<int> mailbox(loop);
  std::vector<int> received;
  mailbox.send(1);
  mailbox.send(2);
  spawn(gate, "receiver", receive_all(&mailbox, &received));
  drain(loop);
  EXPECT_EQ(received, (std::vector<int>{1, 2}));
  mailbox.send(3);
  drain(loop);
  mailbox.send(4);
  mailbox.send(5);
  drain(loop);
  EXPECT_EQ(received, (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_TRUE(stop_now(loop, gate));
}

TEST_F(SyncTest, MailboxLosesNothingToAReceiverThatTimesOut) {
  Mailbox<int> mailbox(loop);
  std::vector<int> received;
  spawn(gate, "first", receive_for(&mailbox, &clock, 1s, &received));
  clock.advance(1s);
  EXPECT_EQ(received, std::vector<int>{-1});
  mailbox.send(8);
  EXPECT_EQ(mailbox.size(), 1u);
  spawn(gate, "second", receive_for(&mailbox, &clock, 1s, &received));
  drain(loop);
  EXPECT_EQ(received, (std::vector<int>{-1, 8}));
}

Task<void> send_after(Mailbox<int>* mailbox, Clock* clock, Duration duration, int value) {
  co_await clock->sleep_for(duration);
  mailbox->send(value);
}

TEST_F(SyncTest, AMessageSentAtTheMomentOfTheDeadlineIsReceivedOrKept) {
  for (const bool sender_first : {true, false}) {
    SCOPED_TRACE(sender_first);
    Mailbox<int> mailbox(loop);
    std::vector<int> received;
    if (sender_first) spawn(gate, "sender", send_after(&mailbox, &clock, 1s, 8));
    spawn(gate, "receiver", receive_for(&mailbox, &clock, 1s, &received));
    if (!sender_first) spawn(gate, "sender", send_after(&mailbox, &clock, 1s, 8));
    clock.advance(1s);
    ASSERT_EQ(received.size(), 1u);
    if (received[0] == -1) {
      EXPECT_EQ(mailbox.size(), 1u);
    } else {
      EXPECT_EQ(received[0], 8);
      EXPECT_EQ(mailbox.size(), 0u);
    }
  }
}

}  // namespace
}  // namespace keelson::base
