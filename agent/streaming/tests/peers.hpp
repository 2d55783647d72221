// What the tests of streams play with: a client behind a fake Reply, a runtime's streaming server on loopback, and
// bytes that show where they belong. Real sockets on the test's loop, limits on virtual time.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/server/message.hpp"
#include "agent/streaming/upgrade_proxy.hpp"
#include "base/gate.hpp"

namespace keelson::streaming::testing {

using namespace std::chrono_literals;

using Socket = boost::asio::generic::stream_protocol::socket;

// The bytes of a long stream from `offset` on; no two places close to each other look alike.
std::string pattern(std::uint64_t offset, std::size_t size);

// One end of a connection, as a test plays it.
class Peer : public std::enable_shared_from_this<Peer> {
 public:
  Peer(base::Gate& gate, Socket socket) : gate_(gate), socket_(std::move(socket)) {}

  void read_on();                                // from now on all that comes goes to `received`
  void read_pattern();                           // or is compared with pattern() and counted
  void skip(std::size_t size) { skip_ = size; }  // of what read_pattern() reads first
  void send(std::string bytes);                  // after what is being sent
  void send_pattern(std::uint64_t size);
  void end();  // half-close, after what is being sent
  void close();
  void reset();  // RST where there is such a thing

  std::string received;
  std::uint64_t count = 0;  // bytes that came
  std::uint64_t sent = 0;   // bytes that the kernel has taken
  bool matches = true;      // all that was compared was right
  bool ended = false;       // the other side has sent its end
  bool broken = false;      // or the connection broke

 private:
  static base::Task<void> read(std::shared_ptr<Peer> self, bool compare);
  static base::Task<void> write(std::shared_ptr<Peer> self);
  void begin_writing();

  base::Gate& gate_;
  Socket socket_;
  std::deque<std::string> to_send_;
  std::uint64_t pattern_left_ = 0;
  std::uint64_t pattern_at_ = 0;
  std::size_t skip_ = 0;
  bool end_wanted_ = false;
  bool writing_ = false;
};

// The agent's end of the client's connection.
class FakeStream final : public server::ByteStream {
 public:
  FakeStream(Socket socket, std::string early) : socket_(std::move(socket)), early_(std::move(early)) {}
  ~FakeStream() override { close(); }

  base::Task<Result<std::string>> read_some(std::size_t limit) override;
  base::Task<Status> write(std::string bytes) override;
  base::Task<void> shut_down_write() override;
  void close() override;

  static std::size_t largest_read;  // that was asked for
  static std::size_t largest_write;

 private:
  Socket socket_;
  std::string early_;
  bool closed_ = false;
};

class FakeReply final : public server::Reply {
 public:
  // A connection whose other end is `client`.
  explicit FakeReply(base::Gate& gate);

  base::Task<Status> send(server::Response response) override;
  base::Task<Status> begin(server::Response) override;
  base::Task<Status> write(std::string) override;
  base::Task<Status> finish() override;
  std::unique_ptr<server::ByteStream> take_over() override;

  std::shared_ptr<Peer> client;
  std::string early;  // what came after the request
  std::optional<server::Response> answer;
  bool taken_over = false;

 private:
  Socket agent_end_;
};

// What the runtime's server does with a connection.
struct Behaviour {
  std::string answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n";
  enum class Then { talk, close, reset, keep } then = Then::talk;  // talk: as `peer` is told; keep: nothing any more
};

class RuntimeServer {
 public:
  explicit RuntimeServer(base::Gate& gate);

  std::string url(const std::string& target = "/exec/token") const;
  int port() const { return port_; }
  void stop_listening();

  Behaviour behaviour;
  std::string request;         // of the last connection, with all that came with it
  std::shared_ptr<Peer> peer;  // the last connection, once its request came
  std::size_t connections = 0;

 private:
  static base::Task<void> accept(RuntimeServer* self);
  static base::Task<void> serve(RuntimeServer* self, boost::asio::ip::tcp::socket socket);

  base::Gate& gate_;
  boost::asio::ip::tcp::acceptor acceptor_;
  int port_ = 0;
};

// A POST of a SPDY client.
server::Request upgrade_to(const std::string& path);

// Open descriptors of this process.
std::size_t descriptors();

struct StreamTest : ::testing::Test {
  ~StreamTest() override;

  // Runs the loop until it holds; false after a minute.
  bool until(const std::function<bool()>& done);
  // Runs the loop until nothing has happened for a while.
  void settle();
  // A reply that lives as long as its handler may.
  FakeReply& new_reply() { return *replies.emplace_back(std::make_unique<FakeReply>(gate)); }
  void begin(server::Reply& reply, std::string url);
  // No session is left, nor a task of the tests'.
  bool over() { return proxy.sessions() == 0; }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::BlockingPool pool{loop, clock, 2};
  base::Gate gate{loop};      // the peers'
  base::Gate handlers{loop};  // the handlers'
  UpgradeProxy proxy{loop, clock, pool, base::Logger()};
  RuntimeServer runtime{gate};
  server::Request request = upgrade_to("/exec/default/web/main");
  std::vector<std::unique_ptr<FakeReply>> replies;
};

}  // namespace keelson::streaming::testing
