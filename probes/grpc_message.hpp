// The bytes and texts of grpc.health.v1.Health/Check.
//
// Pure functions, any thread. Source: gRPC over HTTP/2 (length-prefixed messages, status mapping), grpc.health.v1,
// protocol buffers' wire format; texts are grpc-go's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::probes {

// HealthCheckRequest{service} with its length prefix.
std::string encode_health_request(std::string_view service);
// The status of a HealthCheckResponse with its length prefix: nullopt when it cannot be read.
std::optional<std::uint64_t> decode_health_response(std::string_view data);
// "SERVING", or the number of one we do not know.
std::string health_status_name(std::uint64_t status);
inline constexpr std::uint64_t kServing = 1;

// The codes that something comes of here.
inline constexpr int kGrpcOk = 0;
inline constexpr int kGrpcUnknown = 2;
inline constexpr int kGrpcDeadlineExceeded = 4;
inline constexpr int kGrpcUnimplemented = 12;
inline constexpr int kGrpcInternal = 13;
inline constexpr int kGrpcUnavailable = 14;

// "NotFound", "Code(99)".
std::string grpc_code_name(int code);

}  // namespace keelson::probes
