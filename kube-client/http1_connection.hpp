// Http1Connection: HTTP/1.1, one exchange at a time, kept open between them.
//
// Owner, thread, stop: see connection.hpp. An answer that is no HTTP/1.1 fails with `invalid`. Source: RFC 9112.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kube-client/connection.hpp"

namespace keelson::kube {

class Http1Connection final : public Connection {
 public:
  Http1Connection(ConnectionContext& context, std::unique_ptr<Channel> channel);
  ~Http1Connection() override;

  bool carry(std::shared_ptr<Exchange> exchange) override;
  std::size_t streams() const override { return exchange_ == nullptr ? 0 : 1; }
  std::size_t capacity() const override { return 1; }
  void give_up(Exchange& exchange) override;
  void consumed(Exchange& exchange, std::size_t size) override;

 protected:
  std::vector<std::shared_ptr<Exchange>> exchanges() const override;
  void on_input(std::string_view data) override;
  void on_end_of_input(const Error& why) override;
  bool wants_input() const override;
  bool has_output() const override { return exchange_ != nullptr && !head_sent_; }
  void next_output(std::string& out) override;
  void on_closed() override { exchange_ = nullptr; }

 private:
  class Parser;
  void parse();
  void finish();

  std::shared_ptr<Exchange> exchange_;
  std::unique_ptr<Parser> parser_;
  std::string input_;       // not yet parsed
  bool head_sent_ = false;  // of the exchange's request
};

}  // namespace keelson::kube
