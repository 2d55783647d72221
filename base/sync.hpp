// Notification, Semaphore and Mailbox: how tasks on the loop wait for one another.
//
// Owner: whoever shares them; all waiters must have left (their Gate stopped) before destruction. Thread: the loop;
// nothing here locks. Waiting ends by the event or by the waiter's cancellation (operation_aborted).
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/loop.hpp"
#include "base/task.hpp"

namespace keelson::base {

// A bell: notify() wakes all present waiters, or, when nobody waits, lets the next wait() pass at once. Rings coalesce.
// A waiter that is rung and cancelled at the same time counts as rung, so that no ring is lost.
class Notification {
 public:
  explicit Notification(Loop& loop) : timer_(loop.context(), SteadyTime::max()) {}
  Notification(const Notification&) = delete;
  Notification& operator=(const Notification&) = delete;

  void notify() {
    if (waiters_ == 0) {
      pending_ = true;
      return;
    }
    ++rings_;
    timer_.cancel();
  }
  bool pending() const { return pending_; }

  Task<void> wait();
  // False when nobody has rung by then.
  Task<bool> wait_until(Clock& clock, SteadyTime when);
  Task<bool> wait_for(Clock& clock, Duration limit) { return wait_until(clock, clock.after(limit)); }

 private:
  std::unique_ptr<Alarm> wake_at(Clock& clock, SteadyTime when, bool& late);

  bool pending_ = false;
  std::size_t waiters_ = 0;
  std::uint64_t rings_ = 0;
  asio::steady_timer timer_;
};

// Counted permits, first come first served.
class Semaphore {
 public:
  Semaphore(Loop& loop, std::size_t permits) : loop_(loop), permits_(permits), available_(permits) {}
  ~Semaphore() {
    KEELSON_DCHECK(available_ == permits_ && waiters_.empty() && "a Semaphore is destroyed while in use");
  }
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // Gives the permit back when destroyed.
  class Permit {
   public:
    Permit() = default;
    explicit Permit(Semaphore* owner) : owner_(owner) {}
    Permit(Permit&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
      if (this != &other) {
        release();
        owner_ = std::exchange(other.owner_, nullptr);
      }
      return *this;
    }
    ~Permit() { release(); }
    void release() {
      if (auto* owner = std::exchange(owner_, nullptr)) owner->give_back();
    }

   private:
    Semaphore* owner_ = nullptr;
  };

  Task<Permit> acquire();
  std::size_t available() const { return available_; }
  std::size_t waiting() const { return waiters_.size(); }

 private:
  struct Waiter {
    explicit Waiter(Loop& loop) : timer(loop.context(), SteadyTime::max()) {}
    bool granted = false;
    asio::steady_timer timer;
  };
  void give_back();

  Loop& loop_;
  std::size_t permits_;
  std::size_t available_;
  std::list<std::shared_ptr<Waiter>> waiters_;
};

// A queue between tasks: any number of senders, one receiver.
template <class T>
class Mailbox {
 public:
  explicit Mailbox(Loop& loop) : bell_(loop) {}

  void send(T value) {
    values_.push_back(std::move(value));
    bell_.notify();
  }
  std::size_t size() const { return values_.size(); }

  Task<T> receive() {
    while (values_.empty()) co_await bell_.wait();
    T value = std::move(values_.front());
    values_.pop_front();
    co_return value;
  }

 private:
  Notification bell_;
  std::deque<T> values_;
};

}  // namespace keelson::base
