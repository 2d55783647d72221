#include "agent/sync/start_slots.hpp"

#include <algorithm>
#include <optional>

namespace keelson::agent {

// Measured with containerd on 2 CPUs, 60 pods: the median pod ran after 4.4 s with 6 at once, 4.7 s with 4, 5.3 s with
// 2, 6.2 s with 8 and 8.8 s with all; all ran after 8.6, 9.6, 10.7, 11 and 9.6 s.
std::size_t starts_at_once(unsigned cpus) { return 2 * std::max(1u, cpus) + 2; }

struct StartSlots::Ticket {
  explicit Ticket(base::Loop& loop) : bell(loop) {}
  bool goes_on = false;
  std::optional<Slot> slot;
  base::Notification bell;
};

StartSlots::Slot& StartSlots::Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  release();
  owner_ = std::exchange(other.owner_, nullptr);
  place_ = other.place_;
  return *this;
}

void StartSlots::Slot::release() {
  StartSlots* owner = std::exchange(owner_, nullptr);
  if (owner == nullptr) return;
  owner->held_.erase(place_);
  owner->pump();
}

StartSlots::~StartSlots() { KEELSON_CHECK(held_.empty() && queue_.empty() && "StartSlots are destroyed while in use"); }

std::size_t StartSlots::counted() const {
  const base::SteadyTime lapsed = clock_.steady_now() - limits_.patience;
  return static_cast<std::size_t>(
      std::count_if(held_.begin(), held_.end(), [&](const auto& since) { return since > lapsed; }));
}

base::SteadyTime StartSlots::next_lapse() const {
  const base::SteadyTime lapsed = clock_.steady_now() - limits_.patience;
  const auto next = std::find_if(held_.begin(), held_.end(), [&](const auto& since) { return since > lapsed; });
  return next == held_.end() ? base::SteadyTime::max() : *next + limits_.patience;
}

StartSlots::Slot StartSlots::grant() { return Slot(this, held_.insert(held_.end(), clock_.steady_now())); }

void StartSlots::pump() {
  while (!queue_.empty() && counted() < limits_.at_once) {
    const std::shared_ptr<Ticket> next = queue_.front();
    queue_.pop_front();
    next->slot = grant();
    next->bell.notify();
  }
  const Ticket* first = queue_.empty() ? nullptr : queue_.front().get();
  if (std::exchange(watcher_, first) != first && first != nullptr) queue_.front()->bell.notify();
}

void StartSlots::leave(const std::shared_ptr<Ticket>& ticket) {
  queue_.remove(ticket);
  ticket->slot.reset();
  pump();
}

base::Task<StartSlots::Slot> StartSlots::take(bool goes_on) {
  if (queue_.empty() && counted() < limits_.at_once) co_return grant();
  const auto ticket = std::make_shared<Ticket>(loop_);
  ticket->goes_on = goes_on;
  const auto place =
      std::find_if(queue_.begin(), queue_.end(), [&](const auto& other) { return goes_on && !other->goes_on; });
  queue_.insert(goes_on ? place : queue_.end(), ticket);
  pump();
  // A task that is cancelled must not keep its place in the queue, nor what it was granted meanwhile.
  struct Guard {
    StartSlots& slots;
    const std::shared_ptr<Ticket>& ticket;
    ~Guard() {
      if (ticket != nullptr) slots.leave(ticket);
    }
  } guard{*this, ticket};
  while (!ticket->slot) {
    base::SteadyTime until = base::SteadyTime::max();
    if (watcher_ == ticket.get()) until = next_lapse();
    co_await ticket->bell.wait_until(clock_, until);
    if (!ticket->slot) pump();
  }
  Slot slot = std::move(*ticket->slot);
  co_return slot;
}

}  // namespace keelson::agent
