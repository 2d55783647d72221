#include "agent/streaming/upgrade_message.hpp"

#include <gtest/gtest.h>

namespace keelson::streaming {
namespace {

std::string shown(const Destination& to) {
  return std::string(to.tls ? "tls " : "tcp ") + to.host + " " + to.port + " " + to.target;
}

TEST(Destination, IsWhatTheRuntimesUrlSays) {
  struct Row {
    const char* url;
    const char* destination;  // empty: it cannot be dialed
  };
  const Row rows[] = {
      {"http://127.0.0.1:41234/exec/AbCd_-12", "tcp 127.0.0.1 41234 /exec/AbCd_-12"},
      {"https://node.example:10010/attach/x?a=b%20c", "tls node.example 10010 /attach/x?a=b%20c"},
      {"http://[::1]:80/portforward/x", "tcp ::1 80 /portforward/x"},
      {"http://localhost", "tcp localhost 80 /"},
      {"https://localhost/x", "tls localhost 443 /x"},
      {"//127.0.0.1:1/exec/x", "tcp 127.0.0.1 1 /exec/x"},
      {"127.0.0.1:1/exec/x", "tcp 127.0.0.1 1 /exec/x"},
      {"ftp://127.0.0.1/x", ""},
      {"http://127.0.0.1:0/x", ""},
      {"http://127.0.0.1:1/x HTTP/1.1\r\nEvil: yes", ""},
      {"http:///x", ""},
      {"", ""},
  };
  for (const auto& row : rows) {
    const auto to = destination_of(row.url);
    EXPECT_EQ(to.ok() ? shown(*to) : "", row.destination) << row.url;
  }
}

server::Request request() {
  server::Request out;
  out.method = "GET";
  out.target = "/exec/ns/web/main?command=ls";
  out.headers = {{"host", "node"}, {"Connection", "Upgrade"}, {"Upgrade", "websocket"}};
  out.remote = "192.0.2.1";
  return out;
}

Destination token() {
  Destination out;
  out.host = "127.0.0.1";
  out.port = "1234";
  out.target = "/exec/token";
  return out;
}

TEST(UpgradeRequest, TakesTheRuntimesPathAndTheClientsHeaders) {
  EXPECT_EQ(upgrade_request(request(), token()),
            "GET /exec/token HTTP/1.1\r\nhost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "X-Forwarded-For: 192.0.2.1\r\n\r\n");
}

TEST(UpgradeRequest, FoldsForwardedForAndKeepsCredentialsHere) {
  auto from = request();
  from.headers = {{"Host", "node"},
                  {"X-Forwarded-For", "203.0.113.1"},
                  {"AUTHORIZATION", "Bearer secret"},
                  {"x-forwarded-for", "203.0.113.2, 203.0.113.3"}};
  EXPECT_EQ(upgrade_request(from, token()),
            "GET /exec/token HTTP/1.1\r\nHost: node\r\n"
            "X-Forwarded-For: 203.0.113.1, 203.0.113.2, 203.0.113.3, 192.0.2.1\r\n\r\n");
}

TEST(UpgradeRequest, FramesABodyThatCameInChunksAnew) {
  auto from = request();
  from.method = "POST";
  from.headers = {{"Transfer-Encoding", "chunked"}, {"Expect", "100-continue"}, {"Content-Type", "text/plain"}};
  from.remote.clear();
  from.body = "hello";
  EXPECT_EQ(upgrade_request(from, token()),
            "POST /exec/token HTTP/1.1\r\nHost: 127.0.0.1:1234\r\nContent-Type: text/plain\r\nContent-Length: "
            "5\r\n\r\nhello");
}

TEST(BackendAnswer, IsTheSameHoweverItComes) {
  struct Row {
    const char* bytes;
    int status;
    bool whole;
  };
  const Row rows[] = {
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n", 101, true},
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\nearly bytes", 101, true},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope", 403, true},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnope", 403, false},
      {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 404, true},
      {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", 404, false},
      {"HTTP/1.1 500 Oh\r\n\r\nuntil the end", 500, false},
      {"HTTP/1.0 500 Oh\r\nContent-Length: 0\r\n\r\n", 500, true},
  };
  for (const auto& row : rows) {
    const std::string bytes = row.bytes;
    for (const std::size_t step : {std::size_t(1), std::size_t(7), bytes.size()}) {
      BackendAnswer answer;
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        ASSERT_TRUE(answer.put(bytes.substr(at, step)).ok()) << row.bytes;
      }
      ASSERT_TRUE(answer.has_head()) << row.bytes;
      EXPECT_EQ(answer.status(), row.status) << row.bytes;
      EXPECT_EQ(answer.is_whole(), row.whole) << row.bytes << " by " << step;
      EXPECT_EQ(answer.take_bytes(), row.bytes);
      EXPECT_EQ(answer.take_bytes(), "");
    }
  }
}

TEST(BackendAnswer, IsRefusedWhenItIsNoHttpOrItsHeadIsTooLarge) {
  BackendAnswer other;
  EXPECT_FALSE(other.put("SSH-2.0-OpenSSH\r\n\r\n").ok());
  BackendAnswer large;
  Status status = large.put("HTTP/1.1 101 X\r\n");
  for (int i = 0; i < 100 && status.ok(); ++i) status = large.put("A: " + std::string(1000, 'a') + "\r\n");
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(large.has_head());
}

TEST(BackendAnswer, BelievesNoLengthThatItHasNotSeen) {
  BackendAnswer answer;
  ASSERT_TRUE(answer.put("HTTP/1.1 500 Oh\r\nContent-Length: 1000000000000000\r\n\r\n").ok());
  EXPECT_FALSE(answer.is_whole());
}

}  // namespace
}  // namespace keelson::streaming
