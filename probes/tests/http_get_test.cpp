#include "probes/http_get.hpp"

#include "probes/http_action.hpp"
#include "probes/tests/fixture.hpp"

namespace keelson::probes::testing {
namespace {

using Kind = HttpOutcome::Kind;

constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

struct HttpGetTest : NetworkTest {
  HttpGet request(int port, const std::string& path = "/", const std::string& scheme = "http",
                  const std::string& host = "127.0.0.1") {
    HttpGet get;
    get.url = make_url(scheme, host, port, path);
    get.user_agent = "kube-probe/1.36";
    get.limit = 1s;
    return get;
  }
  HttpOutcome get(HttpGet get) { return run(http_get(network, std::move(get))); }
  static std::string redirect(const std::string& location, int status = 302) {
    return "HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n";
  }
  static std::string url(const SmallServer& server, const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(server.port()) + path;
  }
};

TEST_F(HttpGetTest, GetsAnAnswer) {
  SmallServer& server = serve();
  server.answers(kOk);
  const HttpOutcome outcome = get(request(server.port(), "/healthz"));
  EXPECT_EQ(outcome.kind, Kind::answered) << outcome.error;
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.body, "fine");
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests()[0], "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                                      "\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n");
}

TEST_F(HttpGetTest, TakesANewConnectionEachTime) {
  SmallServer& server = serve();
  server.answers({Answer{{kOk}, Answer::End::keep}});
  EXPECT_EQ(get(request(server.port())).status, 200);
  EXPECT_EQ(get(request(server.port())).status, 200);
  EXPECT_EQ(server.connections(), 2u);
}

TEST_F(HttpGetTest, ReachesIpv6) {
  SmallServer& server = serve("::1");
  server.answers(kOk);
  const HttpOutcome outcome = get(request(server.port(), "/", "http", "::1"));
  EXPECT_EQ(outcome.status, 200) << outcome.error;
  EXPECT_NE(server.requests().at(0).find("Host: [::1]:" + std::to_string(server.port())), std::string::npos);
}

TEST_F(HttpGetTest, SaysWhatWentWrongInGosWords) {
  struct Row {
    const char* what;
    Answer answer;
    std::string error;  // after `Get "URL": `
  };
  const Row rows[] = {
      {"closed at once", Answer{{}, Answer::End::close}, "EOF"},
      {"cut head", Answer{{"HTTP/1.1 200 OK\r\n"}}, "net/http: HTTP/1.x transport connection broken: unexpected EOF"},
      {"rubbish", Answer{{"+PONG\r\n"}, Answer::End::keep},
       "net/http: HTTP/1.x transport connection broken: malformed HTTP response \"+PONG\""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    SmallServer& server = serve();
    server.answers({row.answer});
    const HttpOutcome outcome = get(request(server.port()));
    EXPECT_EQ(outcome.kind, Kind::failed);
    EXPECT_EQ(outcome.error, "Get \"" + url(server, "/") + "\": " + row.error);
  }
}

TEST_F(HttpGetTest, SaysThatNobodyListens) {
  const int port = free_port(loop);
  const std::string address = "127.0.0.1:" + std::to_string(port);
  EXPECT_EQ(get(request(port)).error,
            "Get \"http://" + address + "/\": dial tcp " + address + ": connect: connection refused");
}

TEST_F(HttpGetTest, SaysThatItWasReset) {
  SmallServer& server = serve();
  server.answers({Answer{{}, Answer::End::reset}});
  const std::string error = get(request(server.port())).error;
  const std::string start = "Get \"" + url(server, "/") + "\": read tcp 127.0.0.1:";
  const std::string end = "->127.0.0.1:" + std::to_string(server.port()) + ": read: connection reset by peer";
  EXPECT_TRUE(error.starts_with(start)) << error;
  EXPECT_TRUE(error.ends_with(end)) << error;
}

TEST_F(HttpGetTest, EndsAtItsLimit) {
  SmallServer& silent = serve();
  silent.answers({Answer{{}, Answer::End::keep}});
  const HttpOutcome outcome = run_late(
      http_get(network, request(silent.port())), [&] { return silent.requests().size() == 1; }, 1s);
  EXPECT_EQ(outcome.kind, Kind::failed);
  EXPECT_EQ(outcome.error, "Get \"" + url(silent, "/") +
                               "\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
}

TEST_F(HttpGetTest, DoesNotEndBeforeItsLimit) {
  SmallServer& silent = serve();
  silent.answers({Answer{{}, Answer::End::keep}});
  auto place = std::make_shared<std::optional<HttpOutcome>>();
  base::Gate gate(loop);
  base::spawn(gate, "get", base::internal::keep_result<HttpOutcome>(http_get(network, request(silent.port())), place));
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return silent.requests().size() == 1; }));
  clock.advance(999ms);
  EXPECT_FALSE(place->has_value());
  clock.advance(1ms);
  EXPECT_TRUE(base::testing::pump_until(loop, [&] { return place->has_value(); }));
}

