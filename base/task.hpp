// Task<T>: the coroutine type of this project, and the few rules that keep coroutines alive as long as they run.
//
// Owner: whoever awaits it, or a Gate (base/gate.hpp). Thread: the loop (base/loop.hpp). Stops: cancellation of the
// Gate unwinds it by boost::system::system_error(operation_aborted) at its current co_await; hold resources by RAII.
// Rules (GCC 12 and lifetime): named functions, parameters by value or shared ownership; no capturing lambda coroutine;
// no asio::detached; no co_await inside a conditional operator, a range-for header, a switch condition or a call's
// braced initialiser list: await into a named local first.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace keelson::base {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

}  // namespace keelson::base
