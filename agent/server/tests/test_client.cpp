#include "agent/server/tests/test_client.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>

#include <charconv>
#include <chrono>

#include "kube-client/x509_openssl.hpp"

namespace keelson::server::testing {

bool pump(base::Loop& loop, const std::function<bool()>& done) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    // All that is to be done, but not for ever: while a stream has no end, poll() would not come back.
    loop.context().restart();
    for (int i = 0; i < 1000 && loop.context().poll_one() > 0; ++i) {
    }
    if (std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "waited for twenty seconds";
      return false;
    }
  }
  return true;
}

std::string Answer::header(std::string_view name) const { return std::string(find_field(headers, name).value_or("")); }

TestClient::TestClient(base::Loop& loop, int port, int room)
    : loop_(&loop), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (room > 0) ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "cannot connect to port " << port;
  }
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
}

bool TestClient::start_tls(const ClientTls& tls) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = context_.get();
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_min_proto_version(context, tls.min_version);
  SSL_CTX_set_max_proto_version(context, tls.max_version);
  if (!tls.ciphers.empty()) SSL_CTX_set_cipher_list(context, tls.ciphers.c_str());
  if (!tls.groups.empty()) SSL_CTX_set1_groups_list(context, tls.groups.c_str());
  if (tls.offer_http2) {
    constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";
    SSL_CTX_set_alpn_protos(context, kProtocols, sizeof kProtocols - 1);
  }
  if (tls.identity) {
    const auto certificate = kube::openssl::read_certificate(tls.identity->certificate_pem);
    const auto key = kube::openssl::read_key(tls.identity->key_pem);
    EXPECT_EQ(SSL_CTX_use_certificate(context, certificate->get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context, key->get()), 1);
    if (!tls.intermediates.empty()) {
      const auto more = kube::openssl::read_certificate(tls.intermediates);
      SSL_CTX_add1_chain_cert(context, more->get());
    }
  }
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), fd_.get());
  bool failed = false;
  const bool in_time = wait_for([&] {
    ERR_clear_error();
    const int result = SSL_connect(ssl_.get());
    if (result == 1) return true;
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return false;
    failed = true;
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    problem_ = reason == nullptr ? "closed" : reason;
    return true;
  });
  ERR_clear_error();
  return in_time && !failed;
}

std::size_t TestClient::send_some(const std::string& bytes) {
  if (bytes.empty()) return 0;
  if (ssl_ != nullptr) {
    std::size_t sent = 0;
    ERR_clear_error();
    return SSL_write_ex(ssl_.get(), bytes.data(), std::min<std::size_t>(bytes.size(), 8192), &sent) == 1 ? sent : 0;
  }
  const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

// Gives up silently when the server has closed: the answer tells why.
void TestClient::send(const std::string& bytes) {
  std::size_t done = 0;
  wait_for([&] {
    const std::size_t sent = send_some(bytes.substr(done));
    done += sent;
    while (fill()) {
    }
    return done == bytes.size() || ended_;
  });
}

bool TestClient::fill() {
  if (ended_) return false;
  char piece[16384];
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int size = SSL_read(ssl_.get(), piece, sizeof piece);
    if (size > 0) {
      input_.append(piece, static_cast<std::size_t>(size));
      return true;
    }
    const int error = SSL_get_error(ssl_.get(), size);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      ended_ = true;
      const char* reason = ERR_reason_error_string(ERR_peek_last_error());
      if (reason != nullptr) problem_ = reason;
    }
    ERR_clear_error();
    return false;
  }
  const ssize_t size = ::recv(fd_.get(), piece, sizeof piece, 0);
  if (size > 0) input_.append(piece, static_cast<std::size_t>(size));
  if (size == 0 || (size < 0 && errno != EAGAIN)) ended_ = true;
  return size > 0;
}

std::string TestClient::read(std::size_t size) {
  wait_for([&] {
    fill();
    return ended_ || input_.size() >= size;
  });
  const std::string bytes = input_.substr(0, size);
  input_.erase(0, size);
  return bytes;
}

std::string TestClient::read_to_end() {
  wait_for([&] {
    fill();
    return ended_;
  });
  return std::exchange(input_, {});
}

std::string TestClient::received() {
  for (int i = 0; i < 3; ++i) {
    while (loop_->poll() > 0) {
    }
    while (fill()) {
    }
  }
  return std::exchange(input_, {});
}

bool TestClient::ended() {
  while (loop_->poll() > 0) {
  }
  while (fill()) {
  }
  return ended_;
}

void TestClient::end_output() {
  if (ssl_ != nullptr) SSL_shutdown(ssl_.get());
  ::shutdown(fd_.get(), SHUT_WR);
}

void TestClient::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

namespace {

Fields parse_headers(const std::string& text) {
  Fields fields;
  std::size_t at = text.find("\r\n") + 2;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find("\r\n", at), text.size());
    const std::string line = text.substr(at, end - at);
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    at = end + 2;
  }
  return fields;
}

}  // namespace

Answer TestClient::answer(bool to_head) {
  Answer answer;
  std::size_t end = std::string::npos;
  wait_for([&] {
    fill();
    end = input_.find("\r\n\r\n");
    return ended_ || end != std::string::npos;
  });
  if (end == std::string::npos) return answer;
  const std::string head = input_.substr(0, end);
  input_.erase(0, end + 4);
  std::from_chars(head.data() + 9, head.data() + 12, answer.status);
  answer.headers = parse_headers(head);
  answer.chunked = answer.header("Transfer-Encoding") == "chunked";
  if (to_head || answer.status < 200 || answer.status == 204 || answer.status == 304) {
    answer.whole = true;
  } else if (answer.chunked) {
    while (true) {
      std::string line;
      while (!line.ends_with("\r\n") && !(ended_ && input_.empty())) line += read(1);
      std::size_t size = 0;
      std::from_chars(line.data(), line.data() + line.size(), size, 16);
      if (!line.ends_with("\r\n")) break;
      const std::string piece = read(size + 2);
      answer.body += piece.substr(0, size);
      if (piece.size() != size + 2) break;
      answer.whole = size == 0;
      if (answer.whole) break;
    }
  } else if (const auto length = find_field(answer.headers, "Content-Length")) {
    const auto size = static_cast<std::size_t>(std::stoul(std::string(*length)));
    answer.body = read(size);
    answer.whole = answer.body.size() == size;
  } else {
    answer.body = read_to_end();
    answer.whole = true;
  }
  return answer;
}

std::string request(const std::string& method, const std::string& target, const std::string& more_headers,
                    const std::string& body) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: node\r\n" + more_headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

std::string get(const std::string& target, const std::string& more_headers) {
  return request("GET", target, more_headers);
}

}  // namespace keelson::server::testing
