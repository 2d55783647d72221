#include "kube-client/http1_connection.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cctype>
#include <limits>
#include <utility>

namespace keelson::kube {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

bool has_body(const HttpRequest& request) {
  return !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
}

}  // namespace

// Passes what it recognises to the exchange.
class Http1Connection::Parser final : public http::basic_parser<false> {
 public:
  Parser(Exchange& exchange, std::size_t header_limit) : exchange_(exchange), limit_(header_limit) {
    this->header_limit(static_cast<std::uint32_t>(header_limit));
    body_limit(boost::none);
    eager(true);
    if (exchange.request.method == "HEAD") skip(true);
  }
  bool interim() const { return code_ >= 100 && code_ < 200; }

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { code_ = code; }
  void on_field_impl(http::field, string_view name, string_view value, error_code& error) override {
    fields_size_ += name.size() + value.size();
    if (fields_size_ > limit_) error = http::error::header_limit;
    if (in_body_ || interim()) return;  // trailers
    std::string lower(name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    exchange_.headers.emplace_back(std::move(lower), std::string(value));
  }
  void on_header_impl(error_code&) override {
    in_body_ = true;
    if (interim()) return;
    exchange_.status = code_;
    exchange_.head_complete();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override {
    exchange_.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    exchange_.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  Exchange& exchange_;
  std::size_t limit_;
  std::size_t fields_size_ = 0;  // the base class limits a part at a time only
  int code_ = 0;
  bool in_body_ = false;
};

Http1Connection::Http1Connection(ConnectionContext& context, std::unique_ptr<Channel> channel)
    : Connection(context, std::move(channel)) {}

Http1Connection::~Http1Connection() = default;

bool Http1Connection::carry(std::shared_ptr<Exchange> exchange) {
  if (!usable() || exchange_ != nullptr) return false;
  exchange_ = std::move(exchange);
  exchange_->carrier = this;
  exchange_->reused = std::exchange(used_, true);
  head_sent_ = false;
  parser_ = std::make_unique<Parser>(*exchange_, context_.options.header_limit);
  flush();
  return true;
}

void Http1Connection::give_up(Exchange& exchange) {
  // The rest of the answer would have to be read by somebody.
  if (exchange_.get() == &exchange) close(Error(ErrorKind::cancelled, "the request was given up"));
}

void Http1Connection::consumed(Exchange&, std::size_t) { resume_input(); }

std::vector<std::shared_ptr<Exchange>> Http1Connection::exchanges() const {
  if (exchange_ == nullptr) return {};
  return {exchange_};
}

bool Http1Connection::wants_input() const {
  return exchange_ == nullptr || exchange_->body.size() < context_.options.stream_window;
}

void Http1Connection::next_output(std::string& out) {
  if (exchange_ == nullptr) return;
  const HttpRequest& request = exchange_->request;
  if (!head_sent_) {
    head_sent_ = true;
    out = request.method + " " + context_.absolute_form + request.target + " HTTP/1.1\r\nHost: " + context_.authority +
          "\r\n";
    for (const auto& [name, value] : request.headers) out += name + ": " + value + "\r\n";
    if (!context_.proxy_identity.empty()) out += "Proxy-Authorization: " + context_.proxy_identity + "\r\n";
    if (has_body(request)) out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    out += "\r\n";
    out += request.body;
    exchange_->sent = true;
    exchange_->upload_done = true;  // we have a copy
  }
}

void Http1Connection::on_input(std::string_view data) {
  if (exchange_ == nullptr) {
    return close(Error(ErrorKind::invalid, context_.authority + " sent something that was not asked for"));
  }
  input_.append(data);
  parse();
}

void Http1Connection::parse() {
  std::size_t used = 0;
  error_code error;
  while (!closed_ && !parser_->is_done() && used < input_.size()) {
    const std::size_t count = parser_->put(boost::asio::buffer(input_.data() + used, input_.size() - used), error);
    used += count;
    if (error == http::error::need_more) {
      error = {};
      break;
    }
    if (error) {
      return close(
          Error(ErrorKind::invalid, "the answer of " + context_.authority + " is not HTTP/1.1: " + error.message()));
    }
    if (parser_->is_done() && parser_->interim()) {
      parser_ = std::make_unique<Parser>(*exchange_, context_.options.header_limit);
    } else if (count == 0) {
      break;
    }
  }
  input_.erase(0, used);
  if (!closed_ && parser_->is_done()) finish();
}

void Http1Connection::finish() {
  const bool keep = parser_->keep_alive() && input_.empty() && head_sent_;
  auto done = std::exchange(exchange_, nullptr);
  done->carrier = nullptr;
  done->finish();
  parser_ = nullptr;
  if (!keep) close(Error(ErrorKind::unavailable, context_.authority + " does not keep connections open"));
  on_room();
}

void Http1Connection::on_end_of_input(const Error& why) {
  if (exchange_ == nullptr || !exchange_->has_head()) return close(why);
  // A body without a length ends here.
  error_code error;
  if (parser_->need_eof()) parser_->put_eof(error);
  if (!error && parser_->is_done()) return finish();
  close(why);
}

}  // namespace keelson::kube
