// What the grpc_runtime*.cpp files share. Module-internal.
#pragma once

#include <utility>

#include "cri-client/convert_inl.hpp"
#include "cri-client/exchange.hpp"
#include "cri-client/grpc_runtime.hpp"

namespace keelson::cri {

template <class X>
Task<Status> GrpcRuntime::send(const Rpc& call, std::shared_ptr<X> exchange, std::chrono::seconds asked) {
  const Check checked = [](ExchangeBase& done) { return check(static_cast<X&>(done).response); };
  return perform(&call, std::move(exchange), asked, checked);
}

template <class Value, class X, class Items>
Task<std::optional<Result<std::vector<Value>>>> GrpcRuntime::read_list(const Rpc* call, std::shared_ptr<X> stream,
                                                                       Items items) {
  auto all = std::make_shared<std::vector<Value>>();
  // A named function: GCC 12 destroys a capturing lambda twice when it is a temporary beside co_await.
  const std::function<void()> take = [all, items, part = &stream->response] {
    for (const auto& item : items(*part)) all->push_back(from_proto(item));
  };
  Status read = co_await perform_stream(call, stream, take);
  if (read.ok()) co_return std::move(*all);
  if (read.error().kind() == ErrorKind::unimplemented) co_return std::nullopt;
  co_return std::move(read).error();
}

}  // namespace keelson::cri
