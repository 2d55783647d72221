// Wire: the calls of one agent to the world outside of it.
//
// call() lets a task of the world run on the world's loop and answers on the agent's: so a call goes on when the agent
// that made it dies, or gives up, and may still take effect or not. Which, chance decides. cut() is the agent's death:
// nobody is answered any more. Owner: an agent; it and the agent's loop stay in memory until the run is over, so that
// late answers find their (dead) place. Thread: the simulation's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "base/sync.hpp"

namespace keelson::sim {

// The world's side of it; outlives every wire.
struct Outside {
  Outside(base::Loop& on, base::Clock& with, base::Random& by, base::Gate& in)
      : loop(on), clock(with), random(by), gate(in) {}

  base::Loop& loop;
  base::Clock& clock;
  base::Random& random;
  base::Gate& gate;
  std::uint64_t calls = 0;
  std::set<std::string> orphans{};  // calls that go on without their caller
  std::size_t unsure_pulls = 0;     // image pulls of which the agent never learned what came

  // Lets the call go on, but not for long: the other side notices that nobody listens.
  void adopt(const std::string& call);
  void end_orphans();

 private:
  base::Task<void> end_later(std::string call, base::Duration delay);
};

class Wire {
 public:
  Wire(Outside& outside, base::Loop& inside) : outside_(outside), inside_(inside) {}

  // What becomes of a call whose caller has gone.
  enum class Orphan {
    may_go_on,  // by chance: it ends where it is, or takes its full effect
    ends,       // the other side notices at once (a stream)
  };

  template <class T>
  base::Task<T> call(base::Task<T> task, Orphan orphan = Orphan::may_go_on);
  // The agent died.
  void cut();
  bool alive() const { return alive_; }
  std::size_t open_calls() const { return open_.size(); }

 private:
  template <class T>
  struct Pending {
    explicit Pending(base::Loop& inside) : bell(inside) {}
    std::optional<T> value;
    bool deaf = false;  // nobody waits for it
    base::Notification bell;
  };
  struct Open {
    std::uint64_t number;
    Orphan orphan;
    bool operator<(const Open& other) const { return number < other.number; }
  };

  template <class T>
  static base::Task<void> serve(Outside* outside, std::string name, std::shared_ptr<Pending<T>> pending,
                                base::Task<T> task);
  void orphan(const Open& call);
  static std::string name_of(const Open& call) { return "call " + std::to_string(call.number); }

  Outside& outside_;
  base::Loop& inside_;
  bool alive_ = true;
  std::set<Open> open_;
};

template <class T>
base::Task<T> Wire::call(base::Task<T> task, Orphan orphan_rule) {
  auto pending = std::make_shared<Pending<T>>(inside_);
  const Open open{++outside_.calls, orphan_rule};
  base::spawn(outside_.gate, name_of(open), serve<T>(&outside_, name_of(open), pending, std::move(task)));
  open_.insert(open);
  struct Leave {
    Wire& wire;
    const Open& open;
    std::shared_ptr<Pending<T>> pending;
    ~Leave() {
      wire.open_.erase(open);
      pending->deaf = true;
      if (!pending->value) wire.orphan(open);
    }
  } leave{*this, open, pending};
  co_await pending->bell.wait();
  co_return std::move(*pending->value);
}

template <class T>
base::Task<void> Wire::serve(Outside* outside, std::string name, std::shared_ptr<Pending<T>> pending,
                             base::Task<T> task) {
  T value = co_await std::move(task);
  outside->orphans.erase(name);
  // The way back may take a moment, in which who asked may die.
  if (outside->random() % 4 == 0) {
    const auto back = std::chrono::microseconds(50 + outside->random() % 2000);
    co_await outside->clock.sleep_for(back);
  }
  pending->value.emplace(std::move(value));
  if (!pending->deaf) pending->bell.notify();
}

}  // namespace keelson::sim
