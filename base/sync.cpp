#include "base/sync.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

namespace keelson::base {

namespace {

struct Present {
  std::size_t& count;
  explicit Present(std::size_t& waiters) : count(waiters) { ++count; }
  ~Present() { --count; }
};

}  // namespace

// The timer never expires: a ring ends the wait, or the cancellation of our task (which throws when we wait again), or
// the alarm of one who waits beside us.
Task<void> Notification::wait() {
  if (std::exchange(pending_, false)) co_return;
  Present present(waiters_);
  const std::uint64_t before = rings_;
  boost::system::error_code ignored;
  while (rings_ == before) co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Task<bool> Notification::wait_until(Clock& clock, SteadyTime when) {
  if (std::exchange(pending_, false)) co_return true;
  Present present(waiters_);
  const std::uint64_t before = rings_;
  bool late = false;
  const auto alarm = wake_at(clock, when, late);
  boost::system::error_code ignored;
  while (rings_ == before && !late) co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return rings_ != before;
}

std::unique_ptr<Alarm> Notification::wake_at(Clock& clock, SteadyTime when, bool& late) {
  if (when == SteadyTime::max()) return nullptr;
  return clock.set_alarm(when, [this, &late] {
    late = true;
    timer_.cancel();
  });
}

Task<Semaphore::Permit> Semaphore::acquire() {
  if (available_ > 0 && waiters_.empty()) {
    --available_;
    co_return Permit(this);
  }
  auto waiter = std::make_shared<Waiter>(loop_);
  waiters_.push_back(waiter);
  boost::system::error_code ignored;
  co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  // A permit granted to a task that was cancelled meanwhile goes back when the task unwinds.
  if (waiter->granted) co_return Permit(this);
  waiters_.remove(waiter);
  throw boost::system::system_error(asio::error::operation_aborted);
}

void Semaphore::give_back() {
  if (waiters_.empty()) {
    ++available_;
    return;
  }
  auto waiter = waiters_.front();
  waiters_.pop_front();
  waiter->granted = true;
  waiter->timer.cancel();
}

}  // namespace keelson::base
