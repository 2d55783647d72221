// with_timeout()'s definition; include base/gate.hpp.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/clock.hpp"
#include "base/task.hpp"

namespace keelson::base {

Task<bool> with_timeout(Clock& clock, Duration limit, Task<void> task);

namespace internal {

template <class T>
Task<void> keep_result(Task<T> task, std::shared_ptr<std::optional<T>> place) {
  T value = co_await std::move(task);
  place->emplace(std::move(value));
}

}  // namespace internal

template <class T>
requires(!std::is_void_v<T>) Task<std::optional<T>> with_timeout(Clock& clock, Duration limit, Task<T> task) {
  auto place = std::make_shared<std::optional<T>>();
  co_await with_timeout(clock, limit, internal::keep_result<T>(std::move(task), place));
  co_return std::move(*place);
}

}  // namespace keelson::base
