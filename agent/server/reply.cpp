#include "agent/server/reply.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <utility>

#include "agent/server/status_text.hpp"

namespace keelson::server {
namespace {

// Go's buffer: an answer that fits has a Content-Length.
constexpr std::size_t kShort = 2048;
// A body up to that goes with its head in one piece; a longer one is not copied for it.
constexpr std::size_t kTogether = 16u << 10;
// What a slow client must take within its patience.
constexpr std::size_t kProgress = 64u << 10;

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

// No header of ours can be made to begin another one.
void append_field(std::string& text, std::string_view name, std::string_view value) {
  text += name;
  text += ": ";
  for (const char c : value) text.push_back(c == '\r' || c == '\n' ? ' ' : c);
  text += "\r\n";
}

std::optional<std::uint64_t> announced_length(const Response& response) {
  const auto text = find_field(response.headers, "Content-Length");
  if (!text) return std::nullopt;
  std::uint64_t length = 0;
  const auto end = std::from_chars(text->data(), text->data() + text->size(), length).ptr;
  if (end != text->data() + text->size()) return std::nullopt;
  return length;
}

Error misuse(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

class WireStream final : public ByteStream {
 public:
  WireStream(std::shared_ptr<Wire> wire, std::string early) : wire_(std::move(wire)), early_(std::move(early)) {}
  ~WireStream() override { wire_->close(); }

  base::Task<Result<std::string>> read_some(std::size_t limit) override {
    std::string bytes;
    if (!early_.empty()) {
      bytes = early_.substr(0, limit);
      early_.erase(0, limit);
      co_return bytes;
    }
    auto size = co_await wire_->read_some(bytes, limit);
    if (!size.ok()) co_return std::move(size).error();
    co_return bytes;
  }
  base::Task<Status> write(std::string bytes) override {
    auto written = co_await wire_->write(bytes);
    co_return written;
  }
  base::Task<void> shut_down_write() override { co_await wire_->shut_down_write(); }
  void close() override { wire_->close(); }

 private:
  std::shared_ptr<Wire> wire_;
  std::string early_;
};

}  // namespace

std::string http_date(base::SystemTime time) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays[static_cast<std::size_t>(fields.tm_wday)], fields.tm_mday,
                kMonths[static_cast<std::size_t>(fields.tm_mon)], fields.tm_year + 1900, fields.tm_hour, fields.tm_min,
                fields.tm_sec);
  return text;
}

std::string chunk_size(std::size_t size) {
  char text[20];
  const auto end = std::to_chars(std::begin(text), std::end(text), size, 16).ptr;
  return std::string(text, end) + "\r\n";
}

Opening opening_of(const Framing& framing, const Response& response, std::optional<std::size_t> length,
                   base::SystemTime now) {
  const auto announced = announced_length(response);
  Opening opening;
  opening.keep_alive = framing.keep_alive;
  if (const auto connection = find_field(response.headers, "Connection");
      connection && same_name(*connection, "close")) {
    opening.keep_alive = false;
  }
  bool show_length = false;
  if (announced && has_body(response.status)) {
    opening.body = Body::length;
    opening.length = *announced;
    show_length = true;
  } else if (!has_body(response.status)) {
    opening.body = Body::none;
  } else if (length && *length <= kShort) {
    opening.body = Body::length;
    opening.length = *length;
    show_length = !framing.head || *length > 0;
  } else if (length && framing.version < 11) {
    opening.body = Body::length;
    opening.length = *length;
    show_length = true;
  } else {
    opening.body = framing.version < 11 ? Body::until_close : Body::chunked;
  }
  if (opening.body == Body::until_close && !framing.head) opening.keep_alive = false;

  std::string& text = opening.text;
  text = (framing.version < 11 ? "HTTP/1.0 " : "HTTP/1.1 ") + std::to_string(response.status) + " ";
  const std::string_view reason = status_text(response.status);
  text += reason.empty() ? "status code " + std::to_string(response.status) : std::string(reason);
  text += "\r\n";
  for (const auto& [name, value] : response.headers) {
    const bool ours = same_name(name, "Content-Length") || same_name(name, "Transfer-Encoding") ||
                      same_name(name, "Connection") || same_name(name, "Date");
    if (!ours) append_field(text, name, value);
  }
  append_field(text, "Date", http_date(now));
  if (show_length) append_field(text, "Content-Length", std::to_string(opening.length));
  if (opening.body == Body::chunked && !framing.head) append_field(text, "Transfer-Encoding", "chunked");
  if (!opening.keep_alive) append_field(text, "Connection", "close");
  if (opening.keep_alive && framing.version < 11) append_field(text, "Connection", "keep-alive");
  text += "\r\n";
  if (framing.head) opening.body = Body::none;
  return opening;
}

