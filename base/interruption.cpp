#include "base/interruption.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>

#include "base/gate.hpp"

namespace keelson::base {
// Outlives run() by the requests that are on their way.
struct Interruption::Run : std::enable_shared_from_this<Run> {
  explicit Run(asio::any_io_executor loop) : executor(std::move(loop)) {}

  // Never at once: asio loses a coroutine that is cancelled before it was suspended for the first time.
  void cancel(asio::cancellation_type type) {
    asio::post(executor, [run = weak_from_this(), type] {
      if (const auto still = run.lock()) still->signal.emit(type);
    });
  }

  asio::any_io_executor executor;
  asio::cancellation_signal signal;
  bool requested = false;
};

namespace {

// What is in force while a task runs, undone however it ends.
template <class Run>
class Running {
 public:
  // Our own cancellation, which comes by `slot`, is passed on.
  Running(std::shared_ptr<Run>& place, asio::any_io_executor executor, asio::cancellation_slot slot)
      : place_(place), slot_(slot) {
    place_ = std::make_shared<Run>(std::move(executor));
    if (slot_.is_connected()) slot_.assign([run = place_.get()](asio::cancellation_type type) { run->cancel(type); });
  }
  ~Running() {
    slot_.clear();
    place_.reset();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::shared_ptr<Run>& place_;
  asio::cancellation_slot slot_;
};

}  // namespace

void Interruption::request() {
  if (current_ == nullptr) return;
  current_->requested = true;
  current_->cancel(asio::cancellation_type::all);
}

Task<bool> Interruption::run(Task<void> task) {
  KEELSON_DCHECK(current_ == nullptr && "an Interruption is used for two tasks at once");
  const auto executor = co_await asio::this_coro::executor;
  const auto state = co_await asio::this_coro::cancellation_state;
  const Running<Run> running(current_, executor, state.slot());
  auto wait =
      asio::co_spawn(executor, std::move(task),
                     asio::bind_cancellation_slot(current_->signal.slot(), asio::as_tuple(asio::use_awaitable)));
  const auto ended = co_await std::move(wait);
  const std::exception_ptr& error = std::get<0>(ended);
  if (!error) co_return true;
  if (current_->requested && is_cancellation(error)) co_return false;
  std::rethrow_exception(error);
}

}  // namespace keelson::base
