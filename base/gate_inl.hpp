// with_timeout()'s definition; include base/gate.hpp.
#pragma once

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace keelson::base {

template <class T>
Task<std::optional<T>> with_timeout(Clock& clock, Duration limit, Task<T> task) {
  using namespace asio::experimental::awaitable_operators;
  auto race = std::move(task) || clock.sleep_for(limit);
  auto winner = co_await std::move(race);
  if (winner.index() == 0) co_return std::optional<T>(std::get<0>(std::move(winner)));
  co_return std::optional<T>();
}

}  // namespace keelson::base
