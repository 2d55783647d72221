// when_all(): runs several tasks side by side on the loop and awaits them all.
//
// The answer is in the order of the tasks. Cancellation of the awaiting task reaches every one of them. What a task
// throws is thrown here, after all have ended; a mistake goes before a cancellation. Thread: the loop.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/gate.hpp"
#include "base/task.hpp"

namespace keelson::base {

Task<void> when_all(std::vector<Task<void>> tasks);

template <class T>
requires(!std::is_void_v<T>) Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  auto places = std::make_shared<std::vector<std::shared_ptr<std::optional<T>>>>();
  std::vector<Task<void>> keepers;
  for (auto& task : tasks) {
    places->push_back(std::make_shared<std::optional<T>>());
    keepers.push_back(internal::keep_result<T>(std::move(task), places->back()));
  }
  co_await when_all(std::move(keepers));
  std::vector<T> values;
  values.reserve(places->size());
  for (auto& place : *places) values.push_back(std::move(**place));
  co_return values;
}

}  // namespace keelson::base
