// HttpReply: the answer to one request, framed for HTTP/1.1 or 1.0, and what the connection must know of it afterwards.
//
// Short bodies have a Content-Length, long and streamed ones are chunked; for HTTP/1.0 the end of the connection is
// their end. Owner: the connection, for one request. Thread: the loop. What fails: a second answer, and more or less
// than an announced length, are `invalid`; then the connection is not kept. Source: contract 05 §5; RFC 9112 §6, §7.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/server/message.hpp"
#include "agent/server/wire.hpp"
#include "base/clock.hpp"

namespace keelson::server {

// What of the request decides how it can be answered.
struct Framing {
  bool head = false;  // HEAD: no body is sent
  int version = 11;
  bool keep_alive = true;
};

// How a body is told from what comes after it.
enum class Body { none, length, chunked, until_close };

struct Opening {
  std::string text;  // status line and headers, with the empty line
  Body body = Body::none;
  bool keep_alive = true;
  std::uint64_t length = 0;  // of Body::length
};
// `length`: of a body that is known whole. Pure.
Opening opening_of(const Framing& framing, const Response& response, std::optional<std::size_t> length,
                   base::SystemTime now);

// A chunk of that size begins; it ends with an empty line.
std::string chunk_size(std::size_t size);
// "Thu, 26 Nov 2026 14:34:13 GMT"
std::string http_date(base::SystemTime time);

class HttpReply final : public Reply {
 public:
  // So long a client may take over the next 64 KiB of an answer that is held whole (send()).
  static constexpr base::Duration patience = std::chrono::minutes(5);

  // `early`: the bytes that came after the request, for who takes the connection over.
  HttpReply(std::shared_ptr<Wire> wire, base::Clock& clock, Framing framing, std::string& early);

  base::Task<Status> send(Response response) override;
  base::Task<Status> begin(Response head) override;
  base::Task<Status> write(std::string piece) override;
  base::Task<Status> finish() override;
  std::unique_ptr<ByteStream> take_over() override;

  // Asked before a stream begins: false when there is nobody to stream to.
  void on_begin(std::function<bool()> wanted) { wanted_ = std::move(wanted); }
  // Before the connection changes hands.
  void on_take_over(std::function<void()> leave) { leave_ = std::move(leave); }
  // When the request must be over.
  void set_end(base::SteadyTime when) { end_ = when; }
  // The connection will be closed after this answer.
  void close_after() { framing_.keep_alive = false; }
  bool closing() const { return !framing_.keep_alive; }

  bool untouched() const { return state_ == State::untouched; }
  bool taken_over() const { return state_ == State::taken_over; }
  // Whole, and another request may follow.
  bool may_continue() const { return state_ == State::done && keep_alive_; }
  bool whole() const { return state_ == State::done; }
  int status() const { return status_; }

 private:
  enum class State { untouched, streaming, done, broken, taken_over };

  base::Task<Status> put(std::string bytes);
  base::Task<Status> put_patiently(std::string bytes);

  std::shared_ptr<Wire> wire_;
  base::Clock& clock_;
  Framing framing_;
  std::string& early_;
  std::function<bool()> wanted_;
  std::function<void()> leave_;
  State state_ = State::untouched;
  Body body_ = Body::none;
  bool keep_alive_ = false;
  std::uint64_t left_ = 0;  // of an announced length
  base::SteadyTime end_ = base::SteadyTime::max();
  int status_ = 0;
};

}  // namespace keelson::server
