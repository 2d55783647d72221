#include "probes/http_message.hpp"

#include <gtest/gtest.h>

#include "base/go_text.hpp"

namespace keelson::probes {
namespace {

TEST(HttpRequest, IsWhatGoSends) {
  EXPECT_EQ(get_request("/healthz?x", "10.0.0.1:80", {}, "kube-probe/1.36"),
            "GET /healthz?x HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
            "Connection: close\r\n\r\n");
  const HttpHeaders given = {{"x-b", "2"},      {"X-A", " 1 "},           {"x-b", "3"},     {"HOST", "app.example"},
                             {"host", "other"}, {"user-agent", "mine/1"}, {"accept", "a/b"}};
  EXPECT_EQ(get_request("/", "h:1", given, "kube-probe/1.36"),
            "GET / HTTP/1.1\r\nHost: app.example\r\nUser-Agent: mine/1\r\nAccept: a/b\r\nX-A: 1\r\nX-B: 2\r\nX-B: 3\r\n"
            "Connection: close\r\n\r\n");
  EXPECT_EQ(get_request("/", "h:1", {{"Accept", ""}, {"Content-Length", "7"}, {"User-Agent", ""}}, "a"),
            "GET / HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n");
}

TEST(HttpRequest, NeverCarriesHeadersThatBreakIt) {
  EXPECT_EQ(bad_header({{"X-A", "b"}, {"X-B", "tab\t"}}), nullptr);
  const HttpHeaders broken = {{"X-A", "b"}, {"X-B", "c\r\nX-C: d"}};
  ASSERT_NE(bad_header(broken), nullptr);
  EXPECT_EQ(*bad_header(broken), "X-B");
  EXPECT_NE(bad_header({{"X A", "b"}}), nullptr);
  EXPECT_NE(bad_header({{"", "b"}}), nullptr);
}

struct Read {
  bool head = false;
  int status = 0;
  std::string body;
  std::string problem;
};

// Feeds `text` in pieces of `size`, then the end.
Read read(const std::string& text, std::size_t size) {
  AnswerReader reader;
  bool more = true;
  for (std::size_t at = 0; at < text.size() && more; at += size) more = reader.take(text.substr(at, size));
  if (more) reader.end();
  return {reader.head_complete(), reader.status(), reader.body(), reader.problem()};
}

TEST(HttpAnswer, IsReadInPiecesOfAnySize) {
  struct Row {
    const char* what;
    std::string text;
    int status;
    std::string body;
    std::string problem;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const Row rows[] = {
      {"length", ok + "Content-Length: 2\r\n\r\nhi and more", 200, "hi", ""},
      {"no body", ok + "Content-Length: 0\r\n\r\n", 200, "", ""},
      {"until close", "HTTP/1.0 200 OK\r\n\r\nhello", 200, "hello", ""},
      {"chunks", ok + "transfer-encoding: CHUNKED\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n", 200, "abcde",
       ""},
      {"chunks, HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nabc", 200, "abc", ""},
      {"line feeds only", "HTTP/1.1 500 No\nA: b\n\nbody", 500, "body", ""},
      {"no reason", "HTTP/1.1 404\r\n\r\n", 404, "", ""},
      {"folded", ok + "A: b\r\n c\r\nContent-Length: 1\r\n\r\nx", 200, "x", ""},
      {"after 100", "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", 200, "x", ""},
      {"204", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, "", ""},
      {"cut body", ok + "Content-Length: 9\r\n\r\nabc", 200, "abc", "unexpected EOF"},
      {"cut chunk", ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nabc", 200, "abc", "unexpected EOF"},
      {"bad chunk", ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 200, "", "invalid byte in chunk length"},
      {"huge chunk", ok + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 200, "",
       "http chunk length too large"},
      {"bad end of chunk", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 200, "a",
       "malformed chunked encoding"},
  };
  for (const Row& row : rows) {
    for (std::size_t size = 1; size < row.text.size() + 2; size += size < 8 ? 1 : 13) {
      SCOPED_TRACE(std::string(row.what) + " by " + std::to_string(size));
      const Read got = read(row.text, size);
      EXPECT_TRUE(got.head);
      EXPECT_EQ(got.status, row.status);
      EXPECT_EQ(got.body, row.body);
      EXPECT_EQ(got.problem, row.problem);
    }
  }
}

TEST(HttpAnswer, IsRefusedInGosWords) {
  struct Row {
    std::string text;
    std::string problem;
  };
  const Row rows[] = {
      {"", "EOF"},
      {"HTTP/1.1 200 OK\r\n", "unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nA: b\r\n", "unexpected EOF"},
      {std::string("\x15\x03\x01\x00\x02\x02\x46", 7), "malformed HTTP response \"\\x15\\x03\\x01\\x00\\x02\\x02F\""},
      {"+PONG\r\nmore", "malformed HTTP response \"+PONG\""},
      {"SSH-2.0-x y\r\n", "malformed HTTP status code \"y\""},
      {"HTTP/1.1 20 OK\r\n\r\n", "malformed HTTP status code \"20\""},
      {"HTTP/1.1 2x0 OK\r\n\r\n", "malformed HTTP status code \"2x0\""},
      {"HTTP/x.1 200 OK\r\n\r\n", "malformed HTTP version \"HTTP/x.1\""},
      {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed MIME header line: no colon"},
      {"HTTP/1.1 200 OK\r\n a: b\r\n\r\n", "malformed MIME header initial line:  a: b"},
      {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad Content-Length \"-1\""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "unsupported transfer encoding: \"gzip\""},
  };
  for (const Row& row : rows) {
    for (const std::size_t size : {std::size_t(1), std::size_t(7), std::size_t(1000)}) {
      SCOPED_TRACE(base::go_quote(row.text) + " by " + std::to_string(size));
      const Read got = read(row.text, size);
      EXPECT_FALSE(got.head);
      EXPECT_EQ(got.problem, row.problem);
    }
  }
}

TEST(HttpAnswer, EndsAtItsLimits) {
  AnswerReader endless;
  EXPECT_TRUE(endless.take("HTTP/1.1 200 OK\r\n\r\n"));
  bool more = true;
  int pieces = 0;
  while (more) {
    more = endless.take(std::string(1000, 'x'));
    ASSERT_LT(++pieces, 100);
  }
  EXPECT_EQ(endless.body(), std::string(10240, 'x'));
  EXPECT_EQ(endless.problem(), "");

  AnswerReader chatty;
  more = chatty.take("HTTP/1.1 200 OK\r\n");
  pieces = 0;
  while (more) {
    more = chatty.take("A: " + std::string(60'000, 'x') + "\r\n");
    ASSERT_LT(++pieces, 100);
  }
  EXPECT_FALSE(chatty.head_complete());
  EXPECT_EQ(chatty.problem(), "net/http: server response headers exceeded 1048576 bytes; aborted");

  AnswerReader waiting;
  more = true;
  pieces = 0;
  while (more) {
    more = waiting.take("HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_LT(++pieces, 100);
  }
  EXPECT_EQ(waiting.problem(), "net/http: too many 1xx informational responses");
}

TEST(GoText, QuotesAsGoDoes) {
  EXPECT_EQ(base::go_quote("a\"b\\c\n\x01\x7f"), "\"a\\\"b\\\\c\\n\\x01\\x7f\"");
  EXPECT_EQ(base::go_quote("\xc3\xa4\xff\xe2\x82"), "\"\xc3\xa4\\xff\\xe2\\x82\"");
}

}  // namespace
}  // namespace keelson::probes
