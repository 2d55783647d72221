// TestServer: a gRPC server on a unix socket whose every call is answered by one function of the test.
//
// Owner: the test. The handler runs on gRPC's threads. stop() ends calls in flight. restart() serves the same path
// again.
#pragma once

#include <google/protobuf/message.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace keelson::cri {

struct TestAnswer {
  int code = 0;
  std::string message;
};

class TestServer {
 public:
  using Message = google::protobuf::Message;
  // `method` is the last part of the path. For streams the response is written after each call that returns code 0; the
  // stream ends when the code is not 0, kEndStream ending it well.
  using Handler = std::function<TestAnswer(const std::string& method, const Message& request, Message& response)>;
  static constexpr int kEndStream = 1000;
  // Answering with this code keeps the call open until it is cancelled or the server stops.
  static constexpr int kHang = 1001;

  explicit TestServer(Handler handler);
  ~TestServer();
  void stop();
  void start();
  const std::string& path() const { return path_; }
  std::string endpoint() const { return "unix://" + path_; }
  int cancelled() const { return cancelled_; }
  std::string authority() const { return authority_; }
  // Hanging calls in progress.
  int hanging() const { return hanging_; }

  struct Impl;

 private:
  friend struct Impl;
  std::string directory_;
  std::string path_;
  Handler handler_;
  std::atomic<int> cancelled_{0};
  std::atomic<int> hanging_{0};
  std::atomic<bool> stopping_{false};
  std::string authority_;
  std::unique_ptr<Impl> impl_;
};

// A directory under /tmp that goes with its content.
std::string make_temporary_directory();
void remove_temporary_directory(const std::string& path);

}  // namespace keelson::cri
