#include "agent/server/request_parser.hpp"

#include <gtest/gtest.h>

namespace keelson::server {
namespace {

using Progress = RequestParser::Progress;

// Byte by byte when `size` is 1.
Progress feed(RequestParser& parser, std::string text, std::size_t size, std::string& input) {
  Progress progress = Progress::more;
  while (progress == Progress::more && !text.empty()) {
    input += text.substr(0, size);
    text.erase(0, size);
    progress = parser.read_head(input);
  }
  input += text;
  return progress;
}

TEST(RequestParser, ReadsAHeadHoweverItIsCut) {
  const std::string text =
      "POST /run/a/b/c?cmd=ls HTTP/1.1\r\nHost: node\r\nX-One:  1 \r\nx-one: 2\r\nContent-Length: 3\r\n\r\nabcGET "
      "/next";
  for (const std::size_t size : {1u, 2u, 7u, 1000u}) {
    SCOPED_TRACE(size);
    RequestParser parser;
    std::string input;
    ASSERT_EQ(feed(parser, text, size, input), Progress::complete) << parser.bad().text;
    const RequestHead& head = parser.head();
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.target, "/run/a/b/c?cmd=ls");
    EXPECT_EQ(head.version, 11);
    EXPECT_EQ(head.headers, (Fields{{"Host", "node"}, {"X-One", "1"}, {"x-one", "2"}, {"Content-Length", "3"}}));
    EXPECT_TRUE(head.keep_alive);
    EXPECT_TRUE(head.has_body);
    EXPECT_EQ(head.length, 3u);
    std::string body;
    ASSERT_EQ(parser.read_body(input, body, 100), Progress::complete);
    EXPECT_EQ(body, "abc");
    EXPECT_EQ(input, "GET /next") << "the next request is left alone";
  }
}

TEST(RequestParser, ReadsChunkedBodiesWithTrailers) {
  const std::string body_text = "4;x=\"y\"\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: t\r\n\r\nrest";
  for (const std::size_t size : {1u, 3u, 1000u}) {
    RequestParser parser;
    std::string input = "PUT / HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: Chunked\r\n\r\n";
    ASSERT_EQ(parser.read_head(input), Progress::complete) << parser.bad().text;
    EXPECT_EQ(parser.head().length, std::nullopt);
    std::string body;
    Progress progress = Progress::more;
    for (std::size_t at = 0; at < body_text.size(); at += size) {
      input += body_text.substr(at, size);
      if (progress == Progress::more) progress = parser.read_body(input, body, 100);
    }
    EXPECT_EQ(progress, Progress::complete) << size;
    EXPECT_EQ(body, "Wikipedia");
    EXPECT_EQ(input, "rest");
    EXPECT_EQ(parser.head().headers.size(), 2u) << "trailers are not headers";
  }
}

TEST(RequestParser, KnowsWhatKeepsAConnection) {
  const std::pair<const char*, bool> rows[] = {
      {"GET / HTTP/1.1\r\nHost: n\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: n\r\nConnection: Close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: n\r\nConnection: keep-alive, close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
  };
  for (const auto& [text, keeps] : rows) {
    RequestParser parser;
    std::string input = text;
    ASSERT_EQ(parser.read_head(input), Progress::complete) << text;
    EXPECT_EQ(parser.head().keep_alive, keeps) << text;
    EXPECT_FALSE(parser.head().has_body);
  }
}

TEST(RequestParser, SaysWhatItCannotUnderstand) {
  const std::pair<std::string, std::string> rows[] = {
      {"what is this\r\n\r\n", "400 Bad Request"},
      {"GET /pods\r\n\r\n", "400 Bad Request"},
      {"GE T /pods HTTP/1.1\r\n\r\n", "400 Bad Request"},
      {"G\x01T /pods HTTP/1.1\r\n\r\n", "400 Bad Request"},
      {"GET /po\x01s HTTP/1.1\r\n\r\n", "400 Bad Request"},
      {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
      {"GET / HTTP/2.0\r\nHost: n\r\n\r\n", "505 HTTP Version Not Supported: unsupported protocol version"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP Version Not Supported: unsupported protocol version"},
      {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header"},
      {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "400 Bad Request: too many Host headers"},
      {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n", "400 Bad Request"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented: unsupported encoding"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
       "501 Not Implemented: unsupported encoding"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
       "501 Not Implemented: unsupported encoding"},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "501 Not Implemented: unsupported encoding"},
  };
  for (const auto& [text, answer] : rows) {
    RequestParser parser;
    std::string input = text;
    EXPECT_EQ(parser.read_head(input), Progress::failed) << text;
    EXPECT_EQ(parser.bad().text, answer) << text;
  }
}

TEST(RequestParser, HasALimitForTheHead) {
  RequestParser parser(1000);
  std::string input = "GET / HTTP/1.1\r\nHost: n\r\nX: " + std::string(2000, 'x');
  EXPECT_EQ(parser.read_head(input), Progress::failed);
  EXPECT_EQ(parser.bad().text, "431 Request Header Fields Too Large");

  RequestParser many(1000);
  std::string input2;
  std::string fields = "GET / HTTP/1.1\r\nHost: n\r\n";
  for (int i = 0; i < 300; ++i) fields += "a: b\r\n";
  EXPECT_EQ(feed(many, fields + "\r\n", 10, input2), Progress::failed) << "no part of it is long";
  EXPECT_EQ(many.bad().status, 431);

  RequestParser target(1000);
  std::string input3 = "GET /" + std::string(3000, 'x');
  EXPECT_EQ(target.read_head(input3), Progress::failed);
  EXPECT_EQ(target.bad().status, 431);
}

TEST(RequestParser, TakesAMebibyteOfHeadersButNotTenThousandOfThem) {
  RequestParser parser;
  std::string input = "GET / HTTP/1.1\r\nHost: n\r\nX: " + std::string((1u << 20) - 100, 'x') + "\r\n\r\n";
  EXPECT_EQ(parser.read_head(input), Progress::complete) << parser.bad().text;
  RequestParser many;
  std::string input2 = "GET / HTTP/1.1\r\nHost: n\r\n";
  for (std::size_t i = 0; i < kFieldLimit; ++i) input2 += "a:\r\n";
  input2 += "\r\n";
  EXPECT_EQ(many.read_head(input2), Progress::failed);
  EXPECT_EQ(many.bad().status, 431);
}

TEST(RequestParser, HasALimitForTheBody) {
  for (const char* head : {"Content-Length: 11", "Transfer-Encoding: chunked"}) {
    RequestParser parser;
    std::string input = std::string("PUT / HTTP/1.1\r\nHost: n\r\n") + head + "\r\n\r\n";
    ASSERT_EQ(parser.read_head(input), Progress::complete);
    const bool chunked = parser.head().length == std::nullopt;
    input = chunked ? "6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n" : "12345678901";
    std::string body;
    EXPECT_EQ(parser.read_body(input, body, 10), Progress::too_large) << head;
    EXPECT_LE(body.size(), 10u);
  }
}

TEST(RequestParser, RefusesChunksThatAreNone) {
  for (const std::string& bad : {std::string("zz\r\n"), std::string("-1\r\nx"), std::string("5\r\nhelloX\r\n0\r\n\r\n"),
                                 "4;" + std::string(70'000, 'x'), std::string("FFFFFFFFFFFFFFFFF\r\n")}) {
    RequestParser parser;
    std::string input = "PUT / HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n";
    ASSERT_EQ(parser.read_head(input), Progress::complete);
    input = bad;
    std::string body;
    EXPECT_EQ(parser.read_body(input, body, 1000), Progress::failed) << bad.substr(0, 30);
  }
}

}  // namespace
}  // namespace keelson::server
