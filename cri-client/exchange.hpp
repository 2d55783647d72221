// Exchange: the typed messages of one CRI call. Module-internal; shared until gRPC is done with them
// (cri-client/transport.hpp).
#pragma once

#include <memory>

#include "cri-client/checks.hpp"
#include "cri-client/transport.hpp"

namespace keelson::cri {

template <class Request, class Response>
class Exchange final : public ExchangeBase {
 public:
  const google::protobuf::MessageLite& request_message() const override { return request; }
  google::protobuf::MessageLite& response_message() override { return response; }

  Request request;
  Response response;
};

template <class Request, class Response>
using ExchangePtr = std::shared_ptr<Exchange<Request, Response>>;

// make<X>() for the call X: the schema names messages after calls.
#define KEELSON_EXCHANGE(call) std::make_shared<Exchange<pb::call##Request, pb::call##Response>>()

}  // namespace keelson::cri
