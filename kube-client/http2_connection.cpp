#include "kube-client/http2_connection.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/http2.hpp"

namespace keelson::kube {
namespace {

constexpr std::size_t output_size = 32 * 1024;
constexpr std::size_t header_overhead = 32;  // as the protocol counts a header list

}  // namespace

// nghttp2 calls these from within mem_recv() and mem_send(); they must not destroy the session.
struct Http2Callbacks {
  static Http2Connection& self(void* user) { return *static_cast<Http2Connection*>(user); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    Exchange* exchange = self(user).find(frame->hd.stream_id);
    if (exchange == nullptr || exchange->has_head()) return 0;  // given up, or trailers
    const bool good =
        self(user).header_received(*exchange, base::http2_text(name, name_size), base::http2_text(value, value_size));
    return good ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Connection& own = self(user);
    switch (frame->hd.type) {
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) own.settings_received();
        break;
      case NGHTTP2_GOAWAY:
        own.going_away(frame->goaway.error_code,
                       base::http2_text(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
        break;
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        Exchange* exchange = own.find(frame->hd.stream_id);
        if (exchange == nullptr) break;
        if (frame->hd.type == NGHTTP2_HEADERS && !exchange->has_head()) own.head_received(*exchange, end);
        if (end && exchange->has_head()) exchange->finish();
        break;
      }
      default: break;
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                     std::size_t size, void* user) {
    nghttp2_session_consume_connection(session, size);
    if (Exchange* exchange = self(user).find(stream)) {
      exchange->append(reinterpret_cast<const char*>(data), size);
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    self(user).stream_closed(stream, code);
    return 0;
  }

  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (Exchange* exchange = self(user).find(frame->hd.stream_id)) exchange->sent = true;
    return 0;
  }

  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int code, void* user) {
    Exchange* exchange = self(user).find(frame->hd.stream_id);
    if (exchange != nullptr) {
      exchange->fail(
          Error(ErrorKind::invalid, std::string("the answer is not valid HTTP/2: ") + nghttp2_strerror(code)), false);
    }
    return 0;
  }

  static int on_error(nghttp2_session*, int, const char* text, std::size_t size, void* user) {
    self(user).engine_says_.assign(text, size);
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t stream, std::uint8_t* to, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source* source, void* user) {
    Exchange* exchange = self(user).find(stream);
    if (exchange == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    // The source's number is how much has gone out so far.
    const std::string& body = exchange->request.body;
    const std::size_t at = static_cast<std::size_t>(source->fd);
    const std::size_t size = std::min(room, body.size() - at);
    std::copy_n(body.data() + at, size, to);
    source->fd = static_cast<int>(at + size);
    if (at + size == body.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      exchange->upload_done = true;
    }
    return static_cast<ssize_t>(size);
  }
};

Http2Connection::Http2Connection(ConnectionContext& context, std::unique_ptr<Channel> channel)
    : Connection(context, std::move(channel)), busy_(context.loop) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Http2Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Http2Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Http2Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Http2Callbacks::on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Http2Callbacks::on_frame_sent);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Http2Callbacks::on_invalid_frame);
  nghttp2_session_callbacks_set_error_callback2(callbacks, Http2Callbacks::on_error);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  KEELSON_CHECK(nghttp2_session_client_new2(&session_, callbacks, this, option) == 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);

  const HttpTransportOptions& limits = context.options;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(limits.stream_window)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.header_limit)},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(limits.connection_window));
}

Http2Connection::~Http2Connection() { nghttp2_session_del(session_); }

void Http2Connection::start(base::Gate& gate) {
  Connection::start(gate);
  auto self = std::static_pointer_cast<Http2Connection>(shared_from_this());
  base::spawn(gate, "API server connection: sign of life", watch_peer(std::move(self)));
}

std::size_t Http2Connection::capacity() const { return limit_.value_or(context_.options.streams_assumed); }

std::vector<std::shared_ptr<Exchange>> Http2Connection::exchanges() const {
  std::vector<std::shared_ptr<Exchange>> all;
  all.reserve(streams_.size());
  for (const auto& [stream, exchange] : streams_) all.push_back(exchange);
  return all;
}

Exchange* Http2Connection::find(std::int32_t stream) {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second.get();
}

bool Http2Connection::carry(std::shared_ptr<Exchange> exchange) {
  if (!usable() || open_ >= capacity() || nghttp2_session_check_request_allowed(session_) == 0) return false;
  const HttpRequest& request = exchange->request;
  std::vector<nghttp2_nv> fields = {
      base::http2_field(":method", request.method), base::http2_field(":scheme", context_.scheme),
      base::http2_field(":authority", context_.authority), base::http2_field(":path", request.target)};
  for (const auto& [name, value] : request.headers) fields.push_back(base::http2_field(name, value));
  const std::string length = std::to_string(request.body.size());
  if (!request.body.empty()) fields.push_back(base::http2_field("content-length", length));
  nghttp2_data_provider body{};
  body.read_callback = Http2Callbacks::read_body;
  const std::int32_t stream = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                                     request.body.empty() ? nullptr : &body, nullptr);
  if (stream < 0) {
    retired_ = true;  // its stream numbers are used up
    return false;
  }
  exchange->carrier = this;
  exchange->stream = stream;
  exchange->reused = std::exchange(used_, true);
  exchange->upload_done = request.body.empty();
  streams_.emplace(stream, std::move(exchange));
  if (open_++ == 0) busy_.notify();
  flush();
  return true;
}