HttpReply::HttpReply(std::shared_ptr<Wire> wire, base::Clock& clock, Framing framing, std::string& early)
    : wire_(std::move(wire)), clock_(clock), framing_(framing), early_(early) {}

// What could not be written whole is the end of the connection.
base::Task<Status> HttpReply::put(std::string bytes) {
  const State before = std::exchange(state_, State::broken);
  auto written = co_await wire_->write(bytes);
  if (written.ok()) state_ = before;
  co_return written;
}

// A long answer is held until the last byte has gone: a client that takes none of it does not hold it for hours.
base::Task<Status> HttpReply::put_patiently(std::string bytes) {
  const State before = std::exchange(state_, State::broken);
  const std::string_view all = bytes;
  for (std::size_t at = 0; at < all.size(); at += kProgress) {
    wire_->set_deadline(std::min(end_, clock_.after(patience)));
    auto written = co_await wire_->write(all.substr(at, kProgress));
    if (!written.ok()) co_return written;
  }
  wire_->set_deadline(end_);
  state_ = before;
  co_return Status();
}

base::Task<Status> HttpReply::send(Response response) {
  if (state_ != State::untouched) co_return misuse("the request is answered already");
  const Opening opening = opening_of(framing_, response, response.body.size(), clock_.now());
  status_ = response.status;
  std::string bytes = opening.text;
  if (opening.body == Body::chunked) bytes += chunk_size(response.body.size());
  const bool mismatch = opening.body == Body::length && opening.length != response.body.size();
  std::string end = opening.body == Body::chunked ? "\r\n0\r\n\r\n" : "";
  if (opening.body == Body::none) response.body.clear();
  const bool together = response.body.size() <= kTogether;
  if (together) bytes += response.body + end;
  auto written = co_await put(std::move(bytes));
  if (written.ok() && !together) written = co_await put_patiently(std::move(response.body));
  if (written.ok() && !together) written = co_await put(std::move(end));
  if (!written.ok()) co_return written;
  state_ = State::done;
  keep_alive_ = opening.keep_alive && !mismatch;
  if (mismatch) co_return misuse("the body is not as long as its Content-Length says");
  co_return Status();
}

base::Task<Status> HttpReply::begin(Response head) {
  if (state_ != State::untouched) co_return misuse("the request is answered already");
  if (wanted_ && !wanted_()) co_return Error(ErrorKind::unavailable, "the client has gone");
  const Opening opening = opening_of(framing_, head, std::nullopt, clock_.now());
  status_ = head.status;
  body_ = opening.body;
  keep_alive_ = opening.keep_alive;
  left_ = opening.length;
  state_ = State::streaming;
  std::string bytes = opening.text;
  auto written = co_await put(std::move(bytes));
  if (!written.ok() || head.body.empty()) co_return written;
  auto first = co_await write(std::move(head.body));
  co_return first;
}

base::Task<Status> HttpReply::write(std::string piece) {
  if (state_ == State::broken) co_return Error(ErrorKind::unavailable, "the client has gone");
  if (state_ != State::streaming) co_return misuse("no answer in pieces was begun, or it has ended");
  if (piece.empty() || body_ == Body::none) co_return Status();
  if (body_ == Body::length) {
    if (piece.size() > left_) co_return misuse("the body is longer than its Content-Length says");
    left_ -= piece.size();
  }
  if (body_ == Body::chunked) piece = chunk_size(piece.size()) + piece + "\r\n";
  auto written = co_await put(std::move(piece));
  co_return written;
}

base::Task<Status> HttpReply::finish() {
  if (state_ != State::streaming) co_return misuse("no answer in pieces was begun, or it has ended");
  if (body_ == Body::length && left_ > 0) {
    state_ = State::broken;
    co_return misuse("the body is shorter than its Content-Length says");
  }
  std::string end = body_ == Body::chunked ? "0\r\n\r\n" : "";
  auto written = co_await put(std::move(end));
  if (written.ok()) state_ = State::done;
  co_return written;
}

std::unique_ptr<ByteStream> HttpReply::take_over() {
  KEELSON_CHECK(state_ == State::untouched && "a connection is taken over after it was answered on");
  state_ = State::taken_over;
  if (leave_) leave_();
  wire_->clear_deadline();
  return std::make_unique<WireStream>(wire_, std::exchange(early_, {}));
}

}  // namespace keelson::server
