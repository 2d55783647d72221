#include "kube-client/tests/http_server.hpp"

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <map>

namespace keelson::kube::testing {
namespace asio = base::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

// One connection: the bytes, and one of two protocols on them.
class TestServer::Peer {
 public:
  struct Stream {
    ServerRequest request;
    std::string out;
    bool answered = false;
    bool open = false;
    std::optional<std::uint32_t> reset;
  };

  Peer(TestServer& s, Tcp::socket socket, std::size_t n)
      : server(s), number(n), tcp(std::move(socket)), writable(s.loop_), thawed(s.loop_) {}
  ~Peer() {
    if (session != nullptr) nghttp2_session_del(session);
  }

  void start_http2();
  void handle(std::int32_t id);
  void input(const char* data, std::size_t size);
  void input_http1();
  void push(Stream& stream, std::int32_t id, const std::string& piece, bool last);
  std::string output();
  void cut() {
    closed = true;
    error_code ignored;
    tcp_socket().set_option(asio::socket_base::linger(true, 0), ignored);
    tcp_socket().close(ignored);
    writable.notify();
  }
  Tcp::socket& tcp_socket() { return tls ? tls->next_layer() : tcp; }

  base::Task<void> write_all();
  base::Task<void> read_all();

  TestServer& server;
  std::size_t number;
  Tcp::socket tcp;
  std::optional<asio::ssl::stream<Tcp::socket>> tls;
  nghttp2_session* session = nullptr;
  std::map<std::int32_t, Stream> streams;
  std::string in;
  std::string out;
  std::string certificate;
  bool closed = false;
  bool close_when_written = false;
  base::Notification writable;
  base::Notification thawed;
};

struct ServerCallbacks {
  using Peer = TestServer::Peer;
  static Peer& self(void* user) { return *static_cast<Peer*>(user); }

  static int on_begin(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    self(user).streams[frame->hd.stream_id];
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    auto& request = self(user).streams[frame->hd.stream_id].request;
    std::string key(reinterpret_cast<const char*>(name), name_size);
    std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":method") request.method = text;
    if (key == ":path") request.path = text;
    request.headers.emplace_back(std::move(key), std::move(text));
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                     void* user) {
    self(user).streams[id].request.body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Peer& peer = self(user);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) ++peer.server.pings;
    if (frame->hd.type == NGHTTP2_RST_STREAM) peer.server.resets.push_back(frame->rst_stream.error_code);
    const bool content = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (content && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) peer.handle(frame->hd.stream_id);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    self(user).streams.erase(id);
    return 0;
  }
  static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* to, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source*, void* user) {
    auto& stream = self(user).streams[id];
    const std::size_t size = std::min(room, stream.out.size());
    std::memcpy(to, stream.out.data(), size);
    stream.out.erase(0, size);
    self(user).server.body_bytes_sent += size;
    if (stream.out.empty() && !stream.open) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream.reset) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, *stream.reset);
      }
    } else if (size == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(size);
  }
};

void TestServer::Peer::start_http2() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, ServerCallbacks::on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, ServerCallbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, ServerCallbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ServerCallbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, ServerCallbacks::on_close);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_http_messaging(option, 1);  // tests want to misbehave
  nghttp2_session_server_new2(&session, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server.options_.max_streams}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 1);
}

void TestServer::Peer::handle(std::int32_t id) {
  auto& stream = streams[id];
  stream.answered = true;
  stream.request.certificate = certificate;
  stream.request.connection = number;
  server.requests.push_back(stream.request);
  ServerAnswer answer = server.handler_(stream.request);
  if (answer.hold) return;
  if (session == nullptr) {
    if (!answer.no_head) {
      out += "HTTP/1.1 " + std::to_string(answer.status) + " Text\r\n";
      for (const auto& [name, value] : answer.headers) out += name + ": " + value + "\r\n";
      if (answer.open) out += "Transfer-Encoding: chunked\r\n";
      if (!answer.open && find_header(answer.headers, "content-length") == nullptr) {
        out += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
      }
      out += "\r\n";
    }
    stream.open = answer.open;
    if (answer.open) {
      push(stream, id, answer.body, false);
    } else {
      out += answer.body;
    }
    if (answer.reset || server.options_.no_keep) close_when_written = true;
    if (!answer.open) streams.erase(id);
    return;
  }
  if (answer.no_head) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, answer.reset.value_or(0));
    return;
  }
  stream.out = std::move(answer.body);
  stream.open = answer.open;
  stream.reset = answer.reset;
  const std::string status = std::to_string(answer.status);
  std::vector<nghttp2_nv> fields;
  const auto add = [&fields](const std::string& name, const std::string& value) {
    fields.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), 0});
  };
  const std::string status_name = ":status";
  add(status_name, status);
  for (const auto& [name, value] : answer.headers) add(name, value);
  nghttp2_data_provider body{};
  body.read_callback = ServerCallbacks::read_body;
  nghttp2_submit_response(session, id, fields.data(), fields.size(), &body);
}

