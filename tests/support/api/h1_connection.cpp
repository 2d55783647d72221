#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>
#include <cstdio>

#include "tests/support/api/h1_upgrade.hpp"

namespace keelson::fakes::server {
namespace {

namespace http = boost::beast::http;

using Parser = http::request_parser<http::string_body>;

constexpr std::size_t kReadAhead = 64 * 1024;
constexpr std::uint64_t kLargestBody = 16u << 20;

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string chunk_of(const std::string& bytes) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

std::string head_of(const ApiAnswer& answer, bool body, bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " " +
                    std::string(http::obsolete_reason(http::int_to_status(static_cast<unsigned>(answer.status)))) +
                    "\r\n";
  for (const auto& [name, value] : answer.headers) out += name + ": " + value + "\r\n";
  if (answer.stream != nullptr && body) {
    out += "transfer-encoding: chunked\r\n";
  } else if (body) {
    out += "content-length: " + std::to_string(answer.body.size()) + "\r\n";
  }
  if (!keep_alive) out += "connection: close\r\n";
  return out + "\r\n";
}

ApiRequest request_of(Parser& parser) {
  auto message = parser.release();
  ApiRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) request.headers.emplace_back(lower(field.name_string()), field.value());
  request.body = std::move(message.body());
  return request;
}

// One task reads ahead, which also notices that the client has gone; the other parses, asks and answers in turn.
class H1Connection final : public Connection, public RawConnection, public std::enable_shared_from_this<H1Connection> {
 public:
  H1Connection(Host& host, std::unique_ptr<Wire> wire, PeerCertificate peer, std::string name)
      : host_(host),
        wire_(std::move(wire)),
        peer_(std::move(peer)),
        name_(std::move(name)),
        arrived_(host.loop),
        taken_(host.loop) {}

  void reset() override {
    wire_->reset();
    end();
  }
  void go_away() override {
    last_ = true;
    if (!busy_) end();
  }
  base::Task<std::string> take(std::size_t limit) override;
  base::Task<bool> put(std::string bytes) override { return wire_->write(std::move(bytes)); }
  void end_putting() override { wire_->end_sending(); }
  void close_raw() override {
    wire_->close();
    client_ended_ = true;
    arrived_.notify();
  }
  base::Gate& gate() { return *host_.gate; }
  std::string server_task() const { return name_ + " requests"; }

  static base::Task<void> read_loop(std::shared_ptr<H1Connection> self);
  static base::Task<void> serve_loop(std::shared_ptr<H1Connection> self);

 private:
  base::Task<bool> read_request(Parser* parser);
  base::Task<bool> respond(std::string method, bool keep_alive, ApiAnswer answer);
  base::Task<bool> send_body(ApiAnswer* answer);
  base::Task<bool> refuse(std::string why);
  base::Task<bool> cut();
  void end();

