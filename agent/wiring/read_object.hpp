// read_object(): one object of the API as it is now, or why it could not be had within half a minute.
//
// Coroutine on the loop; `client` outlives it. What fails: what the API server says, `deadline_exceeded`. Source:
// contract 04 §16, §17, §21 (live GETs).
#pragma once

#include <string>

#include "base/gate.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

// What is asked within that time; `what` is for the error.
template <class T>
base::Task<Result<T>> in_time(kube::Client& client, base::Task<Result<T>> task, std::string what) {
  constexpr base::Duration kLimit = std::chrono::seconds(30);
  auto answer = co_await base::with_timeout(client.clock(), kLimit, std::move(task));
  if (!answer) co_return Error(ErrorKind::deadline_exceeded, "the API server did not answer in time for " + what);
  co_return std::move(*answer);
}

template <class T>
base::Task<Result<T>> read_object(kube::Client& client, std::string ns, std::string name) {
  std::string what = ns.empty() ? name : ns + "/" + name;
  auto task = client.get<T>(std::move(ns), std::move(name));
  return in_time<T>(client, std::move(task), std::move(what));
}

}  // namespace keelson::agent