void TestServer::Peer::push(Stream& stream, std::int32_t id, const std::string& piece, bool last) {
  stream.open = !last;
  if (session != nullptr) {
    stream.out += piece;
    nghttp2_session_resume_data(session, id);
  } else {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    if (!piece.empty()) out += size + piece + "\r\n";
    if (last) out += "0\r\n\r\n";
  }
  writable.notify();
}

void TestServer::Peer::input_http1() {
  while (true) {
    const auto end = in.find("\r\n\r\n");
    if (end == std::string::npos) return;
    ServerRequest request;
    std::size_t at = in.find("\r\n");
    const std::string line = in.substr(0, at);
    request.method = line.substr(0, line.find(' '));
    request.path = line.substr(request.method.size() + 1, line.rfind(' ') - request.method.size() - 1);
    std::size_t length = 0;
    while (at < end) {
      const std::size_t next = in.find("\r\n", at + 2);
      const std::string field = in.substr(at + 2, next - at - 2);
      std::string name = field.substr(0, field.find(':'));
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      request.headers.emplace_back(name, field.substr(field.find(':') + 2));
      if (name == "content-length") length = std::stoul(request.headers.back().second);
      at = next;
    }
    if (in.size() < end + 4 + length) return;
    request.body = in.substr(end + 4, length);
    in.erase(0, end + 4 + length);
    streams[1].request = std::move(request);
    handle(1);
  }
}

void TestServer::Peer::input(const char* data, std::size_t size) {
  if (!server.options_.raw.empty()) {
    out = server.options_.raw;
    close_when_written = true;
  } else if (session != nullptr) {
    if (nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(data), size) < 0) cut();
  } else {
    in.append(data, size);
    input_http1();
  }
}

std::string TestServer::Peer::output() {
  std::string text = std::exchange(out, {});
  while (session != nullptr && text.size() < 65536) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session, &data);
    if (size <= 0) break;
    text.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
  return text;
}

