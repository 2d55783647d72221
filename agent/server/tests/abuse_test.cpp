// Slow, rude and broken clients: no crash, no leak, and everybody else is served.
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <random>

#include "agent/server/tests/server_fixture.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::server::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

using AbuseTest = ServerTest;

TEST_F(AbuseTest, ASlowHeadEndsAfterItsTime) {
  start();
  TestClient slow = connect_plain();
  slow.send("GET /pods HTTP/1.1\r\nHost: n\r\n");
  pump(loop_, [&] { return clock_.next_deadline() <= clock_.after(32s); });
  for (int i = 0; i < 31; ++i) {
    clock_.advance(1s);
    slow.send("a: b\r\n");
    ASSERT_FALSE(slow.ended()) << i;
  }
  clock_.advance(1s);
  EXPECT_TRUE(slow.ended()) << "each byte does not begin a new time";
  EXPECT_EQ(read_only_->connections(), 0u);
}

TEST_F(AbuseTest, WhoHasWaitedLongestMakesRoom) {
  ServerOptions options;
  options.max_connections = 5;
  start({}, options);
  std::vector<TestClient> slow;
  for (std::size_t i = 0; i < 5; ++i) {
    slow.push_back(connect_plain());
    slow.back().send("GET /");
    pump(loop_, [&] { return read_only_->connections() == i + 1; });
  }
  TestClient client = connect_plain();
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
  EXPECT_TRUE(slow[0].ended());
  EXPECT_FALSE(slow[1].ended());
  EXPECT_EQ(read_only_->connections(), 5u);
}

base::Task<void> wait_for(base::Notification* bell) { co_await bell->wait(); }

base::Task<void> answer_with(Reply* reply, std::size_t size) {
  Response response;
  response.body.assign(size, 'x');
  (void)co_await reply->send(std::move(response));
}

TEST_F(AbuseTest, WhenAllAreAtWorkNewConnectionsAreClosed) {
  base::Notification never(loop_);
  plug(endpoint::pods, [&](const Request&, Reply&) { return wait_for(&never); });
  ServerOptions options;
  options.max_connections = 3;
  start({}, options);
  std::vector<TestClient> busy;
  for (int i = 0; i < 3; ++i) {
    busy.push_back(connect_plain());
    busy.back().send(get("/pods"));
  }
  pump(loop_, [&] {
    std::uint64_t in_flight = 0;
    for (const auto& [kind, requests] : metrics_.requests) in_flight += requests.in_flight;
    return in_flight == 3;
  });
  TestClient refused = connect_plain();
  EXPECT_EQ(refused.read_to_end(), "");
  busy.pop_back();  // closes it
  clock_.advance(10s);
  pump(loop_, [&] { return read_only_->connections() == 2; });
  TestClient served = connect_plain();
  EXPECT_EQ(served.ask(get("/healthz")).status, 200);
  stop();
}

