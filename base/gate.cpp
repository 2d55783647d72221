#include "base/gate.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>
#include <cstdio>
#include <exception>

#include "base/interruption.hpp"

namespace keelson::base {

bool is_cancellation(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (const asio::multiple_exceptions& e) {
    return is_cancellation(e.first_exception());
  } catch (...) {
    return false;
  }
}

Gate::Gate(Loop& loop) : loop_(loop), empty_(loop.context(), SteadyTime::max()) {}

Gate::~Gate() { KEELSON_CHECK(tasks_.empty() && "a Gate is destroyed while tasks run in it"); }

void Gate::cancel(std::shared_ptr<Entry> entry) {
  entry->cancelled = true;
  // A coroutine that Asio finds cancelled at its very first step never reports its end; run() looks at the flag
  // instead.
  if (!entry->started) return;
  // Inside a handler this emits at once. Outside of one Asio would queue a pointer into the task, which may be gone
  // when its turn comes; so we queue the emission ourselves.
  asio::dispatch(loop_.context(), [entry] {
    if (!entry->left) entry->signal.emit(asio::cancellation_type::terminal);
  });
}

Task<void> Gate::run(std::shared_ptr<Entry> entry, Task<void> task) {
  entry->started = true;
  std::exception_ptr error;
  try {
    co_await asio::post(asio::use_awaitable);
    if (!entry->cancelled) co_await std::move(task);
  } catch (...) {
    error = std::current_exception();
  }
  // Asio's own last step of a coroutine is an await too: a cancellation must not cut it off, or the end is never
  // reported.
  co_await asio::this_coro::throw_if_cancelled(false);
  if (error) std::rethrow_exception(error);
}

void Gate::leave(Entries::iterator entry) {
  (*entry)->left = true;
  tasks_.erase(entry);
  if (stopping_ && tasks_.empty()) empty_.cancel();
}

Task<void> Gate::stop() {
  KEELSON_ASSERT_ON_LOOP(loop_);
  stopping_ = true;
  const Entries running = tasks_;  // a cancelled task may change the list
  for (const auto& entry : running) cancel(entry);
  while (!tasks_.empty()) {
    boost::system::error_code ignored;
    co_await empty_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void Gate::cancel(std::string_view name) {
  const Entries running = tasks_;
  for (const auto& entry : running) {
    if (entry->name == name) cancel(entry);
  }
}

void spawn(Gate& gate, std::string name, Task<void> task) {
  KEELSON_ASSERT_ON_LOOP(gate.loop_);
  if (gate.stopping_) return;
  auto entry = std::make_shared<Gate::Entry>();
  entry->name = std::move(name);
  const auto place = gate.tasks_.insert(gate.tasks_.end(), entry);
  asio::co_spawn(gate.loop_.context(), Gate::run(entry, std::move(task)),
                 asio::bind_cancellation_slot(entry->signal.slot(), [&gate, place, entry](std::exception_ptr error) {
                   if (error && !is_cancellation(error)) {
                     try {
                       std::rethrow_exception(error);
                     } catch (const std::exception& e) {
                       std::fprintf(stderr, "keelson: task %s ended by an exception: %s\n", entry->name.c_str(),
                                    e.what());
                     } catch (...) {
                       std::fprintf(stderr, "keelson: task %s ended by an unknown exception\n", entry->name.c_str());
                     }
                     std::abort();
                   }
                   gate.leave(place);
                 }));
}

namespace {

std::unique_ptr<Alarm> request_at(Clock& clock, SteadyTime when, Interruption& interruption) {
  if (when == SteadyTime::max()) return nullptr;
  return clock.set_alarm(when, [&interruption] { interruption.request(); });
}

}  // namespace

// Not awaitable_operators' `||`: that waits for the timer when the task throws, turns cancellation into an exception of
// another type, and costs one for the timer that nobody needs any more.
Task<bool> with_timeout(Clock& clock, Duration limit, Task<void> task) {
  Interruption interruption;
  const auto alarm = request_at(clock, clock.after(limit), interruption);
  const bool in_time = co_await interruption.run(std::move(task));
  co_return in_time;
}

}  // namespace keelson::base
