// How answers are framed.
#include "agent/server/reply.hpp"

#include <gtest/gtest.h>

#include "agent/server/tests/certificates.hpp"

namespace keelson::server {
namespace {

Opening open(Framing framing, int status, std::optional<std::size_t> length, Fields headers = {}) {
  Response response;
  response.status = status;
  response.headers = std::move(headers);
  return opening_of(framing, response, length, testing::kBeginning);
}

TEST(Reply, ShortBodiesHaveALengthAndLongOnesAreChunked) {
  struct Row {
    const char* what;
    Framing framing;
    int status;
    std::optional<std::size_t> length;
    const char* ending;
    Body body;
    bool keeps;
  };
  const Framing now{false, 11, true};
  const Framing old{false, 10, false};
  const Framing old_kept{false, 10, true};
  const Framing head{true, 11, true};
  const Row rows[] = {
      {"short", now, 200, 2048, "Content-Length: 2048\r\n\r\n", Body::length, true},
      {"empty", now, 200, 0, "Content-Length: 0\r\n\r\n", Body::length, true},
      {"long", now, 200, 2049, "Transfer-Encoding: chunked\r\n\r\n", Body::chunked, true},
      {"streamed", now, 200, std::nullopt, "Transfer-Encoding: chunked\r\n\r\n", Body::chunked, true},
      {"no content", now, 204, 0, "GMT\r\n\r\n", Body::none, true},
      {"not modified", now, 304, 0, "GMT\r\n\r\n", Body::none, true},
      {"head, short", head, 200, 5, "Content-Length: 5\r\n\r\n", Body::none, true},
      {"head, long", head, 200, 5000, "GMT\r\n\r\n", Body::none, true},
      {"old", old, 200, 5, "Content-Length: 5\r\nConnection: close\r\n\r\n", Body::length, false},
      {"old, long", old_kept, 200, 5000, "Content-Length: 5000\r\nConnection: keep-alive\r\n\r\n", Body::length, true},
      {"old, streamed", old_kept, 200, std::nullopt, "GMT\r\nConnection: close\r\n\r\n", Body::until_close, false},
      {"closing", Framing{false, 11, false}, 200, 1, "Content-Length: 1\r\nConnection: close\r\n\r\n", Body::length,
       false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Opening opening = open(row.framing, row.status, row.length);
    EXPECT_TRUE(opening.text.ends_with(row.ending)) << opening.text;
    EXPECT_EQ(opening.body, row.body);
    EXPECT_EQ(opening.keep_alive, row.keeps);
  }
}

TEST(Reply, HeadersAreWrittenAsTheyAreButCannotBreakOut) {
  const Opening opening = open(Framing{}, 404, 3, {{"X", "a\r\nY: b"}, {"Content-Type", "text/plain"}});
  EXPECT_EQ(opening.text,
            "HTTP/1.1 404 Not Found\r\nX: a  Y: b\r\nContent-Type: text/plain\r\n"
            "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 3\r\n\r\n");
  EXPECT_TRUE(open(Framing{}, 299, 0).text.starts_with("HTTP/1.1 299 status code 299\r\n"));
}

TEST(Reply, AnAnnouncedLengthIsKept) {
  const Opening opening = open(Framing{}, 200, std::nullopt, {{"content-length", "70000"}});
  EXPECT_EQ(opening.body, Body::length);
  EXPECT_EQ(opening.length, 70000u);
  EXPECT_TRUE(opening.text.ends_with("Content-Length: 70000\r\n\r\n"));
  EXPECT_EQ(open(Framing{}, 200, std::nullopt, {{"Content-Length", "x"}}).body, Body::chunked);
}

TEST(Reply, AHandlerMayCloseTheConnection) {
  const Opening opening = open(Framing{}, 200, 1, {{"Connection", "close"}});
  EXPECT_FALSE(opening.keep_alive);
  EXPECT_TRUE(opening.text.ends_with("Connection: close\r\n\r\n"));
}

TEST(Reply, ChunksBeginWithTheirSizeInHex) {
  EXPECT_EQ(chunk_size(10), "a\r\n");
  EXPECT_EQ(chunk_size(4096), "1000\r\n");
}

}  // namespace
}  // namespace keelson::server
