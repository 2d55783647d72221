#include "cri-client/link.hpp"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/file.hpp"
#include "base/go_text.hpp"
#include "base/http2.hpp"
#include "cri-client/grpc_call.hpp"

namespace keelson::cri {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;

namespace {

constexpr std::size_t kReadSize = 16 * 1024;
constexpr std::size_t kOutputSize = 64 * 1024;
constexpr std::int32_t kStreamWindow = 256 * 1024;
constexpr std::int32_t kConnectionWindow = 4 * 1024 * 1024;
constexpr char kUserAgent[] = "keelson";
// nghttp2 ends the connection for one field above 64 KiB; a server that knows this limit gives up the stream alone.
constexpr std::uint32_t kHeaderLimit = 60 * 1024;

Error cannot_dial(const std::string& path, int number) {
  return Error(ErrorKind::unavailable, "connection error: desc = \"transport: Error while dialing: dial unix " + path +
                                           ": connect: " + base::go_errno(number) + "\"");
}

}  // namespace

// nghttp2 calls these from within mem_recv() and mem_send(); they must not destroy the session, nor send.
struct LinkCallbacks {
  static Link& self(void* user) { return *static_cast<Link*>(user); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    if (GrpcCall* call = self(user).find(frame->hd.stream_id)) {
      call->header(base::http2_text(name, name_size), base::http2_text(value, value_size));
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self(user).settle();
    if (frame->hd.type == NGHTTP2_GOAWAY) self(user).retire();
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self(user).answered(frame->hd.stream_id);
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size,
                     void* user) {
    // What it makes of it may end it, and then it is let go.
    if (GrpcCall* call = self(user).find(stream)) call->data(base::http2_text(data, size));
    return 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    self(user).stream_closed(stream, code);
    return 0;
  }

  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (GrpcCall* call = self(user).find(frame->hd.stream_id)) call->begun = true;
    return 0;
  }

  static int on_error(nghttp2_session*, int, const char* text, std::size_t size, void* user) {
    self(user).engine_says_.assign(text, size);
    return 0;
  }

  static ssize_t read_request(nghttp2_session*, std::int32_t stream, std::uint8_t* to, std::size_t room,
                              std::uint32_t* flags, nghttp2_data_source*, void* user) {
    GrpcCall* call = self(user).find(stream);
    if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t size = std::min(room, call->request().size() - call->sent);
    std::copy_n(call->request().data() + call->sent, size, to);
    call->sent += size;
    if (call->sent == call->request().size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }
};

Result<std::shared_ptr<Link>> Link::connect(base::Loop& loop, const std::string& path,
                                            std::chrono::milliseconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return cannot_dial(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return cannot_dial(path, errno);
  // A unix socket connects at once or not at all.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return cannot_dial(path, errno);
  }
  Protocol::socket socket(loop.context());
  boost::system::error_code error;
  socket.assign(Protocol(), fd.get(), error);
  if (error) return cannot_dial(path, error.value());
  (void)fd.release();
  auto link = std::make_shared<Link>(loop, std::move(socket));
  link->start(patience);
  return link;
}

Link::Link(base::Loop& loop, Protocol::socket socket)
    : loop_(loop), socket_(std::move(socket)), patience_(loop.context()), in_(kReadSize) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, LinkCallbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, LinkCallbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, LinkCallbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, LinkCallbacks::on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, LinkCallbacks::on_frame_sent);
  nghttp2_session_callbacks_set_error_callback2(callbacks, LinkCallbacks::on_error);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  // gRPC writes blanks as they are, also at the ends of a status message.
  nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
  KEELSON_CHECK(nghttp2_session_client_new2(&session_, callbacks, this, option) == 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(kStreamWindow)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kHeaderLimit},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Link::~Link() {
  for (const auto& call : waiting_) call->link = nullptr;
  for (const auto& [stream, call] : streams_) call->link = nullptr;
  nghttp2_session_del(session_);
}

void Link::start(std::chrono::milliseconds patience) {
  patience_.expires_after(patience);
  patience_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->settled_)
      self->close("connection error: desc = \"error reading server preface: i/o timeout\"");
  });
  flush_soon();
  read_on();
}

GrpcCall* Link::find(std::int32_t stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Link::carry(std::shared_ptr<GrpcCall> call) {
  call->link = this;
  if (settled_) return submit(call);
  waiting_.push_back(std::move(call));
}

void Link::submit(const std::shared_ptr<GrpcCall>& call) {
  std::vector<nghttp2_nv> fields = {base::http2_field(":method", "POST"),
                                    base::http2_field(":scheme", "http"),
                                    base::http2_field(":path", call->method()),
                                    base::http2_field(":authority", "localhost"),
                                    base::http2_field("content-type", "application/grpc"),
                                    base::http2_field("user-agent", kUserAgent),
                                    base::http2_field("te", "trailers")};
  const std::optional<std::string> timeout = call->timeout();
  if (timeout) fields.push_back(base::http2_field("grpc-timeout", *timeout));
  nghttp2_data_provider request{};
  request.read_callback = LinkCallbacks::read_request;
  const std::int32_t stream =
      nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), &request, nullptr);
  if (stream < 0) {
    retired_ = true;  // its stream numbers are used up
    call->link = nullptr;
    return call->broken("the connection takes no more calls");
  }
  call->stream = stream;
  streams_.emplace(stream, call);
  flush_soon();
}

