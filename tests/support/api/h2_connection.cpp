#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "tests/support/api/server_internal.hpp"

namespace keelson::fakes::server {
namespace {

constexpr std::size_t kWriteChunk = 64 * 1024;
constexpr std::uint32_t kUploadWindow = 256 * 1024;
constexpr std::size_t kLargestBody = 16u << 20;

struct Stream {
  Stream(base::Loop& loop, std::int32_t number) : id(number), room(loop) {}

  std::int32_t id;
  ApiRequest request;
  // The answer: what waits to be sent.
  std::string out;
  std::size_t at = 0;
  std::size_t taken = 0;
  std::optional<std::size_t> cut_after;
  bool ended = false;
  bool closed = false;
  base::Notification room;  // the client took something, or is gone

  std::size_t waiting() const { return out.size() - at; }
};

nghttp2_nv header_of(const std::string& name, const std::string& value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

class H2Connection final : public Connection, public std::enable_shared_from_this<H2Connection> {
 public:
  H2Connection(Host& host, std::unique_ptr<Wire> wire, PeerCertificate peer, std::string name);
  ~H2Connection() override { nghttp2_session_del(session_); }

  void reset() override {
    wire_->reset();
    end();
  }
  void go_away() override;

  base::Gate& gate() { return *host_.gate; }
  const std::string& name() const { return name_; }

  static base::Task<void> read_loop(std::shared_ptr<H2Connection> self);
  static base::Task<void> write_loop(std::shared_ptr<H2Connection> self);

 private:
  static base::Task<void> serve(std::shared_ptr<H2Connection> self, std::shared_ptr<Stream> stream);
  static base::Task<void> pump(std::shared_ptr<H2Connection> self, std::shared_ptr<Stream> stream,
                               std::unique_ptr<ApiStream> source);

  void start(Stream& stream);
  void begin_answer(Stream& stream, const std::string& method, ApiAnswer& answer);
  std::string task_name(std::int32_t stream) const { return name_ + " stream " + std::to_string(stream); }
  std::string to_send();
  void resume(Stream& stream);
  void end();

  int on_begin(std::int32_t id);
  int on_header(std::int32_t id, std::string name, std::string value);
  int on_data(std::int32_t id, std::string_view bytes);
  int on_frame(const nghttp2_frame& frame);
  int on_close(std::int32_t id);
  ssize_t take(std::int32_t id, std::uint8_t* place, std::size_t size, std::uint32_t* flags);
  Stream* find(std::int32_t id);
  static ssize_t take_from(nghttp2_session* session, std::int32_t id, std::uint8_t* place, std::size_t size,
                           std::uint32_t* flags, nghttp2_data_source* source, void* user);

  Host& host_;
  std::unique_ptr<Wire> wire_;
  PeerCertificate peer_;
  std::string name_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::shared_ptr<Stream>> streams_;
  base::Notification wake_;  // of the writer
  bool cut_ = false;         // what is there is sent, then the connection is cut
  bool ended_ = false;
};

H2Connection& of(void* user) { return *static_cast<H2Connection*>(user); }

H2Connection::H2Connection(Host& host, std::unique_ptr<Wire> wire, PeerCertificate peer, std::string name)
    : host_(host), wire_(std::move(wire)), peer_(std::move(peer)), name_(std::move(name)), wake_(host.loop) {
  nghttp2_session_callbacks* callbacks = nullptr;
  KEELSON_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? of(user).on_begin(frame->hd.stream_id) : 0;
      });
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* key, std::size_t key_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
        return of(user).on_header(frame->hd.stream_id, {reinterpret_cast<const char*>(key), key_size},
                                  {reinterpret_cast<const char*>(value), value_size});
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks,
      [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* user) {
        return of(user).on_data(id, {reinterpret_cast<const char*>(data), size});
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) { return of(user).on_frame(*frame); });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t, void* user) { return of(user).on_close(id); });
  KEELSON_CHECK(nghttp2_session_server_new(&session_, callbacks, this) == 0);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, host.options.max_streams},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kUploadWindow}};
  KEELSON_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) == 0);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kUploadWindow * 4);
}

// --- What the client sends

Stream* H2Connection::find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

int H2Connection::on_begin(std::int32_t id) {
  streams_[id] = std::make_shared<Stream>(host_.loop, id);
  return 0;
}

int H2Connection::on_header(std::int32_t id, std::string name, std::string value) {
  Stream* stream = find(id);
  if (stream == nullptr) return 0;
  if (name == ":method") {
    stream->request.method = std::move(value);
  } else if (name == ":path") {
    stream->request.target = std::move(value);
  } else if (name == ":authority") {
    stream->request.headers.emplace_back("host", std::move(value));
  } else if (name[0] != ':') {
    stream->request.headers.emplace_back(std::move(name), std::move(value));
  }
  return 0;
}

int H2Connection::on_data(std::int32_t id, std::string_view bytes) {
  Stream* stream = find(id);
  if (stream == nullptr) return 0;
  if (stream->request.body.size() + bytes.size() > kLargestBody) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }
  stream->request.body.append(bytes);
  return 0;
}

