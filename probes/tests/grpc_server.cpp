#include "probes/tests/grpc_server.hpp"

#include <nghttp2/nghttp2.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

namespace keelson::probes::testing {
namespace {

namespace asio = base::asio;
using asio::ip::tcp;
using Fields = std::vector<std::pair<std::string, std::string>>;

struct Session {
  explicit Session(GrpcServer& owner) : server(owner) {}

  GrpcServer& server;
  nghttp2_session* session = nullptr;
  Fields headers;
  std::string body;
  std::size_t sent = 0;
  bool hang_up = false;

  static Session& self(void* user) { return *static_cast<Session*>(user); }

  static std::vector<nghttp2_nv> fields(const Fields& from) {
    std::vector<nghttp2_nv> out;
    for (const auto& [name, value] : from) {
      out.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                     NGHTTP2_NV_FLAG_NONE});
    }
    return out;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    self(user).headers.emplace_back(std::string(reinterpret_cast<const char*>(name), name_size),
                                    std::string(reinterpret_cast<const char*>(value), value_size));
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size,
                     void* user) {
    self(user).body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static ssize_t read_answer(nghttp2_session* session, std::int32_t stream, std::uint8_t* to, std::size_t room,
                             std::uint32_t* flags, nghttp2_data_source*, void* user) {
    Session& own = self(user);
    const GrpcAnswer& answer = own.server.answer;
    const std::string message = answer.message.value_or("").substr(own.sent);
    const std::size_t size = std::min(room, message.size());
    std::memcpy(to, message.data(), size);
    own.sent += size;
    if (size == message.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!answer.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto trailers = fields(answer.trailers);
        nghttp2_submit_trailer(session, stream, trailers.data(), trailers.size());
      }
    }
    return static_cast<ssize_t>(size);
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& own = self(user);
    const bool data_or_head = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!data_or_head || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    own.server.requests.push_back(own.headers);
    own.server.bodies.push_back(own.body);
    const GrpcAnswer& answer = own.server.answer;
    own.hang_up = answer.hang_up;
    if (answer.silent || answer.hang_up) return 0;
    if (answer.reset) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, *answer.reset);
      return 0;
    }
    const auto headers = fields(answer.headers);
    nghttp2_data_provider body{};
    body.read_callback = read_answer;
    const bool head_only = !answer.message && answer.trailers.empty();
    nghttp2_submit_response(session, frame->hd.stream_id, headers.data(), headers.size(), head_only ? nullptr : &body);
    return 0;
  }

  void open() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Session() { nghttp2_session_del(session); }
};

}  // namespace

GrpcServer::GrpcServer(base::Loop& loop)
    : loop_(loop), acceptor_(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)), gate_(loop) {
  port_ = acceptor_.local_endpoint().port();
  base::spawn(gate_, "accept", accept());
}

base::Task<void> GrpcServer::accept() {
  while (true) {
    auto socket = std::make_shared<Socket>(loop_.context());
    boost::system::error_code error;
    co_await acceptor_.async_accept(*socket, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    base::spawn(gate_, "serve", serve(socket));
  }
}

base::Task<void> GrpcServer::serve(std::shared_ptr<Socket> socket) {
  Session session(*this);
  session.open();
  boost::system::error_code error;
  char buffer[4096];
  while (!error) {
    std::string out;
    const std::uint8_t* data = nullptr;
    for (ssize_t size = nghttp2_session_mem_send(session.session, &data); size > 0;
         size = nghttp2_session_mem_send(session.session, &data)) {
      out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
    co_await asio::async_write(*socket, asio::buffer(out), asio::redirect_error(asio::use_awaitable, error));
    // What has not been read would turn the end into a reset.
    if (session.hang_up) socket->shutdown(Socket::shutdown_send, error);
    if (error) break;
    const std::size_t size =
        co_await socket->async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (!error) nghttp2_session_mem_recv(session.session, reinterpret_cast<const std::uint8_t*>(buffer), size);
  }
  socket->close(error);
}

}  // namespace keelson::probes::testing