TEST_F(AbuseTest, OversizedHeadersAreRefused) {
  start();
  for (const bool secure : {false, true}) {
    TestClient one = secure ? connect(ClientTls()) : connect_plain();
    one.send("GET /pods HTTP/1.1\r\nHost: n\r\nX: " + std::string(1'100'000, 'x') + "\r\n\r\n");
    const Answer answer = one.answer();
    EXPECT_EQ(answer.status, 431);
    EXPECT_EQ(answer.body, "431 Request Header Fields Too Large");
  }
  TestClient many = connect_plain();
  std::string fields;
  for (int i = 0; i < 200'000; ++i) fields += "a: b\r\n";
  many.send("GET /pods HTTP/1.1\r\nHost: n\r\n" + fields + "\r\n");
  EXPECT_EQ(many.answer().status, 431);
  TestClient target = connect_plain();
  target.send("GET /" + std::string(1'100'000, 'x') + " HTTP/1.1\r\nHost: n\r\n\r\n");
  EXPECT_EQ(target.answer().status, 431);
  TestClient allowed = connect_plain();
  EXPECT_EQ(allowed.ask(get("/pods", "X: " + std::string(1'000'000, 'x') + "\r\n")).status, 200);
}

TEST_F(AbuseTest, UnfinishedHeadsTogetherHaveALimit) {
  ServerOptions options;
  options.input_limit = 300'000;
  start({}, options);
  std::vector<TestClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect_plain());
    clients.back().send("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x'));
    base::testing::drain(loop_);
  }
  EXPECT_EQ(clients.back().answer().status, 503);
  TestClient small = connect_plain();
  EXPECT_EQ(small.ask(get("/pods")).status, 200) << "who has little to say is still heard";
  clients.clear();
  pump(loop_, [&] { return read_only_->connections() == 1; });
  TestClient again = connect_plain();
  EXPECT_EQ(again.ask(get("/pods", "X: " + std::string(200'000, 'x') + "\r\n")).status, 200)
      << "what is gone counts no more";
}

TEST_F(AbuseTest, ManySmallFieldsCountForWhatTheyCost) {
  base::Notification never(loop_);
  plug(endpoint::pods, [&](const Request&, Reply&) { return wait_for(&never); });
  ServerOptions options;
  options.input_limit = 2'000'000;
  start({}, options);
  std::string fields;
  for (int i = 0; i < 9000; ++i) fields += "a: b\r\n";
  std::vector<TestClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect_plain());
    clients.back().send(get("/pods", fields));
    base::testing::drain(loop_);
  }
  EXPECT_EQ(clients.back().answer().status, 503) << "of " << clients.size() * fields.size() << " bytes";
  stop();
}

TEST_F(AbuseTest, ABodyCountsForAsLongAsItIsHeld) {
  base::Notification never(loop_);
  plug(endpoint::run, [&](const Request&, Reply&) { return wait_for(&never); });
  ServerOptions options;
  options.input_limit = 300'000;
  start({}, options);
  const std::string large = request("POST", "/run/a/b/c", "", std::string(200'000, 'x'));
  TestClient first = connect();
  first.send(large);
  base::testing::drain(loop_);
  first.send("GET /");  // what comes after it changes nothing
  base::testing::drain(loop_);
  TestClient second = connect();
  second.send(large);
  EXPECT_EQ(second.answer().status, 413);
  stop();
}

TEST_F(AbuseTest, AnAnswerThatNobodyTakesIsHeldForMinutesOnly) {
  plug(endpoint::pods, [](const Request&, Reply& reply) { return answer_with(&reply, 30'000'000); });
  start();
  TestClient idle(loop_, read_only_->port(), 4096);
  idle.send(get("/pods"));
  pump(loop_, [&] { return clock_.next_deadline() <= clock_.after(5min); });
  clock_.advance(4min);
  base::testing::drain(loop_);
  EXPECT_EQ(read_only_->connections(), 1u);
  clock_.advance(2min);
  pump(loop_, [&] { return read_only_->connections() == 0; });
  // One that takes it, however long that takes, gets all of it.
  TestClient slow(loop_, read_only_->port(), 4096);
  slow.send(get("/pods"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_GE(slow.read(1'000'000).size(), 1'000'000u);
    clock_.advance(4min);
  }
  EXPECT_GE(slow.read(15'000'000).size(), 15'000'000u);
}

TEST_F(AbuseTest, MalformedUpgradesAreOrdinaryRequestsOrRefused) {
  start();
  const std::pair<std::string, int> rows[] = {
      {get("/exec/a/b/c", "Upgrade: websocket\r\n"), 401},
      {get("/exec/a/b/c", "Connection: Upgrade\r\nUpgrade: \r\n"), 401},
      {get("/exec/a/b/c", "Connection: ,,\r\nUpgrade: websocket\r\n"), 401},
      {get("/exec/a/b/c",
           "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: "
           "base64url.bearer.authorization.k8s.io.\xff\xfe\r\n"),
       401},
      {get("/exec/a/b/c",
           "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: a, "
           "base64url.bearer.authorization.k8s.io." +
               std::string(300'000, 'A') + "\r\n"),
       401},
      {get("/exec/a/b/c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"), 401},
      {get("/exec/a/b/c", "Connection: a b\r\nUpgrade: x\r\n"), 400},
      {request("POST", "/exec/a/b/c",
               "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 5\r\n"
               "Content-Length: 6\r\n"),
       400}};
  for (const auto& [text, status] : rows) {
    TestClient client = connect(ClientTls());
    EXPECT_EQ(client.ask(text).status, status) << text.substr(0, 200);
  }
  EXPECT_EQ(echo_.calls, 0);
}

TEST_F(AbuseTest, PipelinedFloodsOfStrangersAreAnsweredInTurn) {
  start();
  TestClient flood = connect(ClientTls());
  std::string many;
  for (int i = 0; i < 3000; ++i) many += get("/pods");
  TestClient other = connect();
  std::size_t sent = 0;
  while (sent < many.size()) {
    const std::size_t size = flood.send_some(many.substr(sent));
    sent += size;
    if (size == 0) break;  // it reads none of its answers
  }
  EXPECT_EQ(other.ask(get("/pods")).status, 200);
  flood.reset();
  pump(loop_, [&] { return server_->connections() == 1; });
}

TEST_F(AbuseTest, AStrangerWhoReadsNothingIsLeftAfterHalfAMinute) {
  start();
  TestClient flood(loop_, server_->port(), 4096);
  ASSERT_TRUE(flood.start_tls());
  std::string many;
  for (int i = 0; i < 100; ++i) many += get("/pods");
  const auto requests = [&] {
    std::uint64_t total = 0;
    for (const auto& [kind, counts] : metrics_.requests) total += counts.total;
    return total;
  };
  // Until nothing that is sent is answered any more.
  std::uint64_t before = 0;
  do {
    before = requests();
    (void)flood.send_some(many);
    base::testing::drain(loop_);
  } while (requests() > before);
  EXPECT_EQ(server_->connections(), 1u);
  clock_.advance(31s);
  pump(loop_, [&] { return server_->connections() == 0; });
}

TEST_F(AbuseTest, RandomBytesDoNothing) {
  start();
  std::mt19937 random(20261126);
  const std::vector<std::string> seeds = {
      get("/pods"), request("POST", "/stats/summary", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n",
      get("/exec/a/b/c", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: a,b\r\n")};
  for (int round = 0; round < 200; ++round) {
    std::string bytes = seeds[random() % seeds.size()];
    if (round % 4 == 0) bytes.assign(random() % 3000, '\0');
    const std::size_t changes = round % 4 == 0 ? bytes.size() : 1 + random() % 6;
    for (std::size_t i = 0; i < changes && !bytes.empty(); ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    }
    TestClient plain = connect_plain();
    plain.send(bytes);
    TestClient raw(loop_, server_->port());
    raw.send(bytes);
    if (round % 10 == 0) {
      TestClient secure = connect(ClientTls());
      secure.send(bytes);
      secure.end_output();
      (void)secure.read_to_end();
    }
    plain.end_output();
    raw.end_output();
    (void)plain.read_to_end();
    (void)raw.read_to_end();
  }
  base::testing::drain(loop_);
  clock_.advance(5min);
  EXPECT_EQ(server_->connections() + read_only_->connections(), 0u);
  TestClient client = connect();
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
}

TEST_F(AbuseTest, TlsThatIsCutOrSpoiledAtAnyPlaceDoesNothing) {
  start();
  // A real ClientHello, recorded from a client of ours.
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* session = SSL_new(context);
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(session, BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(session);
  SSL_do_handshake(session);
  const std::string recorded = kube::openssl::text_of(out);
  SSL_free(session);
  SSL_CTX_free(context);
  ASSERT_GT(recorded.size(), 100u);
  for (std::size_t cut = 1; cut < recorded.size(); cut += 13) {
    TestClient client(loop_, server_->port());
    client.send(recorded.substr(0, cut));
    client.end_output();
    (void)client.read_to_end();
    std::string spoiled = recorded;
    spoiled[cut] = static_cast<char>(spoiled[cut] ^ 0x55);
    TestClient other(loop_, server_->port());
    other.send(spoiled);
    other.end_output();
    (void)other.read_to_end();
  }
  pump(loop_, [&] { return server_->connections() == 0; });
  TestClient client = connect();
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
}

TEST_F(AbuseTest, NothingIsLeftOfManyConnections) {
  start();
  { EXPECT_EQ(connect().ask(get("/pods")).status, 200); }
  pump(loop_, [&] { return server_->connections() == 0; });
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    TestClient client = connect(ClientTls());
    client.send(get("/pods"));
    if (i % 2 == 0) (void)client.answer();
    if (i % 3 == 0) client.reset();
  }
  pump(loop_, [&] { return server_->connections() == 0; });
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(clock_.sleepers(), 0u) << "no timer is left either";
}

// In a process of its own, so that what we hold can be told from what it does: connects, asks once on each connection,
// says so with a byte, and stays until it is killed.
pid_t start_crowd(int port, int count, int say) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string asked = get("/pods");
  char answer[1000];
  for (int i = 0; i < count; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    SSL* session = SSL_new(context);
    SSL_set_fd(session, fd);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const bool good = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                      SSL_connect(session) == 1 &&
                      SSL_write(session, asked.data(), static_cast<int>(asked.size())) > 0 &&
                      SSL_read(session, answer, sizeof answer) > 0;
    if (!good) ::_exit(1);
  }
  const char done = 'x';
  (void)!::write(say, &done, 1);
  while (true) ::pause();
}

TEST_F(AbuseTest, AnIdleTlsConnectionHoldsLittle) {
  constexpr int kCount = 200;
  start();
  { EXPECT_EQ(connect(ClientTls()).ask(get("/pods")).status, 401); }
  pump(loop_, [&] { return server_->connections() == 0; });
  int say[2];
  ASSERT_EQ(::pipe2(say, O_NONBLOCK), 0);
  const std::size_t before = ::mallinfo2().uordblks;
  const pid_t crowd = start_crowd(server_->port(), kCount, say[1]);
  ASSERT_GT(crowd, 0);
  char byte = 0;
  pump(loop_, [&] { return ::read(say[0], &byte, 1) == 1; });
  EXPECT_EQ(server_->connections(), static_cast<std::size_t>(kCount));
  const std::size_t after = ::mallinfo2().uordblks;
  EXPECT_LT((after - before) / kCount, 32'000u) << "bytes for each connection";
  ::kill(crowd, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(crowd, &status, 0), crowd);
  pump(loop_, [&] { return server_->connections() == 0; });
  ::close(say[0]);
  ::close(say[1]);
}

TEST_F(AbuseTest, APortThatIsTakenIsAnError) {
  start();
  Server second(loop_, clock_, log_, *read_only_router_, metrics_);
  ServerOptions options;
  options.address = "127.0.0.1";
  options.port = read_only_->port();
  const Status started = second.start(options, nullptr, Access());
  ASSERT_FALSE(started.ok());
  EXPECT_THAT(started.error().to_string(), HasSubstr("listen tcp 127.0.0.1:" + std::to_string(options.port)));
  Server third(loop_, clock_, log_, *read_only_router_, metrics_);
  options.address = "node.example";
  EXPECT_FALSE(third.start(options, nullptr, Access()).ok());
}

TEST_F(AbuseTest, TheUnspecifiedAddressIsEveryAddress) {
  start();
  Server everywhere(loop_, clock_, log_, *read_only_router_, metrics_);
  ServerOptions options;
  options.port = 0;
  ASSERT_TRUE(everywhere.start(options, nullptr, Access()).ok());
  TestClient client(loop_, everywhere.port());
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
  EXPECT_EQ(echo_.last->remote, "127.0.0.1") << "not as an IPv6 address";
  bool stopped = false;
  base::Gate gate(loop_);
  struct Stop {
    static base::Task<void> run(Server* server, bool* done) {
      co_await server->stop();
      *done = true;
    }
  };
  base::spawn(gate, "stop", Stop::run(&everywhere, &stopped));
  pump(loop_, [&] { return gate.tasks() == 0; });
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace keelson::server::testing
