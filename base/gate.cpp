#include "base/gate.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>
#include <cstdio>
#include <exception>

namespace keelson::base {

bool is_cancellation(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

Gate::Gate(Loop& loop) : loop_(loop), empty_(loop.context(), SteadyTime::max()) {}

Gate::~Gate() { KEELSON_CHECK(tasks_.empty() && "a Gate is destroyed while tasks run in it"); }

void Gate::leave(Entries::iterator entry) {
  tasks_.erase(entry);
  if (stopping_ && tasks_.empty()) empty_.cancel();
}

Task<void> Gate::stop() {
  KEELSON_ASSERT_ON_LOOP(loop_);
  stopping_ = true;
  const Entries running = tasks_;  // emit() may run a task to its end and change the list
  for (const auto& entry : running) entry->cancel.emit(asio::cancellation_type::terminal);
  while (!tasks_.empty()) {
    boost::system::error_code ignored;
    co_await empty_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void Gate::cancel(std::string_view name) {
  const Entries running = tasks_;
  for (const auto& entry : running) {
    if (entry->name == name) entry->cancel.emit(asio::cancellation_type::terminal);
  }
}

void spawn(Gate& gate, std::string name, Task<void> task) {
  KEELSON_ASSERT_ON_LOOP(gate.loop_);
  if (gate.stopping_) return;
  auto entry = std::make_shared<Gate::Entry>();
  entry->name = std::move(name);
  const auto place = gate.tasks_.insert(gate.tasks_.end(), entry);
  asio::co_spawn(gate.loop_.context(), std::move(task),
                 asio::bind_cancellation_slot(entry->cancel.slot(), [&gate, place, entry](std::exception_ptr error) {
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

}  // namespace keelson::base
