// Exchange: one request and what has come of its answer so far; where the one who asks and a connection meet.
//
// The connection fills it (head, pieces of the body, the end or a failure) and rings the bell; the asker takes the body
// out and so lets the connection fetch more. Owner: shared by the asker (who has it in a Held) and the connection.
// Thread: the loop. Failures carry the kinds of transport.hpp; `resendable` says that the server has not seen the
// request, or that a GET may be repeated on another connection. Source: RFC 9110 §9.2.2; RFC 9113 §8.7.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/sync.hpp"
#include "kube-client/transport.hpp"

namespace keelson::kube {

class Exchange;

// What a connection is to the exchanges that it carries.
class Carrier {
 public:
  virtual ~Carrier() = default;
  // Nobody wants the rest of the answer.
  virtual void give_up(Exchange& exchange) = 0;
  // So much of the body has been taken.
  virtual void consumed(Exchange& exchange, std::size_t size) = 0;
};

class Exchange {
 public:
  Exchange(base::Loop& loop, HttpRequest asked, bool is_long)
      : request(std::move(asked)), long_lived(is_long), bell(loop) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // --- For the asker.
  // Until the head of the answer, or a failure, is there.
  base::Task<void> wait_head();
  // Until the answer is complete, has failed, or `enough` bytes of its body are waiting.
  base::Task<void> wait_body(std::size_t enough);
  // What has come of the body and was not taken yet.
  std::string take();
  // The asker goes: an unfinished answer is refused.
  void give_up();
  bool has_head() const { return status != 0; }
  bool over() const { return ended || failure.has_value(); }
  // Frees the request; its answer is here and nobody will send it again.
  void forget_request();

  // --- For the connection.
  void head_complete();
  void append(const char* data, std::size_t size);
  void finish();
  void fail(Error error, bool may_resend);
  // The connection is gone, or gave this stream up, for that reason; what it means depends on how far we were.
  void broken(const Error& why);
  bool is_get() const { return request.method == "GET" || request.method == "HEAD"; }

  HttpRequest request;
  const bool long_lived;     // a watch or the like
  bool reused = false;       // the connection had carried something before
  bool sent = false;         // the server may have seen it
  bool upload_done = false;  // the connection needs the request's body no more
  Carrier* carrier = nullptr;
  std::int32_t stream = 0;  // the carrier's number for it

  int status = 0;
  Headers headers;
  std::size_t header_bytes = 0;
  std::string body;  // not yet taken
  bool ended = false;
  std::optional<Error> failure;
  bool resendable = false;
  base::Notification bell;
};

// The asker's hold on an exchange; what nobody holds any more is given up.
class Held {
 public:
  explicit Held(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  Held(Held&&) = default;
  Held& operator=(Held&&) = delete;
  ~Held() {
    if (exchange_ != nullptr) exchange_->give_up();
  }
  Exchange* operator->() const { return exchange_.get(); }
  Exchange& operator*() const { return *exchange_; }
  const std::shared_ptr<Exchange>& shared() const { return exchange_; }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace keelson::kube
