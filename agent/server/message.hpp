// What a handler of the node's HTTPS API is given and how it answers: Request, Reply, ByteStream, Handler.
//
// Owner: the connection that read the request; a handler borrows both until its task ends. Thread: the loop. Stops:
// when the client has gone or the server stops, the handler's task is cancelled at its next co_await (base/task.hpp),
// so it keeps what it holds by RAII. What fails: each write answers an error once the client has gone; a handler that
// ends without an answer is answered for with 500. Source: contract 05 §5, RFC 9110, RFC 9112.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/server/fields.hpp"
#include "agent/server/response.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::server {

// Who asks. Empty name: nobody was authenticated (only on the read-only port).
struct User {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;

  bool operator==(const User&) const = default;
};

struct Request {
  std::string method;  // as sent, upper case for the known ones
  std::string target;  // as sent: path and query
  std::string path;    // percent-decoded
  Fields query;        // decoded, in order; a key may repeat
  Fields headers;      // as sent, names in any case
  std::string body;    // whole; 413 is answered before the handler when it is too large
  std::string remote;  // the client's IP address, without port
  User user;

  std::optional<std::string_view> header(std::string_view name) const;      // first; any case
  std::optional<std::string_view> query_value(std::string_view key) const;  // first
  std::vector<std::string> query_values(std::string_view key) const;
};

// The connection itself, once the handler has taken it over.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Empty when the peer has ended its side. At most `limit` bytes.
  virtual base::Task<Result<std::string>> read_some(std::size_t limit) = 0;
  virtual base::Task<Status> write(std::string bytes) = 0;  // all of them
  virtual base::Task<void> shut_down_write() = 0;           // half-close (TLS: close_notify)
  virtual void close() = 0;                                 // at once; reads and writes in progress fail
};

class Reply {
 public:
  virtual ~Reply() = default;

  // The whole answer, with Content-Length (chunked when long; contract 05 §5).
  virtual base::Task<Status> send(Response response) = 0;

  // An answer in pieces: begin() sends status and headers at once (chunked), each write() what it has, finish() ends
  // it. write() returns when the kernel has taken the bytes, which is the back-pressure.
  virtual base::Task<Status> begin(Response head) = 0;
  virtual base::Task<Status> write(std::string piece) = 0;
  virtual base::Task<Status> finish() = 0;

  // Takes the connection over, with the bytes that came after the request first. Nothing was answered before and the
  // reply is not used after.
  virtual std::unique_ptr<ByteStream> take_over() = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  virtual base::Task<void> handle(const Request& request, Reply& reply) = 0;
};

}  // namespace keelson::server
