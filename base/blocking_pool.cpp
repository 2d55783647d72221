#include "base/blocking_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/duration.hpp"
#include "base/gate.hpp"
#include "base/sync.hpp"

namespace keelson::base {

struct BlockingPool::Calls {
  struct Call {
    explicit Call(Loop& loop) : bell(loop) {}
    bool finished = false;
    Notification bell;
  };
  std::uint64_t next = 0;
  std::map<std::uint64_t, Call*> waiting;
};

// A bridge: the queue between the loop and the pool's threads needs its mutex. What belongs to the loop (timers, bells)
// never comes here, so a thread that ends after the loop is gone has nothing of it to destroy.
struct BlockingPool::State {
  struct Job {
    std::uint64_t number;
    std::function<void()> work;
  };
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> queue;
  std::size_t limit = 1;
  std::size_t threads = 0;
  std::size_t idle = 0;
  bool closing = false;
  Loop* loop = nullptr;
  std::weak_ptr<Calls> calls;

  static void serve(std::shared_ptr<State> state);
  void enqueue(std::shared_ptr<State> self, Job job);
  bool take_back(std::uint64_t number);
};

void BlockingPool::State::serve(std::shared_ptr<State> state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    ++state->idle;
    state->wake.wait(lock, [&] { return state->closing || !state->queue.empty(); });
    --state->idle;
    if (state->closing) break;
    Job job = std::move(state->queue.front());
    state->queue.pop_front();
    lock.unlock();
    job.work();
    job.work = nullptr;
    lock.lock();
    if (state->closing) break;
    state->loop->post([weak = state->calls, number = job.number] {
      const auto calls = weak.lock();
      if (!calls) return;
      const auto place = calls->waiting.find(number);
      if (place == calls->waiting.end()) return;
      place->second->finished = true;
      place->second->bell.notify();
    });
  }
  --state->threads;
  state->wake.notify_all();
}

void BlockingPool::State::enqueue(std::shared_ptr<State> self, Job job) {
  std::lock_guard lock(mutex);
  queue.push_back(std::move(job));
  if (idle < queue.size() && threads < limit) {
    try {
      std::thread(serve, std::move(self)).detach();
      ++threads;
    } catch (const std::system_error&) {
      // No thread to be had now: the call waits for one of the others, or for its deadline.
    }
  }
  wake.notify_one();
}

bool BlockingPool::State::take_back(std::uint64_t number) {
  std::function<void()> dropped;  // destroyed after the lock
  std::lock_guard lock(mutex);
  const auto place = std::find_if(queue.begin(), queue.end(), [&](const Job& job) { return job.number == number; });
  if (place == queue.end()) return false;
  dropped = std::move(place->work);
  queue.erase(place);
  return true;
}

BlockingPool::BlockingPool(Loop& loop, Clock& clock, std::size_t threads)
    : loop_(loop), clock_(clock), state_(std::make_shared<State>()), calls_(std::make_shared<Calls>()) {
  state_->limit = threads;
  state_->loop = &loop;
  state_->calls = calls_;
}

BlockingPool::~BlockingPool() {
  std::deque<State::Job> dropped;
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  dropped.swap(state_->queue);
  state_->wake.notify_all();
  // Threads inside a call that never returns are left behind: they own all that they use.
  state_->wake.wait_for(lock, std::chrono::milliseconds(200), [&] { return state_->threads == 0; });
}

Task<Status> BlockingPool::perform(std::string what, Duration limit, std::function<void()> work) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  // Leaving for whatever reason takes the call back when no thread has begun it.
  struct Visit {
    std::shared_ptr<State> state;
    std::shared_ptr<Calls> calls;
    std::uint64_t number;
    Calls::Call call;
    Visit(BlockingPool& pool) : state(pool.state_), calls(pool.calls_), number(calls->next++), call(pool.loop_) {
      calls->waiting.emplace(number, &call);
    }
    ~Visit() {
      calls->waiting.erase(number);
      if (!call.finished) state->take_back(number);
    }
  } visit(*this);
  state_->enqueue(state_, {visit.number, std::move(work)});
  co_await visit.call.bell.wait_for(clock_, limit);
  if (visit.call.finished) co_return Status();
  if (visit.state->take_back(visit.number)) {
    co_return Error(ErrorKind::exhausted, what + ": no free thread within " + format_duration(limit) +
                                              ", earlier blocking calls are still stuck");
  }
  co_return Error(ErrorKind::deadline_exceeded, what + ": not finished within " + format_duration(limit));
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
