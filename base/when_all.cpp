#include "base/when_all.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/cancellation_condition.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <exception>
#include <tuple>

namespace keelson::base {
namespace {

using Executor = Task<void>::executor_type;

auto start(const Executor& executor, Task<void> task) {
  return asio::co_spawn(executor, std::move(task), asio::deferred);
}

}  // namespace

Task<void> when_all(std::vector<Task<void>> tasks) {
  if (tasks.empty()) co_return;
  const Executor executor = co_await asio::this_coro::executor;
  std::vector<decltype(start(executor, std::declval<Task<void>>()))> operations;
  operations.reserve(tasks.size());
  for (auto& task : tasks) operations.push_back(start(executor, std::move(task)));
  auto group = asio::experimental::make_parallel_group(std::move(operations));
  auto wait = group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  auto outcome = co_await std::move(wait);
  std::exception_ptr failure;
  for (const std::exception_ptr& error : std::get<1>(outcome)) {
    if (error && (!failure || is_cancellation(failure))) failure = error;
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace keelson::base
