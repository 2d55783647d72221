// One thread that runs callbacks when they are due. Owner: the fake runtime. cancel() after the callback began is a
// no-op, so callbacks check for themselves whether they are still wanted. stop() drops what is pending and joins.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace keelson::fakes {

class Timers {
 public:
  using Clock = std::chrono::steady_clock;
  struct Id {
    Clock::time_point due{};
    std::uint64_t number = 0;  // 0 = none
    auto operator<=>(const Id&) const = default;
  };

  Timers() : thread_([this] { run(); }) {}
  ~Timers() { stop(); }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  Id after(std::chrono::nanoseconds delay, std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    Id id{Clock::now() + std::chrono::duration_cast<Clock::duration>(delay), ++last_};
    pending_.emplace(id, std::move(callback));
    wake_.notify_one();
    return id;
  }

  void cancel(Id id) {
    std::function<void()> dropped;  // destroyed outside the lock
    std::lock_guard lock(mutex_);
    if (auto found = pending_.find(id); found != pending_.end()) {
      dropped = std::move(found->second);
      pending_.erase(found);
    }
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (pending_.empty()) {
        wake_.wait(lock);
        continue;
      }
      const auto first = pending_.begin();
      if (first->first.due > Clock::now()) {
        const auto due = first->first.due;
        wake_.wait_until(lock, due);
        continue;
      }
      auto callback = std::move(first->second);
      pending_.erase(first);
      lock.unlock();
      callback();
      callback = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<Id, std::function<void()>> pending_;
  std::uint64_t last_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace keelson::fakes
