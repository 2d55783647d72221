// WireServer: an HTTP/2 server on a unix socket that does on each stream what a test's script says, down to what no
// real gRPC server does.
//
// Owner: the test. A thread of its own serves connections, one after another; the script runs there. Streams answer
// when their request has come whole.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.hpp"

namespace keelson::cri {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct WireAnswer {
  Fields headers{{":status", "200"}, {"content-type", "application/grpc"}};
  std::string data;
  bool trailers = true;  // false: the stream ends with its data
  Fields trailer_fields{{"grpc-status", "0"}};
  bool only_headers = false;  // the headers end the stream
  std::uint32_t reset = 0;    // instead of all that
  bool go_away = false;       // says GOAWAY, naming the stream before as the last it has heeded
  bool hang_up = false;       // closes the connection
};

class WireServer {
 public:
  // `call` counts from 0, over all connections.
  using Script = std::function<WireAnswer(int call, const std::string& path, const std::string& request)>;

  explicit WireServer(Script script);
  ~WireServer();
  std::string path() const { return directory_ + "/wire.sock"; }
  int connections() const { return connections_; }
  // How many are to be closed before their first byte.
  void refuse(int connections) { refused_ = connections; }

 private:
  struct Session;
  void serve(int peer);

  std::string directory_;
  Script script_;
  base::UniqueFd listener_;
  std::atomic<int> connections_{0};
  std::atomic<int> refused_{0};
  std::atomic<int> calls_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// A message with its prefix.
std::string framed(const std::string& message);

}  // namespace keelson::cri
