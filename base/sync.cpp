#include "base/sync.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

namespace keelson::base {

Task<void> Notification::wait() {
  if (std::exchange(pending_, false)) co_return;
  struct Present {
    std::size_t& count;
    explicit Present(std::size_t& waiters) : count(waiters) { ++count; }
    ~Present() { --count; }
  } present(waiters_);
  const std::uint64_t before = rings_;
  boost::system::error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  // The timer never expires: either a ring ended the wait or the cancellation of our task did.
  if (rings_ == before) throw boost::system::system_error(asio::error::operation_aborted);
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