base::Task<void> TestServer::Peer::write_all() {
  while (!closed) {
    if (server.frozen_) {
      co_await thawed.wait();
      continue;
    }
    const std::string text = output();
    error_code error;
    if (text.empty()) {
      if (close_when_written) {
        // Not a reset: what was written must arrive.
        closed = true;
        tcp_socket().shutdown(Tcp::socket::shutdown_send, error);
        tcp_socket().close(error);
        break;
      }
      co_await writable.wait();
      continue;
    }
    if (tls) {
      co_await asio::async_write(*tls, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
    } else {
      co_await asio::async_write(tcp, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
    }
    if (error) break;
  }
}

base::Task<void> TestServer::Peer::read_all() {
  std::vector<char> buffer(65536);
  while (!closed) {
    error_code error;
    std::size_t size = 0;
    if (tls) {
      size = co_await tls->async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    } else {
      size = co_await tcp.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    }
    if (error || closed) break;
    if (server.frozen_) {
      co_await thawed.wait();
      continue;
    }
    input(buffer.data(), size);
    writable.notify();
  }
  closed = true;
  error_code ignored;
  tcp_socket().close(ignored);
  writable.notify();
}

static base::Task<void> keep_alive(std::shared_ptr<TestServer::Peer> peer, base::Task<void> task) {
  co_await std::move(task);
  peer.reset();
}

TestServer::TestServer(base::Loop& loop, ServerOptions options, Handler handler)
    : loop_(loop),
      options_(std::move(options)),
      handler_(std::move(handler)),
      gate_(loop),
      acceptor_(loop.context(), Tcp::endpoint(asio::ip::make_address(options_.address), 0)) {
  if (options_.tls) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    context->use_certificate_chain(asio::buffer(options_.certificate_pem));
    context->use_private_key(asio::buffer(options_.key_pem), asio::ssl::context::pem);
    if (!options_.client_ca_pem.empty()) {
      context->add_certificate_authority(asio::buffer(options_.client_ca_pem));
      context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
    SSL_CTX_set_alpn_select_cb(
        context->native_handle(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned int in_size,
           void* user) {
          const bool http2 = static_cast<ServerOptions*>(user)->http2;
          const std::string ours = http2 ? std::string("\2h2\10http/1.1") : std::string("\10http/1.1");
          const int found = SSL_select_next_proto(const_cast<unsigned char**>(out), size,
                                                  reinterpret_cast<const unsigned char*>(ours.data()),
                                                  static_cast<unsigned int>(ours.size()), in, in_size);
          if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
          // The answer must outlive this call: point into what the client sent.
          for (unsigned int at = 0; at < in_size; at += in[at] + 1u) {
            if (in[at] == *size && std::memcmp(in + at + 1, *out, *size) == 0) *out = in + at + 1;
          }
          return SSL_TLSEXT_ERR_OK;
        },
        &options_);
    tls_ = context;
  }
  base::spawn(gate_, "accept", accept_all());
}

TestServer::~TestServer() = default;

base::Task<void> TestServer::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  for (const auto& peer : peers_) peer->cut();
  co_await gate_.stop();
}

base::Task<void> TestServer::accept_all() {
  while (true) {
    error_code error;
    Tcp::socket socket(loop_.context());
    co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    ++accepted_;
    base::spawn(gate_, "serve", serve(std::move(socket)));
  }
}

base::Task<void> TestServer::serve(Tcp::socket socket) {
  auto peer = std::make_shared<Peer>(*this, std::move(socket), accepted_);
  peers_.push_back(peer);
  if (options_.silent) co_return;
  if (options_.tls) {
    auto context = std::static_pointer_cast<asio::ssl::context>(tls_);
    peer->tls.emplace(std::move(peer->tcp), *context);
    error_code error;
    co_await peer->tls->async_handshake(asio::ssl::stream_base::server,
                                        asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      peer->closed = true;
      // The alert that says why is on its way already.
      peer->tls->next_layer().close(error);
      co_return;
    }
    SSL* ssl = peer->tls->native_handle();
    if (X509* client = SSL_get1_peer_certificate(ssl)) {
      char name[128] = {};
      X509_NAME_get_text_by_NID(X509_get_subject_name(client), NID_commonName, name, sizeof name);
      peer->certificate = name;
      X509_free(client);
    }
    const unsigned char* protocol = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl, &protocol, &size);
    if (size == 2 && options_.raw.empty()) peer->start_http2();
  }
  base::spawn(gate_, "write", keep_alive(peer, peer->write_all()));
  base::spawn(gate_, "read", keep_alive(peer, peer->read_all()));
}

void TestServer::push(const std::string& path, const std::string& piece) {
  for (const auto& peer : peers_) {
    for (auto& [id, stream] : peer->streams) {
      if (!peer->closed && stream.open && stream.request.path == path) peer->push(stream, id, piece, false);
    }
  }
}

void TestServer::finish(const std::string& path) {
  for (const auto& peer : peers_) {
    for (auto& [id, stream] : peer->streams) {
      if (!peer->closed && stream.open && stream.request.path == path) peer->push(stream, id, "", true);
    }
  }
}

void TestServer::go_away(std::int32_t last) {
  for (const auto& peer : peers_) {
    if (peer->closed || peer->session == nullptr) continue;
    nghttp2_submit_goaway(peer->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
    peer->writable.notify();
  }
}

void TestServer::freeze() { frozen_ = true; }

void TestServer::cut_all() {
  for (const auto& peer : peers_) peer->cut();
}

std::size_t TestServer::connections() const {
  return static_cast<std::size_t>(
      std::count_if(peers_.begin(), peers_.end(), [](const auto& p) { return !p->closed; }));
}

std::size_t TestServer::open_streams() const {
  std::size_t count = 0;
  for (const auto& peer : peers_) {
    if (!peer->closed) count += peer->streams.size();
  }
  return count;
}

std::int32_t TestServer::window() const {
  for (const auto& peer : peers_) {
    if (peer->closed || peer->session == nullptr || peer->streams.empty()) continue;
    return nghttp2_session_get_stream_remote_window_size(peer->session, peer->streams.rbegin()->first);
  }
  return -1;
}

}  // namespace keelson::kube::testing