void Link::settle() {
  settled_ = true;
  patience_.cancel();
  for (const auto& call : std::exchange(waiting_, {})) submit(call);
}

void Link::let_go(GrpcCall& call) {
  if (call.stream == 0) {
    std::erase_if(waiting_, [&](const auto& other) { return other.get() == &call; });
    return;
  }
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call.stream, NGHTTP2_CANCEL);
  streams_.erase(call.stream);
  flush_soon();
}

// Calls that wait for their turn on it go elsewhere: the server has not seen them.
void Link::retire() {
  retired_ = true;
  std::vector<std::shared_ptr<GrpcCall>> left = std::exchange(waiting_, {});
  for (const auto& [stream, call] : streams_) {
    if (!call->begun) left.push_back(call);
  }
  for (const auto& call : left) {
    if (call->stream != 0) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
      streams_.erase(call->stream);
    }
    call->link = nullptr;
    call->broken("the server ended the connection");
  }
}

// The server has said all; it may have done so before it has read all of the request.
void Link::answered(std::int32_t stream) {
  const GrpcCall* call = find(stream);
  if (call == nullptr || call->sent == call->request().size()) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR);
  stream_closed(stream, NGHTTP2_NO_ERROR);
}

void Link::stream_closed(std::int32_t stream, std::uint32_t code) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const auto call = std::move(found->second);
  streams_.erase(found);
  call->link = nullptr;
  call->closed(code);
}

void Link::read_on() {
  socket_.async_read_some(asio::buffer(in_), [self = shared_from_this()](const boost::system::error_code& error,
                                                                         std::size_t size) {
    if (self->closed_) return;
    if (error) {
      const std::string text = error == asio::error::eof ? "EOF" : "read unix: " + base::go_errno(error.value());
      return self->close(self->settled_ ? "error reading from server: " + text
                                        : "connection error: desc = \"error reading server preface: " + text + "\"");
    }
    self->received({self->in_.data(), size});
    if (!self->closed_) self->read_on();
  });
}

void Link::received(std::string_view data) {
  const ssize_t used =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  if (used < 0) {
    return close(std::string("connection error: desc = \"what the server sends is not HTTP/2: ") +
                 nghttp2_strerror(static_cast<int>(used)) + "\"");
  }
  if (nghttp2_session_want_write(session_) != 0) return flush_soon();
  close_when_done();
}

void Link::flush_soon() {
  if (flushes_ || closed_) return;
  flushes_ = true;
  loop_.post([self = shared_from_this()] {
    self->flushes_ = false;
    self->flush();
  });
}

void Link::flush() {
  while (!closed_ && send_rest()) {
    while (out_.size() < kOutputSize) {
      const std::uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size < 0) return close(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(size)));
      if (size == 0) break;
      out_ += base::http2_text(data, static_cast<std::size_t>(size));
    }
    if (out_.empty()) return close_when_done();
  }
}

// False: the socket takes no more, or the connection is closed; a flush follows when there is room.
bool Link::send_rest() {
  while (out_sent_ < out_.size()) {
    const ssize_t size =
        ::send(socket_.native_handle(), out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) {
      out_sent_ += static_cast<std::size_t>(size);
    } else if (errno == EAGAIN) {
      flushes_ = true;
      socket_.async_wait(Protocol::socket::wait_write, [self = shared_from_this()](const boost::system::error_code&) {
        self->flushes_ = false;
        self->flush();
      });
      return false;
    } else if (errno != EINTR) {
      const std::string text = base::go_errno(errno);
      close(settled_ ? "error writing to server: " + text
                     : "connection error: desc = \"transport: failed to write client preface: " + text + "\"");
      return false;
    }
  }
  out_.clear();
  out_sent_ = 0;
  return true;
}

void Link::close_when_done() {
  if (closed_) return;
  const bool alive = nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0;
  if (alive && !(retired_ && streams_.empty())) return;
  close(engine_says_.empty()
            ? "connection error: desc = \"the server ended the connection\""
            : "connection error: desc = \"what the server sends is not HTTP/2: " + engine_says_ + "\"");
}

void Link::close(const std::string& why) {
  if (closed_) return;
  closed_ = true;
  patience_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  std::vector<std::shared_ptr<GrpcCall>> left = std::exchange(waiting_, {});
  for (auto& [stream, call] : std::exchange(streams_, {})) left.push_back(std::move(call));
  for (const auto& call : left) {
    call->link = nullptr;
    call->broken(why);
  }
}

}  // namespace keelson::cri
