#include "base/sync.hpp"

#include <algorithm>

namespace keelson::base {

Task<void> Notification::wait() {
  while (!pending_) {
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
  pending_ = false;
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
  if (waiter->granted) {
    Permit permit(this);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
    co_return permit;
  }
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
