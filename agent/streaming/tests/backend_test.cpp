#include "agent/streaming/backend.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "agent/streaming/tests/peers.hpp"
#include "base/tests/tasks.hpp"
#include "kube-client/x509.hpp"

namespace keelson::streaming::testing {
namespace {

namespace asio = base::asio;
using Tcp = asio::ip::tcp;
using Dialed = Result<std::unique_ptr<Backend>>;
using ::testing::HasSubstr;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// Says what it hears, once, over TLS; then ends.
base::Task<void> echo_once(Tcp::acceptor* acceptor, asio::ssl::context* context) {
  auto [error, socket] = co_await acceptor->async_accept(kTuple);
  if (error) co_return;
  asio::ssl::stream<Tcp::socket> stream(std::move(socket), *context);
  const auto [failure] = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
  if (failure) co_return;
  std::string buffer(1000, '\0');
  const auto [broken, size] = co_await stream.async_read_some(asio::buffer(buffer), kTuple);
  if (broken) co_return;
  co_await asio::async_write(stream, asio::buffer(buffer.data(), size), kTuple);
}

base::Task<std::string> say(Backend* backend, std::string words) {
  const Status written = co_await backend->write(words.data(), words.size());
  if (!written.ok()) co_return written.error().to_string();
  std::string all;
  char buffer[1000];
  for (;;) {
    const auto count = co_await backend->read_some(buffer, sizeof buffer);
    if (!count.ok()) co_return count.error().to_string();
    if (*count == 0) co_return all;
    all.append(buffer, *count);
  }
}

class BackendTlsTest : public StreamTest {
 protected:
  BackendTlsTest() : file_("/tmp/keelson-streaming-ca." + std::to_string(::getpid()) + ".pem") {
    const auto pair = kube::make_self_signed("127.0.0.1", std::chrono::system_clock::now());
    KEELSON_CHECK(pair.ok());
    std::ofstream(file_) << pair->certificate_pem;
    context_.use_certificate_chain(asio::buffer(pair->certificate_pem));
    context_.use_private_key(asio::buffer(pair->key_pem), asio::ssl::context::pem);
    base::spawn(gate, "tls server", echo_once(&acceptor_, &context_));
  }
  ~BackendTlsTest() override {
    EXPECT_TRUE(base::testing::stop_now(loop, gate));  // its server uses what is ours
    ::unsetenv("SSL_CERT_FILE");
    std::remove(file_.c_str());
  }
  Destination server() {
    Destination to;
    to.tls = true;
    to.host = "127.0.0.1";
    to.port = std::to_string(acceptor_.local_endpoint().port());
    to.target = "/";
    return to;
  }
  Dialed connect() { return base::testing::run_real(loop, dial(loop, clock, pool, server(), 30s, nullptr)); }

  std::string file_;
  asio::ssl::context context_{asio::ssl::context::tls_server};
  Tcp::acceptor acceptor_{loop.context(), Tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
};

TEST_F(BackendTlsTest, SpeaksTlsToAServerThatTheSystemTrusts) {
  ::setenv("SSL_CERT_FILE", file_.c_str(), 1);
  const auto backend = connect();
  ASSERT_TRUE(backend.ok()) << backend.error().to_string();
  EXPECT_EQ(base::testing::run_real(loop, say((*backend).get(), "hello")), "hello");
}

TEST_F(BackendTlsTest, RefusesACertificateThatTheSystemDoesNotTrust) {
  const auto backend = connect();
  ASSERT_FALSE(backend.ok());
  EXPECT_THAT(backend.error().to_string(), HasSubstr("certificate verify failed"));
}

using BackendTest = StreamTest;

TEST_F(BackendTest, TriesAllAddressesOfAName) {
  Destination to;
  to.host = "localhost";
  to.port = std::to_string(runtime.port());
  const auto backend = base::testing::run_real(loop, dial(loop, clock, pool, to, 30s, nullptr));
  ASSERT_TRUE(backend.ok()) << backend.error().to_string();
  EXPECT_TRUE(until([&] { return runtime.connections == 1; }));
}

TEST_F(BackendTest, FailsWhatIsPendingWhenItIsClosed) {
  const auto to = destination_of(runtime.url());
  auto dialed = base::testing::run_real(loop, dial(loop, clock, pool, *to, 30s, nullptr));
  ASSERT_TRUE(dialed.ok());
  auto words = std::make_shared<std::optional<std::string>>();
  base::spawn(handlers, "say", base::internal::keep_result<std::string>(say((*dialed).get(), "x"), words));
  settle();
  EXPECT_FALSE(words->has_value());
  (*dialed)->close();
  ASSERT_TRUE(until([&] { return words->has_value(); }));
  EXPECT_THAT(**words, HasSubstr("read from the runtime: "));
}

}  // namespace
}  // namespace keelson::streaming::testing
