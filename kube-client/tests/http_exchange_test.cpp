// What every request can rely on, over HTTP/2, HTTP/1.1 with TLS and plain HTTP/1.1.
#include "kube-client/tests/http_fixture.hpp"

namespace keelson::kube::testing {
namespace {

enum class Wire { http2, tls_http1, plain_http1 };

class HttpExchange : public HttpTest, public ::testing::WithParamInterface<Wire> {
 protected:
  void start(TestServer::Handler handler, ServerOptions options = {},
             HttpTransportOptions client = HttpTransportOptions()) {
    options.tls = GetParam() != Wire::plain_http1;
    options.http2 = GetParam() == Wire::http2;
    serve(std::move(handler), std::move(options));
    connect(std::move(client));
  }
  bool http2() const { return GetParam() == Wire::http2; }
};

INSTANTIATE_TEST_SUITE_P(Wires, HttpExchange, ::testing::Values(Wire::http2, Wire::tls_http1, Wire::plain_http1),
                         [](const auto& info) {
                           switch (info.param) {
                             case Wire::http2: return "Http2";
                             case Wire::tls_http1: return "Http1OverTls";
                             case Wire::plain_http1: return "Http1";
                           }
                           return "";
                         });

ServerAnswer ok(std::string body) {
  ServerAnswer answer;
  answer.body = std::move(body);
  return answer;
}

TEST_P(HttpExchange, ARequestGetsItsAnswer) {
  endpoint.base_path = "";
  start([](const ServerRequest&) {
    ServerAnswer answer = ok("hello");
    answer.status = 404;
    answer.headers = {{"content-type", "text/plain"}};
    return answer;
  });
  auto answer = send(get("/api/v1/pods?watch=false"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "hello");
  ASSERT_NE(find_header(answer->headers, "content-type"), nullptr);
  EXPECT_EQ(*find_header(answer->headers, "content-type"), "text/plain");
  ASSERT_EQ(server->requests.size(), 1u);
  const auto& seen = server->requests[0];
  EXPECT_EQ(seen.method, "GET");
  EXPECT_EQ(seen.path, "/api/v1/pods?watch=false");
  EXPECT_EQ(*find_header(seen.headers, "user-agent"), "keelson-test/1");
  EXPECT_EQ(*find_header(seen.headers, "accept-encoding"), "gzip");
  EXPECT_EQ(*find_header(seen.headers, http2() ? ":authority" : "host"), "127.0.0.1:" + endpoint.port);
  EXPECT_EQ(find_header(seen.headers, "authorization"), nullptr);
}

TEST_P(HttpExchange, TheServersBasePathAndOurTokenAreAdded) {
  credentials.token = "secret";
  start([](const ServerRequest&) { return ok(""); });
  endpoint.base_path = "/clusters/one";
  finish(transport->stop());
  connect();
  ASSERT_TRUE(send(get("/healthz")).ok());
  EXPECT_EQ(server->requests[0].path, "/clusters/one/healthz");
  EXPECT_EQ(*find_header(server->requests[0].headers, "authorization"), "Bearer secret");
}

TEST_P(HttpExchange, ALargeBodyGoesThereAndBack) {
  start([](const ServerRequest& request) { return ok(request.body); });
  std::string body;
  for (int i = 0; i < 300'000; ++i) body += std::to_string(i);
  auto answer = send(post("/echo", body));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->body.size(), body.size());
  EXPECT_TRUE(answer->body == body);
}

TEST_P(HttpExchange, ManyRequestsOneAfterAnotherUseOneConnection) {
  start([](const ServerRequest& request) { return ok(request.path); });
  for (int i = 0; i < 20; ++i) {
    auto answer = send(i % 2 == 0 ? get("/" + std::to_string(i)) : post("/" + std::to_string(i), "x"));
    ASSERT_TRUE(answer.ok()) << answer.error().to_string();
    EXPECT_EQ(answer->body, "/" + std::to_string(i));
  }
  EXPECT_EQ(server->accepted(), 1u);
}

TEST_P(HttpExchange, AStreamGivesThePiecesAsTheyComeAndThenItsEnd) {
  start([](const ServerRequest&) {
    ServerAnswer answer = ok("first");
    answer.open = true;
    return answer;
  });
  auto stream = open(get("/watch"));
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->status(), 200);
  auto piece = read(*stream);
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(*piece, "first");
  server->push("/watch", "second");
  piece = read(*stream);
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(*piece, "second");
  server->finish("/watch");
  piece = read(*stream);
  ASSERT_TRUE(piece.ok()) << piece.error().to_string();
  EXPECT_EQ(*piece, "");
}

TEST_P(HttpExchange, GzipIsUndone) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "line " + std::to_string(i) + "\n";
  start([&text](const ServerRequest&) {
    ServerAnswer answer = ok(gzip(text));
    answer.headers = {{"content-encoding", "gzip"}};
    return answer;
  });
  auto answer = send(get("/"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_TRUE(answer->body == text);
  EXPECT_EQ(find_header(answer->headers, "content-encoding"), nullptr);
  auto stream = open(get("/"));
  std::string all;
  while (true) {
    auto piece = read(*stream);
    ASSERT_TRUE(piece.ok());
    if (piece->empty()) break;
    all += *piece;
  }
  EXPECT_TRUE(all == text);
}

TEST_P(HttpExchange, GzipIsNotAskedForWhenCompressionIsOff) {
  start([](const ServerRequest&) { return ok(""); });
  endpoint.compression = false;
  finish(transport->stop());
  connect();
  ASSERT_TRUE(send(get("/")).ok());
  EXPECT_EQ(find_header(server->requests[0].headers, "accept-encoding"), nullptr);
}

TEST_P(HttpExchange, ADecompressionBombIsRefused) {
  start([](const ServerRequest&) {
    ServerAnswer answer = ok(gzip(std::string(80 * 1024 * 1024, 'x')));
    answer.headers = {{"content-encoding", "gzip"}};
    return answer;
  });
  auto answer = send(get("/"), 9s);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::invalid);
  EXPECT_NE(answer.error().to_string().find("larger than 67108864 bytes"), std::string::npos);
}

TEST_P(HttpExchange, DamagedGzipIsAnError) {
  start([](const ServerRequest& request) {
    ServerAnswer answer = ok(request.path == "/cut" ? gzip("some text").substr(0, 15) : "no gzip at all, this");
    answer.headers = {{"content-encoding", "gzip"}};
    return answer;
  });
  for (const char* path : {"/cut", "/other"}) {
    auto answer = send(get(path));
    ASSERT_FALSE(answer.ok()) << path;
    EXPECT_EQ(answer.error().kind(), ErrorKind::invalid);
  }
}

TEST_P(HttpExchange, AnUnknownCodingIsAnError) {
  start([](const ServerRequest&) {
    ServerAnswer answer = ok("x");
    answer.headers = {{"content-encoding", "br"}};
    return answer;
  });
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::invalid);
}

TEST_P(HttpExchange, A401IsTriedOnceMoreWithAnotherToken) {
  credentials.token = "old";
  credentials.next_token = "new";
  start([](const ServerRequest& request) {
    ServerAnswer answer = ok(request.body);
    if (*find_header(request.headers, "authorization") != "Bearer new") answer.status = 401;
    return answer;
  });
  auto answer = send(post("/", "content"));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "content");
  EXPECT_EQ(credentials.rejections, 1);
  EXPECT_EQ(server->requests.size(), 2u);
  EXPECT_EQ(transport->stats().resent, 1u);
}