void Http2Connection::give_up(Exchange& exchange) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, exchange.stream, NGHTTP2_CANCEL);
  streams_.erase(exchange.stream);
  flush();
}

void Http2Connection::consumed(Exchange& exchange, std::size_t size) {
  nghttp2_session_consume_stream(session_, exchange.stream, size);
  if (has_output()) flush();
}

bool Http2Connection::header_received(Exchange& exchange, std::string_view name, std::string_view value) {
  exchange.header_bytes += name.size() + value.size() + header_overhead;
  if (exchange.header_bytes > context_.options.header_limit) {
    exchange.fail(Error(ErrorKind::invalid, "the header of the answer is larger than " +
                                                std::to_string(context_.options.header_limit) + " bytes"),
                  false);
    return false;
  }
  exchange.headers.emplace_back(std::string(name), std::string(value));
  return true;
}

void Http2Connection::head_received(Exchange& exchange, bool end) {
  int status = 0;
  if (const std::string* text = find_header(exchange.headers, ":status")) {
    std::from_chars(text->data(), text->data() + text->size(), status);
  }
  std::erase_if(exchange.headers, [](const auto& field) { return field.first.front() == ':'; });
  if (status < 200 && !end) {  // "wait": the answer is still to come
    exchange.headers.clear();
    exchange.header_bytes = 0;
    return;
  }
  exchange.status = status;
  exchange.head_complete();
}

void Http2Connection::stream_closed(std::int32_t stream, std::uint32_t code) {
  if (open_ > 0) --open_;
  const auto found = streams_.find(stream);
  if (found != streams_.end()) {
    const auto exchange = std::move(found->second);
    streams_.erase(found);
    exchange->carrier = nullptr;
    if (code == NGHTTP2_REFUSED_STREAM) {
      exchange->fail(Error(ErrorKind::unavailable, context_.authority + " refused the request's stream"), true);
    } else {
      const std::string name = nghttp2_http2_strerror(code);
      exchange->broken(Error(ErrorKind::unavailable, context_.authority + " reset the request's stream: " + name));
    }
  }
  on_room();
}

void Http2Connection::going_away(std::uint32_t code, std::string_view text) {
  context_.log.debug(2, "The API server lets go of a connection",
                     {{"reason", nghttp2_http2_strerror(code)}, {"text", text.substr(0, 256)}, {"streams", open_}});
  retired_ = true;
  peer_leaves_ = true;
  on_room();
}

void Http2Connection::settings_received() {
  const std::uint32_t limit = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  limit_ = std::min<std::size_t>(limit, 1'000'000);
  context_.changed();
}

void Http2Connection::on_input(std::string_view data) {
  const ssize_t used =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  if (closed_) return;
  if (used < 0) {
    return close(Error(ErrorKind::invalid, "the answer of " + context_.authority +
                                               " is not HTTP/2: " + nghttp2_strerror(static_cast<int>(used))));
  }
  close_when_done();
}

bool Http2Connection::has_output() const { return nghttp2_session_want_write(session_) != 0; }

void Http2Connection::next_output(std::string& out) {
  while (out.size() < output_size) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (closed_) return;
    if (size < 0) {
      return close(Error(ErrorKind::internal, std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(size))));
    }
    if (size == 0) break;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
  if (out.empty()) close_when_done();
}

void Http2Connection::close_when_done() {
  if (closed_ || nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0) return;
  if (peer_leaves_) return close(Error(ErrorKind::unavailable, context_.authority + " ended the connection"));
  // The engine has given up its peer.
  close(Error(ErrorKind::invalid, "the answer of " + context_.authority + " is not valid HTTP/2" +
                                      (engine_says_.empty() ? "" : ": " + engine_says_)));
}

void Http2Connection::on_closed() {
  streams_.clear();
  open_ = 0;
  busy_.notify();
}

base::Task<void> Http2Connection::watch_peer(std::shared_ptr<Http2Connection> self) {
  base::Clock& clock = self->context_.clock;
  const HttpTransportOptions& options = self->context_.options;
  std::optional<base::SteadyTime> asked_at;
  while (!self->closed_) {
    if (self->open_ == 0) {
      asked_at.reset();
      co_await self->busy_.wait();
      continue;
    }
    const base::SteadyTime now = clock.steady_now();
    if (asked_at && self->heard_at_ >= *asked_at) asked_at.reset();
    if (!asked_at && now - self->heard_at_ >= options.silence) {
      nghttp2_submit_ping(self->session_, NGHTTP2_FLAG_NONE, nullptr);
      self->flush();
      asked_at = now;
    }
    if (asked_at && now - *asked_at >= options.ping_limit) {
      self->context_.log.warning("The API server gives no sign of life: connecting anew",
                                 {{"server", self->context_.authority}, {"streams", self->open_}});
      self->close(Error(ErrorKind::unavailable, "no sign of life from " + self->context_.authority));
      self->context_.suspicious();
      co_return;
    }
    const base::SteadyTime due = asked_at ? *asked_at + options.ping_limit : self->heard_at_ + options.silence;
    co_await clock.sleep_until(due);
    // When we ourselves were stopped for a while, its answer may wait to be read.
    if (asked_at && clock.steady_now() - due > options.ping_limit) asked_at.reset();
  }
}

}  // namespace keelson::kube
