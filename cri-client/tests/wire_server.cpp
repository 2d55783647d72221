#include "cri-client/tests/wire_server.hpp"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/grpc.hpp"
#include "cri-client/tests/test_server.hpp"

namespace keelson::cri {

std::string framed(const std::string& message) { return base::grpc_prefix(message.size()) + message; }

// One connection.
struct WireServer::Session {
  struct Stream {
    std::string path;
    std::string request;
    WireAnswer answer;
    std::size_t sent = 0;
  };

  WireServer& server;
  nghttp2_session* session = nullptr;
  std::map<std::int32_t, Stream> streams;
  std::int32_t last_heeded = 0;
  bool hangs_up = false;

  explicit Session(WireServer& owner) : server(owner) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Session() { nghttp2_session_del(session); }

  static Session& self(void* user) { return *static_cast<Session*>(user); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    if (key == ":path") {
      self(user).streams[frame->hd.stream_id].path.assign(reinterpret_cast<const char*>(value), value_size);
    }
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size,
                     void* user) {
    self(user).streams[stream].request.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self(user).answer(frame->hd.stream_id);
    return 0;
  }

  static std::vector<nghttp2_nv> values(const Fields& fields) {
    std::vector<nghttp2_nv> out;
    for (const auto& [name, value] : fields) {
      out.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                     NGHTTP2_NV_FLAG_NONE});
    }
    return out;
  }

  static ssize_t read(nghttp2_session* session, std::int32_t id, std::uint8_t* to, std::size_t room,
                      std::uint32_t* flags, nghttp2_data_source*, void* user) {
    Stream& stream = self(user).streams[id];
    const std::size_t size = std::min(room, stream.answer.data.size() - stream.sent);
    std::memcpy(to, stream.answer.data.data() + stream.sent, size);
    stream.sent += size;
    if (stream.sent < stream.answer.data.size()) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream.answer.trailers) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto fields = values(stream.answer.trailer_fields);
      nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(size);
  }

  void answer(std::int32_t id) {
    Stream& stream = streams[id];
    stream.answer = server.script_(server.calls_++, stream.path, stream.request);
    const WireAnswer& answer = stream.answer;
    if (answer.hang_up) {
      hangs_up = true;
    } else if (answer.go_away) {
      nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, last_heeded, NGHTTP2_NO_ERROR, nullptr, 0);
    } else if (answer.reset != 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, answer.reset);
    } else {
      last_heeded = id;
      const auto fields = values(answer.headers);
      nghttp2_data_provider body{};
      body.read_callback = read;
      nghttp2_submit_response(session, id, fields.data(), fields.size(), answer.only_headers ? nullptr : &body);
    }
  }

  bool send_all(int peer) {
    const std::uint8_t* data = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session, &data)) > 0;) {
      if (send(peer, data, static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) return false;
    }
    return true;
  }
};

WireServer::WireServer(Script script) : directory_(make_temporary_directory()), script_(std::move(script)) {
  listener_ = base::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path().c_str());
  EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(listener_.get(), 8), 0);
  thread_ = std::thread([this] {
    while (!stopping_) {
      base::UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      ++connections_;
      if (refused_ > 0) {
        --refused_;
      } else {
        serve(peer.get());
      }
    }
  });
}

WireServer::~WireServer() {
  stopping_ = true;
  shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  remove_temporary_directory(directory_);
}

void WireServer::serve(int peer) {
  Session session(*this);
  char buffer[16 * 1024];
  while (!stopping_ && !session.hangs_up && session.send_all(peer)) {
    pollfd ready{peer, POLLIN, 0};
    if (poll(&ready, 1, 50) == 0) continue;
    const auto size = recv(peer, buffer, sizeof buffer, 0);
    if (size <= 0) return;
    if (nghttp2_session_mem_recv(session.session, reinterpret_cast<std::uint8_t*>(buffer),
                                 static_cast<std::size_t>(size)) < 0) {
      return;
    }
  }
}

}  // namespace keelson::cri
