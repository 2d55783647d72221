// RequestParser: one HTTP/1 request out of bytes, its head first and its body when somebody wants it.
//
// Boost.Beast reads; what is here are the limits and what Beast lets pass but a server must not: other transfer
// encodings than chunked, a missing or doubled Host. No I/O, no clock. Owner: a connection, one parser for each
// request. Thread: the loop. What fails is told as the answer that the client gets; then nothing after it can be
// understood either. Source: contract 05 §1, §5; RFC 9112.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/server/fields.hpp"

namespace keelson::server {

inline constexpr std::size_t kHeaderLimit = (1u << 20) + 4096;  // Go's slack on top of the 1 MiB
inline constexpr std::size_t kFieldLimit = 10'000;              // a field of 4 bytes costs us 64

struct RequestHead {
  std::string method;
  std::string target;
  int version = 11;  // 10 or 11
  Fields headers;
  bool keep_alive = false;
  bool has_body = false;
  std::optional<std::uint64_t> length;  // of the body; nothing when it comes in chunks
};

// A request that cannot be understood.
struct BadRequest {
  int status = 400;
  std::string text;  // "400 Bad Request: missing required Host header"
};

class RequestParser {
 public:
  explicit RequestParser(std::size_t header_limit = kHeaderLimit);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  enum class Progress { more, complete, failed, too_large };

  // Takes from the front of `input` what belongs to the head.
  Progress read_head(std::string& input);
  // And what belongs to the body, as long as `body` stays within `limit`. Call after the head is complete.
  Progress read_body(std::string& input, std::string& body, std::size_t limit);

  // Good once the head is complete; may be moved from.
  RequestHead& head();
  const BadRequest& bad() const { return bad_; }
  // What the head holds so far, in bytes of memory: a field of four bytes costs more than those.
  std::size_t held() const;

 private:
  class Beast;

  Progress fail(int status, std::string reason = {});
  Progress check_head();

  std::unique_ptr<Beast> beast_;
  std::size_t header_limit_;
  std::size_t taken_ = 0;
  BadRequest bad_;
};

}  // namespace keelson::server
