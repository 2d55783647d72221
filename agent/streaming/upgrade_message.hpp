// What is said to the runtime's streaming server, and how its answer is read: the HTTP/1.1 of an upgrade.
//
// Pure, any thread. Destination: `invalid` for a URL that cannot be dialed. BackendAnswer: `invalid` for what is no
// HTTP or has too large a head. Source: contract 05 §9.2; RFC 9110 §7.8, RFC 9112.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/server/message.hpp"
#include "base/result.hpp"

namespace keelson::streaming {

struct Destination {
  bool tls = false;
  std::string host;    // a name or an address, without brackets
  std::string port;    // never empty
  std::string target;  // path and query
};

// Of the URL that the runtime answers with; without a scheme it is http.
Result<Destination> destination_of(std::string_view url);

// The client's request as it goes to the runtime: its method and headers, the runtime's path and query, the client's
// address appended to X-Forwarded-For. Credentials stay here.
std::string upgrade_request(const server::Request& request, const Destination& to);

// The answer to an upgrade, piece by piece. All bytes are kept until take_bytes(), as they are what the client gets.
class BackendAnswer {
 public:
  static constexpr std::size_t most_head = 64 * 1024;

  BackendAnswer();
  ~BackendAnswer();
  BackendAnswer(BackendAnswer&&) noexcept;
  BackendAnswer& operator=(BackendAnswer&&) noexcept;

  Status put(std::string_view bytes);
  // Status line and headers are there.
  bool has_head() const;
  int status() const;
  // By its own framing nothing more belongs to it. An answer of unknown length never says so.
  bool is_whole() const;
  // All that came since the last call, what follows the answer included.
  std::string take_bytes();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::streaming
