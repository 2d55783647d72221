// TestClient: the other end of a connection, plain or TLS, on the same loop as the server that it talks to.
//
// It never blocks: while it waits it runs the loop. Everything gives up after twenty seconds of real time.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/server/fields.hpp"
#include "base/file.hpp"
#include "base/loop.hpp"
#include "kube-client/credentials.hpp"

namespace keelson::server::testing {

// Runs the loop until `done` holds.
bool pump(base::Loop& loop, const std::function<bool()>& done);

struct ClientTls {
  std::optional<kube::Identity> identity;
  std::string intermediates;  // PEM, sent along
  int min_version = 0;
  int max_version = 0;
  std::string ciphers;
  std::string groups;
  bool offer_http2 = false;
};

struct Answer {
  int status = 0;  // 0: there was none
  Fields headers;
  std::string body;
  bool whole = false;
  bool chunked = false;

  std::string header(std::string_view name) const;
};

class TestClient {
 public:
  // `room`: of the kernel's buffers for what was not read yet; 0: what it likes.
  TestClient(base::Loop& loop, int port, int room = 0);
  TestClient(TestClient&&) = default;

  // False: it has failed, and why is in problem().
  bool start_tls(const ClientTls& tls = {});
  const std::string& problem() const { return problem_; }
  SSL* session() { return ssl_.get(); }

  void send(const std::string& bytes);
  // As much as the server takes without waiting.
  std::size_t send_some(const std::string& bytes);
  // The next response; `to_head`: it has no body.
  Answer answer(bool to_head = false);
  Answer ask(const std::string& request) {
    send(request);
    return answer();
  }
  // At least so much, or what there is until the end.
  std::string read(std::size_t size);
  std::string read_to_end();
  // What has come by now.
  std::string received();
  bool ended();       // the server has closed
  void end_output();  // TLS: and a word of it
  void close() { fd_.reset(); }
  int descriptor() const { return fd_.get(); }
  void reset();  // the server gets ECONNRESET

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  bool fill();  // false: nothing came now
  bool wait_for(const std::function<bool()>& done) { return pump(*loop_, done); }

  base::Loop* loop_;
  base::UniqueFd fd_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  std::string input_;
  bool ended_ = false;
  std::string problem_;
};

// "GET /pods HTTP/1.1" with a Host.
std::string get(const std::string& target, const std::string& more_headers = {});
std::string request(const std::string& method, const std::string& target, const std::string& more_headers = {},
                    const std::string& body = {});

}  // namespace keelson::server::testing
