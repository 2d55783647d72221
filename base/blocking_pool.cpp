#include "base/blocking_pool.hpp"

#include <boost/asio/redirect_error.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/gate.hpp"

namespace keelson::base {

// A bridge file: the queue between the loop and the pool's threads needs its mutex.
struct BlockingPool::State {
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> queue;
  std::size_t limit = 1;
  std::size_t threads = 0;
  std::size_t idle = 0;
  bool closing = false;
  Loop* loop = nullptr;
};

namespace {

template <class State>
void serve(std::shared_ptr<State> state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    ++state->idle;
    state->wake.wait(lock, [&] { return state->closing || !state->queue.empty(); });
    --state->idle;
    if (state->closing) break;
    auto job = std::move(state->queue.front());
    state->queue.pop_front();
    lock.unlock();
    job.work();
    lock.lock();
    if (!state->closing) state->loop->post(std::move(job.done));
  }
  --state->threads;
  state->wake.notify_all();
}

}  // namespace

BlockingPool::BlockingPool(Loop& loop, Clock& clock, std::size_t threads)
    : loop_(loop), clock_(clock), state_(std::make_shared<State>()) {
  state_->limit = threads;
  state_->loop = &loop;
}

BlockingPool::~BlockingPool() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->queue.clear();
  state_->wake.notify_all();
  // Threads inside a call that never returns are left behind: they own all that they use.
  state_->wake.wait_for(lock, std::chrono::milliseconds(200), [&] { return state_->threads == 0; });
}

void BlockingPool::submit(std::function<void()> work, std::function<void()> done) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  std::lock_guard lock(state_->mutex);
  state_->queue.push_back({std::move(work), std::move(done)});
  if (state_->idle < state_->queue.size() && state_->threads < state_->limit) {
    ++state_->threads;
    std::thread(serve<State>, state_).detach();
  }
  state_->wake.notify_one();
}

Task<bool> BlockingPool::wait_for(std::shared_ptr<asio::steady_timer> bell, std::shared_ptr<bool> finished,
                                  Duration limit) {
  const SteadyTime deadline = clock_.steady_now() + limit;
  while (!*finished) {
    const Duration left = deadline - clock_.steady_now();
    if (left <= Duration::zero()) co_return false;
    using namespace asio::experimental::awaitable_operators;
    boost::system::error_code ignored;
    auto race = bell->async_wait(asio::redirect_error(asio::use_awaitable, ignored)) || clock_.sleep_for(left);
    co_await std::move(race);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (!*finished && state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
  co_return true;
}

std::size_t BlockingPool::queued() const {
  std::lock_guard lock(state_->mutex);
  return state_->queue.size();
}

std::size_t BlockingPool::busy() const {
  std::lock_guard lock(state_->mutex);
  return state_->threads - state_->idle;
}

}  // namespace keelson::base