  Host& host_;
  std::unique_ptr<Wire> wire_;
  PeerCertificate peer_;
  std::string name_;
  boost::beast::flat_buffer buffer_;
  base::Notification arrived_;
  base::Notification taken_;
  bool busy_ = false;
  bool last_ = false;
  bool raw_ = false;           // what comes belongs to an upgrade
  bool client_ended_ = false;  // and there is no more of it
  bool ended_ = false;
};

void H1Connection::end() {
  if (std::exchange(ended_, true)) return;
  wire_->close();
  arrived_.notify();
  taken_.notify();
  host_.gate->cancel(server_task());
}

base::Task<void> H1Connection::read_loop(std::shared_ptr<H1Connection> self) {
  std::string place(16 * 1024, '\0');
  while (!self->ended_) {
    while (self->buffer_.size() >= kReadAhead && !self->ended_) co_await self->taken_.wait();
    const std::size_t count = co_await self->wire_->read(place.data(), place.size());
    if (count == 0) break;
    boost::asio::buffer_copy(self->buffer_.prepare(count), boost::asio::buffer(place.data(), count));
    self->buffer_.commit(count);
    self->arrived_.notify();
  }
  if (self->raw_) {
    self->client_ended_ = true;
    self->arrived_.notify();
  } else {
    self->end();
  }
}

base::Task<std::string> H1Connection::take(std::size_t limit) {
  while (buffer_.size() == 0 && !client_ended_ && !ended_) co_await arrived_.wait();
  const std::size_t size = std::min(limit, buffer_.size());
  std::string bytes(static_cast<const char*>(buffer_.data().data()), size);
  buffer_.consume(size);
  taken_.notify();
  co_return bytes;
}

// False when there is no further request.
base::Task<bool> H1Connection::read_request(Parser* parser) {
  bool told_to_go_on = false;
  while (!parser->is_done()) {
    boost::system::error_code error;
    const std::size_t used = parser->put(buffer_.data(), error);
    buffer_.consume(used);
    taken_.notify();
    if (error && error != http::error::need_more) {
      co_await refuse(error.message());
      co_return false;
    }
    busy_ = busy_ || parser->got_some();
    if (parser->is_header_done() && !told_to_go_on && lower(parser->get()[http::field::expect]) == "100-continue") {
      told_to_go_on = true;
      const bool sent = co_await wire_->write("HTTP/1.1 100 Continue\r\n\r\n");
      if (!sent) co_return false;
    }
    if (parser->is_done()) break;
    if (used > 0 && buffer_.size() > 0) continue;
    co_await arrived_.wait();
    if (ended_) co_return false;
  }
  co_return true;
}

base::Task<bool> H1Connection::refuse(std::string why) {
  ApiAnswer answer = status_answer(400, "BadRequest", "the request is no HTTP/1.1: " + why);
  last_ = true;
  const bool sent = co_await respond("GET", false, std::move(answer));
  co_return sent;
}

// What was sent arrives; the reader ends the connection when the client has seen it.
base::Task<bool> H1Connection::cut() {
  wire_->end_sending();
  for (;;) co_await arrived_.wait();
}

base::Task<bool> H1Connection::send_body(ApiAnswer* answer) {
  std::size_t left = answer->cut_after.value_or(std::string::npos);
  if (answer->stream == nullptr) {
    const bool sent = co_await wire_->write(answer->body.substr(0, left));
    if (answer->cut_after) co_await cut();
    co_return sent;
  }
  std::string piece = std::move(answer->body);
  for (;;) {
    if (!piece.empty()) {
      const bool whole = piece.size() < left;
      const std::string bytes = whole ? chunk_of(piece) : chunk_of(piece.substr(0, left));
      const bool sent = co_await wire_->write(bytes);
      if (!sent) co_return false;
      if (!whole) co_await cut();
      if (answer->cut_after) left -= piece.size();
    }
    auto next = co_await answer->stream->next();
    if (!next.ok()) co_return false;
    if (next->empty() && answer->cut_after) co_await cut();
    if (next->empty()) break;
    piece = std::move(*next);
  }
  const bool sent = co_await wire_->write("0\r\n\r\n");
  co_return sent;
}

base::Task<bool> H1Connection::respond(std::string method, bool keep_alive, ApiAnswer answer) {
  const bool body = may_have_body(method, answer.status);
  const bool sent = co_await wire_->write(head_of(answer, body, keep_alive));
  if (!sent || !body) co_return sent;
  const bool whole = co_await send_body(&answer);
  co_return whole;
}

base::Task<void> H1Connection::serve_loop(std::shared_ptr<H1Connection> self) {
  while (!self->ended_ && !self->last_) {
    Parser parser;
    parser.eager(true);
    parser.body_limit(kLargestBody);
    self->busy_ = false;
    const bool there = co_await self->read_request(&parser);
    if (!there) break;
    self->busy_ = true;
    const InProgress counted(self->host_.counts);
    const bool keep_alive = parser.get().keep_alive();
    ApiRequest request = request_of(parser);
    const std::string method = request.method;
    ApiAnswer answer;
    if (upgrades_to_node(self->host_, request)) {
      self->raw_ = true;
      Upgraded upgraded = co_await upgrade_to_node(&self->host_, self->peer_, std::move(request), self);
      if (upgraded.taken_over) break;
      if (self->client_ended_) break;
      answer = std::move(upgraded.answer);
      self->raw_ = false;
    } else {
      answer = co_await answer_request(&self->host_, self->peer_, std::move(request));
    }
    if (answer.reset) {
      self->reset();
      co_return;
    }
    const bool stays = keep_alive && !self->last_;
    const bool sent = co_await self->respond(method, stays, std::move(answer));
    if (!sent || !stays) break;
  }
  self->end();
}

}  // namespace

std::shared_ptr<Connection> make_h1(Host& host, std::unique_ptr<Wire> wire, PeerCertificate peer, std::string name) {
  return std::make_shared<H1Connection>(host, std::move(wire), std::move(peer), std::move(name));
}

base::Task<void> serve_h1(std::shared_ptr<Connection> connection) {
  auto self = std::static_pointer_cast<H1Connection>(connection);
  base::spawn(self->gate(), self->server_task(), H1Connection::serve_loop(self));
  co_await H1Connection::read_loop(self);
}

}  // namespace keelson::fakes::server
