// Retries: whether and when one request is sent again. See client.hpp for the rules.
//
// Plain values and functions; thread: any. Source: contract 01 §10; RFC 9110 §10.2.3 (Retry-After).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "kube-client/transport.hpp"

namespace keelson::kube {

// Seconds or an HTTP-date; a date in the past is zero. Nothing for what is neither.
std::optional<base::Duration> parse_retry_after(std::string_view value, base::SystemTime now);

class Retries {
 public:
  static constexpr int kMost = 10;

  explicit Retries(std::string_view method) : is_get_(method == "GET") {}

  // The delay before the next try of a request that failed in transport; nothing: give up.
  std::optional<base::Duration> after(const Error& error);
  // The same for an answer of status 400 and above.
  std::optional<base::Duration> after(int http_status, const Headers& headers, base::SystemTime now);

 private:
  bool is_get_;
  int answers_ = 0;  // tries that ended in an answer with Retry-After
  int broken_ = 0;   // and in a broken connection
  bool reconnected_ = false;
};

}  // namespace keelson::kube
