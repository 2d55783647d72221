// What gRPC puts on HTTP/2 besides messages: their prefix, time limits, how a call ended.
//
// Values and pure functions, any thread. Texts are those of Go's gRPC, which users know. Source: "gRPC over HTTP/2"
// (Length-Prefixed-Message, Timeout, Status-Message, HTTP2 Transport Mapping), RFC 9113 §7.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace keelson::base {

// google.rpc.Code: those that something comes of here.
enum GrpcCode : int {
  kGrpcOk = 0,
  kGrpcCanceled = 1,
  kGrpcUnknown = 2,
  kGrpcDeadlineExceeded = 4,
  kGrpcPermissionDenied = 7,
  kGrpcResourceExhausted = 8,
  kGrpcUnimplemented = 12,
  kGrpcInternal = 13,
  kGrpcUnavailable = 14,
  kGrpcUnauthenticated = 16,
};

inline constexpr std::size_t kGrpcPrefixSize = 5;

struct GrpcPrefix {
  bool compressed = false;
  std::size_t size = 0;  // of the message behind it, bytes
};

// Of a message of so many bytes, not compressed.
std::string grpc_prefix(std::size_t message_size);
// Of data that begins with a prefix; nullopt: its five bytes are not there yet.
std::optional<GrpcPrefix> read_grpc_prefix(std::string_view data);

// The header grpc-timeout; at least a microsecond.
std::string grpc_timeout(Duration left);

// What a server says of a call's end, in headers, trailers and by its stream's end.
class GrpcEnd {
 public:
  void header(std::string_view name, std::string_view value);
  void reset(std::uint32_t http2_error) { reset_ = http2_error; }

  // Whether the server has said it; otherwise it is concluded from the rest.
  bool told() const { return status_.has_value(); }
  // Whether the answer's first headers were those of gRPC; false before they came.
  bool is_grpc() const;
  bool answered() const { return http_status_ != 0; }
  int code() const;  // google.rpc.Code
  std::string message() const;

 private:
  int http_status_ = 0;
  std::optional<std::string> content_type_;
  std::optional<int> status_;
  std::string message_;
  std::uint32_t reset_ = 0;  // RFC 9113 §7; 0: the stream was not reset
};

inline constexpr std::uint32_t kHttp2RefusedStream = 7;  // nothing of the request was processed
inline constexpr std::uint32_t kHttp2Cancel = 8;

}  // namespace keelson::base