TEST_P(HttpExchange, A401WithTheSameTokenIsTheAnswer) {
  credentials.token = "old";
  credentials.next_token = "old";
  start([](const ServerRequest&) {
    ServerAnswer answer = ok("who are you");
    answer.status = 401;
    return answer;
  });
  auto answer = send(get("/"));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 401);
  EXPECT_EQ(answer->body, "who are you");
  auto stream = open(get("/"));
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->status(), 401);
  EXPECT_EQ(*read(*stream), "who are you");
  EXPECT_EQ(credentials.rejections, 2);
  EXPECT_EQ(server->requests.size(), 2u);
}

TEST_P(HttpExchange, WithoutAnAuthorizationNothingIsSent) {
  credentials.broken = true;
  start([](const ServerRequest&) { return ok(""); });
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable);
  EXPECT_NE(answer.error().to_string().find("the plugin failed"), std::string::npos);
  EXPECT_EQ(server->accepted(), 0u);
}

TEST_P(HttpExchange, AServerThatDoesNotAnswerIsLate) {
  start([](const ServerRequest&) {
    ServerAnswer answer;
    answer.hold = true;
    return answer;
  });
  auto answer = send(get("/slow"), 200ms);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_EQ(answer.error().to_string(), "GET " + std::string(GetParam() == Wire::plain_http1 ? "http" : "https") +
                                            "://127.0.0.1:" + endpoint.port +
                                            "/slow: not done within 200 ms: still waiting for the answer");
  EXPECT_EQ(transport->stats().streams, http2() ? 1u : 0u);  // its RST_STREAM is still on the way
  EXPECT_TRUE(until([this] { return server->open_streams() == 0 && transport->stats().streams == 0; }));
}