int H2Connection::on_frame(const nghttp2_frame& frame) {
  const bool carries = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
  if (!carries || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  if (Stream* stream = find(frame.hd.stream_id)) start(*stream);
  return 0;
}

int H2Connection::on_close(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return 0;
  found->second->closed = true;
  found->second->room.notify();
  streams_.erase(found);
  host_.gate->cancel(task_name(id));
  return 0;
}

// --- What we answer

void H2Connection::start(Stream& stream) {
  base::spawn(*host_.gate, task_name(stream.id), serve(shared_from_this(), streams_.at(stream.id)));
}

base::Task<void> H2Connection::serve(std::shared_ptr<H2Connection> self, std::shared_ptr<Stream> stream) {
  const InProgress counted(self->host_.counts);
  const std::string method = stream->request.method;
  ApiAnswer answer = co_await answer_request(&self->host_, self->peer_, std::move(stream->request));
  if (stream->closed || self->ended_) co_return;
  if (answer.reset) {
    self->reset();
    co_return;
  }
  self->begin_answer(*stream, method, answer);
  if (answer.stream != nullptr) co_await pump(self, stream, std::move(answer.stream));
}

void H2Connection::begin_answer(Stream& stream, const std::string& method, ApiAnswer& answer) {
  const bool body = may_have_body(method, answer.status);
  stream.out = std::move(answer.body);
  stream.cut_after = answer.cut_after;
  stream.ended = answer.stream == nullptr;
  kube::Headers headers = {{":status", std::to_string(answer.status)}};
  for (auto& header : answer.headers) headers.push_back(std::move(header));
  if (stream.ended && body) headers.emplace_back("content-length", std::to_string(stream.out.size()));
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.size());
  for (const auto& [name, value] : headers) fields.push_back(header_of(name, value));
  nghttp2_data_provider provider{};
  provider.read_callback = &H2Connection::take_from;
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), body ? &provider : nullptr);
  wake_.notify();
}

base::Task<void> H2Connection::pump(std::shared_ptr<H2Connection> self, std::shared_ptr<Stream> stream,
                                    std::unique_ptr<ApiStream> source) {
  for (;;) {
    while (!stream->closed && stream->waiting() >= self->host_.options.buffered_per_answer) {
      co_await stream->room.wait();
    }
    if (stream->closed || self->ended_) co_return;
    auto piece = co_await source->next();
    if (stream->closed || self->ended_) co_return;
    if (!piece.ok()) {
      nghttp2_submit_rst_stream(self->session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
      self->wake_.notify();
      co_return;
    }
    if (piece->empty()) {
      stream->ended = true;
      self->resume(*stream);
      co_return;
    }
    stream->out.append(*piece);
    self->resume(*stream);
  }
}

void H2Connection::resume(Stream& stream) {
  nghttp2_session_resume_data(session_, stream.id);
  wake_.notify();
}

ssize_t H2Connection::take_from(nghttp2_session*, std::int32_t id, std::uint8_t* place, std::size_t size,
                                std::uint32_t* flags, nghttp2_data_source*, void* user) {
  return of(user).take(id, place, size, flags);
}

ssize_t H2Connection::take(std::int32_t id, std::uint8_t* place, std::size_t size, std::uint32_t* flags) {
  Stream* stream = find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  std::size_t count = std::min(size, stream->waiting());
  if (stream->cut_after) {
    count = std::min(count, *stream->cut_after - stream->taken);
    const bool over = stream->taken == *stream->cut_after || stream->ended;
    cut_ = cut_ || (count == 0 && over);
    if (count == 0) return NGHTTP2_ERR_DEFERRED;
  }
  if (count == 0 && !stream->ended) return NGHTTP2_ERR_DEFERRED;
  std::memcpy(place, stream->out.data() + stream->at, count);
  stream->at += count;
  stream->taken += count;
  if (stream->waiting() == 0) {
    stream->out.clear();
    stream->at = 0;
    if (stream->ended && !stream->cut_after) *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  stream->room.notify();
  return static_cast<ssize_t>(count);
}

// --- The connection

void H2Connection::go_away() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  wake_.notify();
}

std::string H2Connection::to_send() {
  std::string out;
  while (out.size() < kWriteChunk) {
    const std::uint8_t* data = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &data);
    if (count <= 0) break;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(count));
  }
  return out;
}

void H2Connection::end() {
  if (std::exchange(ended_, true)) return;
  wire_->close();
  wake_.notify();
  for (auto& [id, stream] : streams_) {
    stream->closed = true;
    stream->room.notify();
    host_.gate->cancel(task_name(id));
  }
  streams_.clear();
}

base::Task<void> H2Connection::read_loop(std::shared_ptr<H2Connection> self) {
  std::string buffer(16 * 1024, '\0');
  while (!self->ended_) {
    const std::size_t count = co_await self->wire_->read(buffer.data(), buffer.size());
    if (count == 0 || self->ended_) break;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(buffer.data());
    if (nghttp2_session_mem_recv(self->session_, bytes, count) < 0) break;
    self->wake_.notify();
  }
  self->end();
}

base::Task<void> H2Connection::write_loop(std::shared_ptr<H2Connection> self) {
  while (!self->ended_) {
    std::string bytes = self->to_send();
    if (!bytes.empty()) {
      const bool written = co_await self->wire_->write(std::move(bytes));
      if (!written) break;
    } else if (self->cut_) {
      // The reader ends the connection when the client has seen it.
      self->wire_->end_sending();
      co_return;
    } else if (nghttp2_session_want_read(self->session_) == 0) {
      break;
    } else {
      co_await self->wake_.wait();
    }
  }
  self->end();
}

}  // namespace

std::shared_ptr<Connection> make_h2(Host& host, std::unique_ptr<Wire> wire, PeerCertificate peer, std::string name) {
  return std::make_shared<H2Connection>(host, std::move(wire), std::move(peer), std::move(name));
}

base::Task<void> serve_h2(std::shared_ptr<Connection> connection) {
  auto self = std::static_pointer_cast<H2Connection>(connection);
  base::spawn(self->gate(), self->name() + " writer", H2Connection::write_loop(self));
  co_await H2Connection::read_loop(self);
}

}  // namespace keelson::fakes::server
