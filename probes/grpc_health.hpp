// check_health(): one call of grpc.health.v1.Health/Check, as the kubelet makes it for grpc probes.
//
// Plain HTTP/2 on a connection of its own, by nghttp2; the two messages have one field each and are coded here. As with
// grpc-go's blocking dial, a server counts as connected once it has sent its SETTINGS, and a connection that fails is
// tried again until the limit, so that all such failures read "timeout: failed to connect service". Owner: the caller
// awaits it. Thread: the loop. Stops: with the awaiting task, or at the action's limit. Source: contract 02 §17;
// grpc.health.v1; gRPC over HTTP/2.
#pragma once

#include "probes/network.hpp"
#include "probes/transport.hpp"

namespace keelson::probes {

// `network` outlives the call.
base::Task<Attempt> check_health(Network& network, GrpcAction action);

}  // namespace keelson::probes
