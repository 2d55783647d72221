// when_all(): runs several tasks side by side on the loop and awaits them all.
//
// Cancellation of the awaiting task reaches every one of them. An exception of one is thrown after all have ended. The
// answer is in the order of the tasks. Thread: the loop.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <exception>
#include <vector>

#include "base/task.hpp"

namespace keelson::base {

// T must be default-constructible; Status and Result of such are.
template <class T>
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  if (tasks.empty()) co_return std::vector<T>{};
  auto executor = co_await asio::this_coro::executor;
  const auto start = [&executor](Task<T> task) { return asio::co_spawn(executor, std::move(task), asio::deferred); };
  std::vector<decltype(start(std::declval<Task<T>>()))> operations;
  operations.reserve(tasks.size());
  for (auto& task : tasks) operations.push_back(start(std::move(task)));
  auto group = asio::experimental::make_parallel_group(std::move(operations));
  auto [order, errors, values] = co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  co_return std::move(values);
}

}  // namespace keelson::base
