// StartSlots: how many pods are being started at once.
//
// A batch of pods is done no sooner when the runtime is given all of it at once: each pod then waits for almost all
// others. With a few at a time they are done one after another, and the median pod waits half as long. A slot is held
// while the runtime makes a sandbox or a container; not while an image is pulled, a hook runs, or something is waited
// for. A pod that goes on after that goes before those that have not begun. A slot that is held for long does not
// count any more: where starts are slow because they wait (for a network, a disk), more of them run side by side, and
// a call that hangs keeps nobody from starting for longer than `patience`. Owner: PodEngine. Thread: the loop. Stops:
// waiting ends with the task that waits; no slot may outlive its StartSlots. What fails: nothing. Source: DESIGN
// "Budgets".
#pragma once

#include <list>
#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"

namespace keelson::agent {

struct StartLimits {
  std::size_t at_once = 6;
  base::Duration patience = std::chrono::seconds(1);
};

// What suits a runtime on a machine with so many CPUs: two for each, since a start waits now and then, and two more.
std::size_t starts_at_once(unsigned cpus);

class StartSlots {
 public:
  StartSlots(base::Loop& loop, base::Clock& clock, StartLimits limits) : loop_(loop), clock_(clock), limits_(limits) {}
  ~StartSlots();
  StartSlots(const StartSlots&) = delete;
  StartSlots& operator=(const StartSlots&) = delete;

  // Gives its place back when destroyed.
  class Slot {
   public:
    Slot() = default;
    Slot(Slot&& other) noexcept { *this = std::move(other); }
    Slot& operator=(Slot&& other) noexcept;
    ~Slot() { release(); }
    void release();
    explicit operator bool() const { return owner_ != nullptr; }

   private:
    friend class StartSlots;
    Slot(StartSlots* owner, std::list<base::SteadyTime>::iterator place) : owner_(owner), place_(place) {}
    StartSlots* owner_ = nullptr;
    std::list<base::SteadyTime>::iterator place_{};
  };

  // `goes_on`: the pod has begun to be started already.
  base::Task<Slot> take(bool goes_on);

  std::size_t waiting() const { return queue_.size(); }

 private:
  struct Ticket;
  using Queue = std::list<std::shared_ptr<Ticket>>;

  std::size_t counted() const;
  base::SteadyTime next_lapse() const;
  Slot grant();
  // Grants what may be granted; the first of those who wait on watches for slots that lapse.
  void pump();
  void leave(const std::shared_ptr<Ticket>& ticket);

  base::Loop& loop_;
  base::Clock& clock_;
  StartLimits limits_;
  std::list<base::SteadyTime> held_;  // since when, the longest first
  Queue queue_;                       // first those that go on
  const Ticket* watcher_ = nullptr;
};

}  // namespace keelson::agent
