#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include <filesystem>

#include "api/int_or_string.hpp"
#include "probes/grpc_health.hpp"
#include "probes/grpc_message.hpp"
#include "probes/network_transport.hpp"
#include "probes/prober.hpp"
#include "probes/tests/fixture.hpp"
#include "probes/tests/grpc_server.hpp"

namespace keelson::probes::testing {
namespace {

std::string shown(const Attempt& attempt) {
  return std::string(to_string(attempt.outcome)) + (attempt.errored ? " error: " : ": ") + attempt.text;
}

struct FakeRunner final : CommandRunner {
  std::vector<CommandOutcome> outcomes;  // the last one again and again
  std::vector<std::string> calls;

  base::Task<CommandOutcome> run(std::string container_id, std::vector<std::string> command,
                                 std::chrono::seconds limit) override {
    std::string call = container_id + " " + std::to_string(limit.count());
    for (const auto& word : command) call += " " + word;
    calls.push_back(call);
    const CommandOutcome outcome = outcomes.front();
    if (outcomes.size() > 1) outcomes.erase(outcomes.begin());
    co_return outcome;
  }
};

struct TransportTest : NetworkTest {
  Attempt attempt(Action action) {
    NetworkTransport transport(network, runner);
    auto errand = std::make_shared<const Errand>(Errand{{"uid", "main", Kind::liveness}, std::move(action)});
    return run(transport.attempt(errand));
  }
  HttpGet http(int port) {
    HttpGet get;
    get.url = make_url("http", "127.0.0.1", port, "/");
    get.limit = 1s;
    return get;
  }
  FakeRunner runner;
};

TEST_F(TransportTest, JudgesCommands) {
  using Kind = CommandOutcome::Kind;
  struct Row {
    CommandOutcome outcome;
    std::string attempt;
  };
  const Row rows[] = {
      {{Kind::exited, 0, "fine\n", ""}, "success: fine\n"},
      {{Kind::exited, 1, "nope\n", ""}, "failure: nope\n"},
      {{Kind::exited, 127, "", ""}, "failure: "},
      {{Kind::timed_out, 0, "", "command \"sleep 9\" timed out"}, "failure: command \"sleep 9\" timed out"},
      {{Kind::failed, 0, "", "rpc error"}, "unknown error: rpc error"},
      {{Kind::exited, 1, std::string(20'000, 'x'), ""}, "failure: " + std::string(10'240, 'x')},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.attempt);
    runner.outcomes = {row.outcome};
    EXPECT_EQ(shown(attempt(ExecAction{"c1", {"cat", "/x"}, 7s})), row.attempt);
  }
  EXPECT_EQ(runner.calls.front(), "c1 7 cat /x");
}

TEST_F(TransportTest, JudgesHttp) {
  struct Row {
    std::string answer;
    std::string attempt;
  };
  const auto with = [](int status) {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 2\r\n\r\nhi";
  };
  const Row rows[] = {
      {with(200), "success: hi"},
      {with(299), "success: hi"},
      {with(304), "warning: Probe terminated redirects, Response body: "},
      {with(399), "warning: Probe terminated redirects, Response body: hi"},
      {with(400), "failure: HTTP probe failed with statuscode: 400"},
      {with(500), "failure: HTTP probe failed with statuscode: 500"},
      {"HTTP/1.1 199 X\r\n\r\n",
       "failure: Get \"http://127.0.0.1:PORT/\": net/http: HTTP/1.x transport connection broken: "
       "unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "failure error: unexpected EOF"},
      {"", "failure: Get \"http://127.0.0.1:PORT/\": EOF"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.attempt);
    SmallServer& server = serve();
    server.answers(row.answer);
    std::string wanted = row.attempt;
    if (const auto at = wanted.find("PORT"); at != std::string::npos) {
      wanted.replace(at, 4, std::to_string(server.port()));
    }
    EXPECT_EQ(shown(attempt(http(server.port()))), wanted);
  }
}

TEST_F(TransportTest, ConnectsByTcp) {
  SmallServer& server = serve();
  EXPECT_EQ(shown(attempt(TcpAction{"127.0.0.1", server.port(), 1s})), "success: ");
  SmallServer& six = serve("::1");
  EXPECT_EQ(shown(attempt(TcpAction{"::1", six.port(), 1s})), "success: ");
  const int nobody = free_port(loop);
  EXPECT_EQ(shown(attempt(TcpAction{"127.0.0.1", nobody, 1s})),
            "failure: dial tcp 127.0.0.1:" + std::to_string(nobody) + ": connect: connection refused");
  EXPECT_EQ(shown(attempt(TcpAction{"nowhere.example", 1, 1s})),
            "failure: dial tcp: lookup nowhere.example: no such host");
}

TEST_F(TransportTest, LeavesNoDescriptorOpen) {
  SmallServer& server = serve();
  server.answers({Answer{{"HTTP/1.1 200 OK\r\n\r\n"}, Answer::End::close}});
  const int nobody = free_port(loop);
  const auto descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto before = descriptors();
  for (int i = 0; i < 10; ++i) {
    attempt(TcpAction{"127.0.0.1", server.port(), 1s});
    attempt(TcpAction{"127.0.0.1", nobody, 1s});
    attempt(http(server.port()));
    attempt(http(nobody));
    base::testing::drain(loop);
  }
  EXPECT_TRUE(base::testing::pump_until(loop, [&] { return descriptors() == before; }));
}

TEST_F(TransportTest, GivesUpAConnectionThatIsNotAnswered) {
  // A listener whose queue is full does not answer.
  namespace asio = boost::asio;
  using asio::ip::tcp;
  tcp::acceptor full(loop.context(), tcp::v4());
  full.bind(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  full.listen(0);
  const int port = full.local_endpoint().port();
  std::vector<tcp::socket> fill;
  for (int i = 0; i < 3; ++i) {
    fill.emplace_back(loop.context(), tcp::v4());
    fill.back().native_non_blocking(true);
    const auto to = full.local_endpoint();
    ::connect(fill.back().native_handle(), to.data(), static_cast<socklen_t>(to.size()));
  }
  bool asked = false;
  const auto begun = [&] {
    base::testing::drain(loop);
    return std::exchange(asked, true);
  };
  const Attempt attempt = run_late(attempt_tcp(network, TcpAction{"127.0.0.1", port, 3s}), begun, 3s);
  EXPECT_EQ(shown(attempt), "failure: dial tcp 127.0.0.1:" + std::to_string(port) + ": i/o timeout");
}

struct GrpcTest : TransportTest {
  ~GrpcTest() override {
    base::Gate gate(loop);
    base::spawn(gate, "stop", server.stop());
    EXPECT_TRUE(base::testing::pump_until(loop, [&] { return gate.tasks() == 0; }));
  }
  Attempt check(const std::string& service = "") {
    return attempt(GrpcAction{"127.0.0.1", server.port(), service, 1s});
  }
  static std::string health(int status) {
    std::string out("\0\0\0\0\2\x08", 6);
    return out + static_cast<char>(status);
  }
  GrpcServer server{loop};
};

TEST_F(GrpcTest, AsksAsTheKubeletDoes) {
  server.answer.message = health(1);
  EXPECT_EQ(shown(check("my.Service")), "success: service healthy");
  ASSERT_EQ(server.requests.size(), 1u);
  auto request = server.requests[0];
  ASSERT_EQ(request.back().first, "grpc-timeout");
  request.pop_back();
  EXPECT_EQ(request, (std::vector<std::pair<std::string, std::string>>{
                         {":method", "POST"},
                         {":scheme", "http"},
                         {":path", "/grpc.health.v1.Health/Check"},
                         {":authority", "127.0.0.1:" + std::to_string(server.port())},
                         {"content-type", "application/grpc"},
                         {"user-agent", "kube-probe/1.36"},
                         {"te", "trailers"}}));
  EXPECT_EQ(server.bodies[0], std::string("\0\0\0\0\x0c\x0a\x0amy.Service", 17));
  EXPECT_EQ(shown(check()), "success: service healthy");
  EXPECT_EQ(server.bodies[1], std::string("\0\0\0\0\0", 5));
}

TEST_F(GrpcTest, SaysWhatTheKubeletSays) {
  const std::string rpc = "failure: error: health rpc probe failed: rpc error: code = ";
  struct Row {
    const char* what;
    GrpcAnswer answer;
    std::string attempt;
  };
  const auto status = [](const std::string& message) {
    GrpcAnswer answer;
    answer.message = message;
    return answer;
  };
  const auto refusal = [](const std::string& code, const std::string& message) {
    GrpcAnswer answer;
    answer.headers.emplace_back("grpc-status", code);
    answer.headers.emplace_back("grpc-message", message);
    answer.trailers.clear();
    return answer;
  };
  const auto http = [](const std::string& code, const std::string& type) {
    GrpcAnswer answer;
    answer.headers = {{":status", code}};
    if (!type.empty()) answer.headers.emplace_back("content-type", type);
    answer.trailers.clear();
    return answer;
  };
  GrpcAnswer reset;
  reset.reset = NGHTTP2_REFUSED_STREAM;
  GrpcAnswer no_trailers = status(health(1));
  no_trailers.trailers.clear();
  GrpcAnswer hangs_up;
  hangs_up.hang_up = true;
  const Row rows[] = {
      {"unknown", status(health(0)), "failure: service unhealthy (responded with \"UNKNOWN\")"},
      {"no field", status(std::string(5, '\0')), "failure: service unhealthy (responded with \"UNKNOWN\")"},
      {"not serving", status(health(2)), "failure: service unhealthy (responded with \"NOT_SERVING\")"},
      {"service unknown", status(health(3)), "failure: service unhealthy (responded with \"SERVICE_UNKNOWN\")"},
      {"another", status(health(9)), "failure: service unhealthy (responded with \"9\")"},
      {"no such service", refusal("5", "unknown service"), rpc + "NotFound desc = unknown service"},
      {"unimplemented", refusal("12", "unknown service grpc.health.v1.Health"),
       "failure: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown "
       "service grpc.health.v1.Health"},
      {"encoded message", refusal("13", "50%25 %C3%A4 %zz"), rpc + "Internal desc = 50% \xc3\xa4 %zz"},
      {"deadline", refusal("4", "x"), "failure: timeout: health rpc did not complete within 1s"},
      {"strange code", refusal("99", "x"), rpc + "Code(99) desc = x"},
      {"no grpc", http("404", "text/plain"),
       "failure: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unexpected "
       "HTTP status code received from server: 404 (Not Found); transport: received unexpected content-type "
       "\"text/plain\""},
      {"bad gateway", http("502", ""),
       rpc + "Unavailable desc = unexpected HTTP status code received from server: 502 (Bad Gateway); malformed "
             "header: missing HTTP content-type"},
      {"reset", reset, rpc + "Unavailable desc = stream terminated by RST_STREAM with error code: REFUSED_STREAM"},
      {"no trailers", no_trailers, rpc + "Internal desc = server closed the stream without sending trailers"},
      {"cut message", status(std::string("\0\0\0\0\x09\x08", 6)),
       rpc + "Internal desc = grpc: failed to unmarshal the received message"},
      {"compressed", status(std::string("\1\0\0\0\x02\x08\x01", 7)),
       rpc + "Internal desc = grpc: failed to unmarshal the received message"},
      {"hangs up", hangs_up, rpc + "Unavailable desc = error reading from server: EOF"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    server.answer = row.answer;
    EXPECT_EQ(shown(check()), row.attempt);
  }
}

TEST_F(GrpcTest, WaitsForTheAnswerUntilItsLimit) {
  server.answer.silent = true;
  const Attempt attempt = run_late(
      check_health(network, GrpcAction{"127.0.0.1", server.port(), "", 2s}),
      [&] { return server.requests.size() == 1; }, 2s);
  EXPECT_EQ(shown(attempt), "failure: timeout: health rpc did not complete within 2s");
}

TEST_F(GrpcTest, TriesToConnectUntilItsLimit) {
  const int nobody = free_port(loop);
  bool asked = false;
  const auto begun = [&] {
    base::testing::drain(loop);
    return std::exchange(asked, true);
  };
  const Attempt refused = run_late(check_health(network, GrpcAction{"127.0.0.1", nobody, "", 2s}), begun, 2s);
  EXPECT_EQ(shown(refused), "failure: timeout: failed to connect service \"127.0.0.1:" + std::to_string(nobody) +
                                "\" within 2s: context deadline exceeded");
  // One that speaks something else is none to be connected to.
  SmallServer& other = serve();
  other.answers({Answer{{"HTTP/1.1 400 Bad Request\r\n\r\n"}, Answer::End::close, false}});
  const Attempt strange = run_late(
      check_health(network, GrpcAction{"127.0.0.1", other.port(), "", 1s}), [&] { return other.connections() == 1; },
      1s);
  EXPECT_TRUE(strange.text.starts_with("timeout: failed to connect service ")) << strange.text;
}

TEST(GrpcMessage, ReadsWhatServersMaySend) {
  const auto wrap = [](const std::string& message) {
    return std::string("\0\0\0\0", 4) + static_cast<char>(message.size()) + message;
  };
  EXPECT_EQ(decode_health_response(wrap("\x08\x01")), 1u);
  EXPECT_EQ(decode_health_response(wrap(std::string("\x12\x03"
                                                    "abc\x18\x05\x08\x02",
                                                    9))),
            2u);  // other fields, too
  EXPECT_EQ(decode_health_response(wrap("\x08\x81\x80\x80\x80\x10")), 0x100000001u);
  EXPECT_EQ(decode_health_response(wrap("\x08")), std::nullopt);
  EXPECT_EQ(decode_health_response(wrap("\x12\x09"
                                        "abc")),
            std::nullopt);
  EXPECT_EQ(decode_health_response(wrap("\x0b")), std::nullopt);
  EXPECT_EQ(decode_health_response(""), std::nullopt);
}

struct CountingTransport final : Transport {
  std::vector<Attempt> attempts;
  int calls = 0;
  base::Task<Attempt> attempt(std::shared_ptr<const Errand>) override {
    co_return attempts.at(static_cast<std::size_t>(calls++));
  }
};

TEST(Prober, TriesThreeTimesWhatErrs) {
  base::Loop loop;
  const Attempt error(Outcome::unknown, "rpc error", true);
  const Attempt failure(Outcome::failure, "no");
  struct Row {
    std::vector<Attempt> attempts;
    int calls;
    std::string outcome;
  };
  const Row rows[] = {
      {{failure, failure}, 1, "failure: no"},
      {{error, failure}, 2, "failure: no"},
      {{error, error, error, failure}, 3, "unknown error: rpc error"},
  };
  for (const Row& row : rows) {
    CountingTransport transport;
    transport.attempts = row.attempts;
    EXPECT_EQ(shown(base::testing::run_real(loop, attempt_with_tries(transport, nullptr))), row.outcome);
    EXPECT_EQ(transport.calls, row.calls);
  }
}

TEST(Prober, TellsUsersInTheKubeletsWords) {
  struct Row {
    Kind kind;
    Attempt attempt;
    std::string event;
  };
  const Row rows[] = {
      {Kind::readiness, {Outcome::success, "fine"}, ""},
      {Kind::readiness, {Outcome::failure, "nope\n"}, "Unhealthy Readiness probe failed: nope\n"},
      {Kind::liveness, {Outcome::failure, ""}, "Unhealthy Liveness probe failed: "},
      {Kind::startup, {Outcome::warning, "x"}, "ProbeWarning Startup probe warning: x"},
      {Kind::readiness,
       {Outcome::unknown, "rpc error: x", true},
       "Unhealthy Readiness probe errored and resulted in unknown state: rpc error: x"},
      {Kind::readiness,
       {Outcome::failure, "unexpected EOF", true},
       "Unhealthy Readiness probe errored and resulted in failure state: unexpected EOF"},
  };
  for (const Row& row : rows) {
    const auto event = event_of(row.kind, row.attempt);
    EXPECT_EQ(event ? event->reason + " " + event->message : "", row.event);
  }
}

TEST(Action, ComesFromThePod) {
  api::core::Container container;
  container.set_name("main");
  auto& port = *container.add_ports();
  port.set_name("web");
  port.set_containerport(8080);
  api::core::Probe probe;
  probe.set_timeoutseconds(3);
  EXPECT_EQ(make_action(probe, container, "c1", "10.0.0.1").error().message(),
            "missing probe handler for container main");

  probe.mutable_handler()->mutable_exec()->add_command("true");
  auto action = make_action(probe, container, "c1", "10.0.0.1");
  ASSERT_TRUE(std::holds_alternative<ExecAction>(*action));
  EXPECT_EQ(std::get<ExecAction>(*action).container_id, "c1");
  EXPECT_EQ(std::get<ExecAction>(*action).command, (std::vector<std::string>{"true"}));
  EXPECT_EQ(std::get<ExecAction>(*action).limit, 3s);

  probe.clear_handler();
  *probe.mutable_handler()->mutable_httpget()->mutable_port() = api::make_string("web");
  action = make_action(probe, container, "c1", "10.0.0.1");
  EXPECT_EQ(std::get<HttpGet>(*action).url.text(), "http://10.0.0.1:8080");
  EXPECT_EQ(std::get<HttpGet>(*action).user_agent, "kube-probe/1.36");
  EXPECT_EQ(std::get<HttpGet>(*action).limit, base::Duration(3s));

  probe.clear_handler();
  *probe.mutable_handler()->mutable_tcpsocket()->mutable_port() = api::make_string("none");
  EXPECT_EQ(make_action(probe, container, "c1", "10.0.0.1").error().message(),
            "strconv.Atoi: parsing \"none\": invalid syntax");
  *probe.mutable_handler()->mutable_tcpsocket()->mutable_port() = api::make_int(80);
  probe.mutable_handler()->mutable_tcpsocket()->set_host("other");
  action = make_action(probe, container, "c1", "10.0.0.1");
  EXPECT_EQ(std::get<TcpAction>(*action).host, "other");
  EXPECT_EQ(std::get<TcpAction>(*action).port, 80);

  probe.clear_handler();
  probe.mutable_handler()->mutable_grpc()->set_port(50051);
  probe.mutable_handler()->mutable_grpc()->set_service("s");
  action = make_action(probe, container, "c1", "fd00::1");
  EXPECT_EQ(std::get<GrpcAction>(*action).host, "fd00::1");
  EXPECT_EQ(std::get<GrpcAction>(*action).port, 50051);
  EXPECT_EQ(std::get<GrpcAction>(*action).service, "s");
}

}  // namespace
}  // namespace keelson::probes::testing