TEST_P(HttpExchange, ACancelledRequestAndADroppedStreamLeaveNothing) {
  start([](const ServerRequest& request) {
    ServerAnswer answer;
    answer.open = true;
    answer.hold = request.path == "/held";
    return answer;
  });
  auto never = begin<Answer>(transport->send(get("/held"), 60s), "cancelled");
  auto stream = open(get("/open"));
  ASSERT_TRUE(until([this] { return server->requests.size() == 2; }));
  gate.cancel("cancelled");
  EXPECT_TRUE(until([this] { return server->open_streams() == 1; }));
  stream.reset();
  EXPECT_TRUE(until([this] { return server->open_streams() == 0 && transport->stats().streams == 0; }));
  EXPECT_FALSE(never->has_value());
  if (!http2()) return;
  EXPECT_EQ(server->resets, (std::vector<std::uint32_t>{8, 8})) << "CANCEL";
  EXPECT_EQ(server->connections(), 1u);
}

TEST_P(HttpExchange, AnAnswerThatBreaksOffInItsBody) {
  start([](const ServerRequest&) {
    ServerAnswer answer = ok("half of");
    answer.headers = {{"content-length", "100"}};
    answer.reset = 2;
    return answer;
  });
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable) << answer.error().to_string();
  answer = send(post("/", "x"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::maybe_applied) << answer.error().to_string();
  auto stream = open(post("/", "x"));
  ASSERT_NE(stream, nullptr);
  auto piece = read(*stream);
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(*piece, "half of");
  piece = read(*stream);
  ASSERT_FALSE(piece.ok());
  EXPECT_EQ(piece.error().kind(), ErrorKind::unavailable);
}

TEST_P(HttpExchange, NoAnswerAtAllForWhatWasSent) {
  start([](const ServerRequest&) {
    ServerAnswer answer;
    answer.reset = 2;
    answer.no_head = true;
    return answer;
  });
  auto answer = send(post("/", "x"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::maybe_applied) << answer.error().to_string();
  answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable) << answer.error().to_string();
}

