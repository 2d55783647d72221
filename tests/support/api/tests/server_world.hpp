// ServerWorld: a FakeApiServer on a loop of its own thread, before a backend with simple answers, and curl as client.
//
// Owner: a test. Thread: the test's; at() runs something on the loop and waits for it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/sync.hpp"
#include "tests/support/api/fake_api_server.hpp"

namespace keelson::fakes::testing {

// Answers by the first word of the path:
//   /echo/...    METHOD, user, groups and body
//   /big/N       N bytes
//   /endless     a stream that never ends
//   /watch       a stream of what say() gives, until hang_up()
//   /wait        answered by release()
//   /reset       the connection breaks
//   /cut/N       N bytes of 1000, then the connection breaks
class TestBackend final : public ApiHandler {
 public:
  explicit TestBackend(base::Loop& loop) : loop_(loop), released_(loop) {}

  base::Task<ApiAnswer> handle(ApiRequest request) override;
  std::optional<ApiUser> user_of_token(const std::string& token) const override;

  void say(const std::string& text);
  void hang_up();
  void release();
  std::atomic<std::size_t> produced{0};  // bytes of /endless
  std::atomic<std::size_t> watches{0};   // open ones
  std::atomic<std::size_t> waiting{0};   // requests of /wait

 private:
  friend class WatchStream;
  base::Loop& loop_;
  bool open_ = true;
  bool out_ = false;
  base::Notification released_;
  std::list<base::Mailbox<std::string>*> listeners_;
};

struct CurlAnswer {
  int exit_code = -1;
  std::string out;
};

// A curl that runs; its output is read as it comes.
class Curl {
 public:
  explicit Curl(const std::string& command);
  ~Curl();
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;
  // The next `size` bytes, fewer at the end.
  std::string read(std::size_t size);
  CurlAnswer finish();

 private:
  FILE* pipe_;
};

class ServerWorld : public ::testing::Test {
 protected:
  explicit ServerWorld(FakeApiServerOptions options = {});
  ~ServerWorld() override;

  // Runs on the loop and gives its answer.
  template <class Function>
  auto at(Function function) {
    std::promise<decltype(function())> promise;
    auto future = promise.get_future();
    loop_.post([&promise, &function] {
      if constexpr (std::is_void_v<decltype(function())>) {
        function();
        promise.set_value();
      } else {
        promise.set_value(function());
      }
    });
    return future.get();
  }
  // Asks the loop until it is so; false after ten seconds.
  bool eventually(const std::function<bool()>& so);

  std::string command(const std::string& arguments) const;  // curl with our CA; $URL is the server's
  CurlAnswer curl(const std::string& arguments) { return Curl(command(arguments)).finish(); }
  std::string file(const std::string& name, const std::string& content) const;
  // "--cert FILE --key FILE" of a new certificate.
  std::string certificate(const FakeCa& ca, const CertificateWish& wish) const;
  FakeApiServerCounts counts() {
    return at([this] { return server_->counts(); });
  }

  std::string directory_;
  base::Loop loop_;
  FakeCa ca_ = FakeCa::create();
  std::unique_ptr<TestBackend> backend_;
  std::unique_ptr<FakeApiServer> server_;
  std::unique_ptr<base::Gate> gate_;
  std::thread thread_;
};

}  // namespace keelson::fakes::testing