TEST_F(HttpGetTest, GivesEachItsOwnLimit) {
  SmallServer& silent = serve();
  silent.answers({Answer{{}, Answer::End::keep}});
  base::Gate gate(loop);
  std::map<int, std::shared_ptr<std::optional<HttpOutcome>>> places;
  for (const int seconds : {30, 2, 10, 1, 20}) {
    HttpGet get = request(silent.port());
    get.limit = std::chrono::seconds(seconds);
    places[seconds] = std::make_shared<std::optional<HttpOutcome>>();
    base::spawn(gate, "get", base::internal::keep_result<HttpOutcome>(http_get(network, get), places[seconds]));
  }
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return silent.requests().size() == 5; }));
  const base::SteadyTime began = clock.steady_now();
  for (const int seconds : {1, 2, 10, 20, 30}) {
    clock.advance(began + std::chrono::seconds(seconds) - clock.steady_now() - 1ms);
    EXPECT_FALSE(places[seconds]->has_value()) << seconds;
    clock.advance(1ms);
    EXPECT_TRUE(base::testing::pump_until(loop, [&] { return places[seconds]->has_value(); })) << seconds;
  }
}

TEST_F(HttpGetTest, SaysThatTheBodyDidNotCome) {
  SmallServer& server = serve();
  server.answers({Answer{{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"}, Answer::End::keep}});
  bool heard = false;
  HttpOutcome outcome = run_late(
      http_get(network, request(server.port())),
      [&] {
        // The head is read when nothing more happens.
        heard = server.requests().size() == 1;
        if (heard) base::testing::drain(loop);
        return heard;
      },
      1s);
  EXPECT_EQ(outcome.kind, Kind::body_failed);
  EXPECT_EQ(outcome.error, "context deadline exceeded (Client.Timeout or context cancellation while reading body)");
  server.answers({Answer{{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"}}});
  outcome = get(request(server.port()));
  EXPECT_EQ(outcome.kind, Kind::body_failed);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.error, "unexpected EOF");
}

TEST_F(HttpGetTest, ReadsNoMoreThanTenKilobytes) {
  SmallServer& server = serve();
  server.answers({Answer{{"HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x')}, Answer::End::keep}});
  const HttpOutcome outcome = get(request(server.port()));
  EXPECT_EQ(outcome.kind, Kind::answered);
  EXPECT_EQ(outcome.body.size(), 10240u);
}

TEST_F(HttpGetTest, FollowsRedirectsToTheSameHost) {
  SmallServer& first = serve();
  SmallServer& second = serve();
  first.answers({Answer{{redirect("/two?x")}}, Answer{{redirect(url(second, "/three"), 308)}}});
  second.answers(kOk);
  HttpGet get_it = request(first.port(), "/one");
  get_it.headers = {{"Host", "app.example"}, {"X-A", "b"}};
  const HttpOutcome outcome = get(get_it);
  EXPECT_EQ(outcome.status, 200) << outcome.error;
  EXPECT_EQ(outcome.body, "fine");
  ASSERT_EQ(first.requests().size(), 2u);
  EXPECT_TRUE(first.requests()[1].starts_with("GET /two?x HTTP/1.1\r\nHost: app.example\r\n")) << first.requests()[1];
  EXPECT_NE(first.requests()[1].find("Referer: " + url(first, "/one") + "\r\nX-A: b\r\n"), std::string::npos);
  ASSERT_EQ(second.requests().size(), 1u);
  EXPECT_TRUE(second.requests()[0].starts_with("GET /three HTTP/1.1\r\nHost: 127.0.0.1:")) << second.requests()[0];
  EXPECT_NE(second.requests()[0].find("Referer: " + url(first, "/two?x") + "\r\n"), std::string::npos);
}

TEST_F(HttpGetTest, StopsAtRedirectsThatItMayNotFollow) {
  struct Row {
    const char* what;
    std::string answer;
    int status;
    std::string error;
  };
  const Row rows[] = {
      {"another host", redirect("http://localhost/x", 301), 301, ""},
      {"no location", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", 302, ""},
      {"not modified", "HTTP/1.1 304 Not Modified\r\nLocation: /x\r\n\r\n", 304, ""},
      {"bad location", redirect("http://[::1/"), 0, "failed to parse Location header \"http://[::1/\""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    SmallServer& server = serve();
    server.answers(row.answer);
    const HttpOutcome outcome = get(request(server.port()));
    EXPECT_EQ(outcome.status, row.status);
    EXPECT_EQ(outcome.error, row.error.empty() ? "" : "Get \"" + url(server, "/") + "\": " + row.error);
    EXPECT_EQ(server.requests().size(), 1u);
  }
}

TEST_F(HttpGetTest, StopsAfterTenRedirects) {
  SmallServer& server = serve();
  server.answers(redirect("/again"));
  const HttpOutcome outcome = get(request(server.port()));
  EXPECT_EQ(outcome.error, "Get \"/again\": stopped after 10 redirects");
  EXPECT_EQ(server.requests().size(), 10u);
}

TEST_F(HttpGetTest, BelievesAnyCertificate) {
  SmallServer& server = serve("127.0.0.1", true);
  server.answers({Answer{{kOk}, Answer::End::keep}});
  const HttpOutcome outcome = get(request(server.port(), "/healthz", "https"));
  EXPECT_EQ(outcome.status, 200) << outcome.error;
  EXPECT_EQ(outcome.body, "fine");
  server.answers({Answer{{"HTTP/1.1 200 OK\r\n\r\nuntil the end"}, Answer::End::close}});
  EXPECT_EQ(get(request(server.port(), "/", "https")).body, "until the end");
}

TEST_F(HttpGetTest, TellsPlainHttpFromTls) {
  SmallServer& plain = serve();
  Answer answer{{"HTTP/1.0 400 Bad Request\r\n\r\n"}};
  answer.await_request = false;
  plain.answers({answer});
  const HttpOutcome outcome = get(request(plain.port(), "/", "https"));
  EXPECT_TRUE(outcome.plain_http);
  EXPECT_EQ(outcome.error, "Get \"https://127.0.0.1:" + std::to_string(plain.port()) +
                               "/\": http: server gave HTTP response to HTTPS client");
}

TEST_F(HttpGetTest, SaysWhyTlsFailed) {
  SmallServer& rubbish = serve();
  Answer answer{{"+PONG and so on\r\n"}};
  answer.await_request = false;
  rubbish.answers({answer});
  std::string start = "Get \"https://127.0.0.1:" + std::to_string(rubbish.port()) + "/\": ";
  EXPECT_EQ(get(request(rubbish.port(), "/", "https")).error,
            start + "tls: first record does not look like a TLS handshake");
  answer.pieces = {std::string("\x15\x03\x03\x00\x02\x02\x28", 7)};
  rubbish.answers({answer});
  EXPECT_EQ(get(request(rubbish.port(), "/", "https")).error, start + "remote error: tls: handshake failure");
  answer.pieces.clear();
  rubbish.answers({answer});
  EXPECT_EQ(get(request(rubbish.port(), "/", "https")).error, start + "EOF");
}

TEST_F(HttpGetTest, LimitsTheHandshakeToo) {
  SmallServer& silent = serve();
  Answer answer{{}, Answer::End::keep};
  answer.await_request = false;
  silent.answers({answer});
  const HttpOutcome outcome = run_late(
      http_get(network, request(silent.port(), "/", "https")), [&] { return silent.connections() == 1; }, 1s);
  EXPECT_NE(outcome.error.find("context deadline exceeded (Client.Timeout"), std::string::npos) << outcome.error;
}

TEST_F(HttpGetTest, ResolvesNamesAndTriesTheirAddresses) {
  SmallServer& server = serve();
  server.answers(kOk);
  // Nothing listens on 127.0.0.9 at that port.
  hosts.emplace("app.example",
                Addresses{boost::asio::ip::make_address("127.0.0.9"), boost::asio::ip::make_address("127.0.0.1")});
  const HttpOutcome outcome = get(request(server.port(), "/", "http", "app.example"));
  EXPECT_EQ(outcome.status, 200) << outcome.error;
  EXPECT_NE(server.requests().at(0).find("Host: app.example:"), std::string::npos);
  EXPECT_EQ(get(request(80, "/", "http", "nowhere.example")).error,
            "Get \"http://nowhere.example:80/\": dial tcp: lookup nowhere.example: no such host");
}

TEST_F(HttpGetTest, RefusesHeadersThatBreakTheRequest) {
  HttpGet get_it = request(1);
  get_it.headers = {{"x-a", "b\r\nX-Evil: yes"}};
  EXPECT_EQ(get(get_it).error, "Get \"http://127.0.0.1:1/\": net/http: invalid header field value for \"X-A\"");
}

TEST_F(HttpGetTest, EndsWithItsTask) {
  SmallServer& silent = serve();
  silent.answers({Answer{{}, Answer::End::keep}});
  auto place = std::make_shared<std::optional<HttpOutcome>>();
  base::Gate gate(loop);
  HttpGet get_it = request(silent.port());
  get_it.limit = 0s;
  base::spawn(gate, "get", base::internal::keep_result<HttpOutcome>(http_get(network, get_it), place));
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return silent.requests().size() == 1; }));
  clock.advance(24h);
  EXPECT_FALSE(place->has_value());
  EXPECT_TRUE(base::testing::stop_now(loop, gate));
  EXPECT_FALSE(place->has_value());
}

TEST(HttpAction, BecomesARequest) {
  api::core::Container container;
  auto& port = *container.add_ports();
  port.set_name("web");
  port.set_containerport(8080);
  api::core::HTTPGetAction action;
  action.set_path("/healthz");
  *action.mutable_port() = api::make_string("web");
  auto& header = *action.add_httpheaders();
  header.set_name("X-A");
  header.set_value("b");
  auto made = make_http_get(action, container, "10.0.0.1", "kube-probe/1.36", 2s);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->url.text(), "http://10.0.0.1:8080/healthz");
  EXPECT_EQ(made->headers, (HttpHeaders{{"X-A", "b"}}));
  EXPECT_EQ(made->limit, base::Duration(2s));
  action.set_host("other");
  action.set_scheme("HTTPS");
  *action.mutable_port() = api::make_string("8443");
  EXPECT_EQ(make_http_get(action, container, "10.0.0.1", "", 2s)->url.text(), "https://other:8443/healthz");
  *action.mutable_port() = api::make_string("metrics");
  EXPECT_EQ(make_http_get(action, container, "10.0.0.1", "", 2s).error().message(),
            "strconv.Atoi: parsing \"metrics\": invalid syntax");
  *action.mutable_port() = api::make_int(0);
  EXPECT_EQ(make_http_get(action, container, "10.0.0.1", "", 2s).error().message(), "invalid port number: 0");
}

}  // namespace
}  // namespace keelson::probes::testing