TEST_P(HttpExchange, AnOversizeHeaderIsRefusedAndTheNextRequestIsWell) {
  HttpTransportOptions options;
  options.header_limit = 8 * 1024;
  ServerOptions none;
  start(
      [](const ServerRequest& request) {
        ServerAnswer answer = ok("fine");
        if (request.path == "/big") {
          for (int i = 0; i < 40; ++i) answer.headers.emplace_back("x-" + std::to_string(i), std::string(400, 'v'));
        }
        return answer;
      },
      none, options);
  auto answer = send(get("/big"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::invalid) << answer.error().to_string();
  answer = send(get("/"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->body, "fine");
}

TEST_P(HttpExchange, WhatIsNoHttpIsInvalid) {
  ServerOptions options;
  options.raw = "SSH-2.0-OpenSSH_9.2\r\n\r\nthis is something else altogether\r\n";
  start([](const ServerRequest&) { return ok(""); }, options);
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::invalid) << answer.error().to_string();
}

TEST_P(HttpExchange, ABrokenConnectionIsReplacedForAGet) {
  start([](const ServerRequest&) { return ok("fine"); });
  ASSERT_TRUE(send(get("/")).ok());
  server->cut_all();
  // Both together: the request may go out before the reset is noticed.
  auto answer = send(get("/"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->body, "fine");
  EXPECT_EQ(server->accepted(), 2u);
}

TEST_P(HttpExchange, StopEndsWhatIsInProgress) {
  start([](const ServerRequest& request) {
    ServerAnswer answer;
    answer.open = true;
    answer.hold = request.path == "/held";
    return answer;
  });
  auto held = begin<Answer>(transport->send(get("/held"), 60s));
  auto stream = open(get("/open"));
  auto piece = begin<Result<std::string>>(stream->read());
  ASSERT_TRUE(until([this] { return server->requests.size() == 2; }));
  finish(transport->stop());
  ASSERT_TRUE(until([&] { return held->has_value() && piece->has_value(); }));
  EXPECT_EQ((*held)->error().kind(), ErrorKind::cancelled);
  EXPECT_EQ((*piece)->error().kind(), ErrorKind::cancelled);
  auto late = send(get("/"));
  EXPECT_EQ(late.error().kind(), ErrorKind::cancelled);
  transport.reset();
  stream.reset();  // outlives the transport
}

TEST_P(HttpExchange, CloseAllCutsAndTheNextRequestConnectsAnew) {
  start([](const ServerRequest&) {
    ServerAnswer answer;
    answer.open = true;
    return answer;
  });
  auto stream = open(get("/"));
  transport->close_idle();
  EXPECT_EQ(transport->stats().connections, 1u);
  transport->close_all();
  auto piece = read(*stream);
  ASSERT_FALSE(piece.ok());
  EXPECT_EQ(piece.error().kind(), ErrorKind::unavailable);
  auto other = open(get("/"));
  EXPECT_EQ(server->accepted(), 2u);
}

TEST_P(HttpExchange, BackPressureReachesTheServer) {
  HttpTransportOptions options;
  options.stream_window = 64 * 1024;
  ServerOptions none;
  start(
      [](const ServerRequest& request) {
        ServerAnswer answer = ok(request.path == "/big" ? std::string(8 * 1024 * 1024, 'x') : "small");
        return answer;
      },
      none, options);
  auto stream = open(get("/big"));
  auto small = send(get("/small"));  // a slow reader stops nobody else
  ASSERT_TRUE(small.ok()) << small.error().to_string();
  if (http2()) {
    ASSERT_TRUE(until([this] { return server->window() == 0; }));
    EXPECT_EQ(server->body_bytes_sent, 64 * 1024 + 5u);
  }
  std::size_t total = 0;
  while (true) {
    auto piece = read(*stream);
    ASSERT_TRUE(piece.ok()) << piece.error().to_string();
    if (piece->empty()) break;
    EXPECT_LE(piece->size(), 64 * 1024 + 16 * 1024u);
    total += piece->size();
  }
  EXPECT_EQ(total, 8 * 1024 * 1024u);
}

TEST_P(HttpExchange, WhatCannotBeARequestIsNotSent) {
  start([](const ServerRequest&) { return ok(""); });
  for (const char* target : {"", "pods", "/a b", "/a\r\nx: y"}) {
    auto answer = send(get(target));
    ASSERT_FALSE(answer.ok()) << target;
    EXPECT_EQ(answer.error().kind(), ErrorKind::invalid);
  }
  HttpRequest request = get("/");
  request.headers = {{"x-name", "a\r\nhost: other"}};
  EXPECT_EQ(send(request).error().kind(), ErrorKind::invalid);
  EXPECT_EQ(server->accepted(), 0u);
}

}  // namespace
}  // namespace keelson::kube::testing
