// Fields, messages, targets, the token of a WebSocket.
#include <gtest/gtest.h>

#include "agent/server/message.hpp"
#include "agent/server/url_text.hpp"
#include "agent/server/websocket_token.hpp"

namespace keelson::server {
namespace {

TEST(Message, FindsHeadersInAnyCaseAndTheFirstOfSeveral) {
  Request request;
  request.headers = {{"Accept", "a"}, {"ACCEPT", "b"}, {"X", ""}};
  EXPECT_EQ(request.header("accept"), "a");
  EXPECT_EQ(request.header("x"), "");
  EXPECT_EQ(request.header("y"), std::nullopt);
  request.query = {{"a", "1"}, {"A", "2"}, {"a", "3"}};
  EXPECT_EQ(request.query_value("a"), "1") << "keys of a query have a case";
  EXPECT_EQ(request.query_values("a"), (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(request.query_value("b"), std::nullopt);
  const Response text = plain_text(404, "no");
  EXPECT_EQ(text.status, 404);
  EXPECT_EQ(text.body, "no");
  EXPECT_EQ(find_field(text.headers, "content-type"), "text/plain; charset=utf-8");
}

TEST(Fields, ListsAreSplitAtCommasOverAllHeadersOfTheName) {
  const Fields fields = {{"P", " a ,, b"}, {"q", "x"}, {"p", "c,"}};
  EXPECT_EQ(list_of(fields, "p"), (std::vector<std::string_view>{"a", "b", "c"}));
  Fields dropped = fields;
  drop_fields(dropped, "P");
  EXPECT_EQ(dropped, (Fields{{"q", "x"}}));
}

TEST(UrlText, TargetsAreSplitOrRefused) {
  struct Row {
    const char* method;
    const char* target;
    const char* path;  // null: refused
    const char* query;
  };
  const Row rows[] = {{"GET", "/pods", "/pods", ""},
                      {"GET", "/pods?a=b?c", "/pods", "a=b?c"},
                      {"GET", "/?", "/", ""},
                      {"GET", "http://node:10250/pods?x", "/pods", "x"},
                      {"GET", "https://node", "/", ""},
                      {"GET", "https://node?x", "/", "x"},
                      {"OPTIONS", "*", "*", ""},
                      {"CONNECT", "node:10250", "", ""},
                      {"GET", "node:10250", nullptr, ""},
                      {"GET", "pods", nullptr, ""},
                      {"GET", "://x/", nullptr, ""},
                      {"GET", "http:///pods", nullptr, ""},
                      {"GET", "", nullptr, ""}};
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.method) + " " + row.target);
    const auto target = split_target(row.method, row.target);
    ASSERT_EQ(target.has_value(), row.path != nullptr);
    if (!target) continue;
    EXPECT_EQ(target->path, row.path);
    EXPECT_EQ(target->query, row.query);
  }
}

TEST(UrlText, PathsAreCleanedAsGoDoes) {
  const std::pair<const char*, const char*> rows[] = {{"/", "/"},
                                                      {"", "/"},
                                                      {"//", "/"},
                                                      {"/pods", "/pods"},
                                                      {"//pods", "/pods"},
                                                      {"/pods/", "/pods/"},
                                                      {"/pods//", "/pods/"},
                                                      {"/a/../pods", "/pods"},
                                                      {"/a/./b", "/a/b"},
                                                      {"/a/.", "/a"},
                                                      {"/a/..", "/"},
                                                      {"/../../etc", "/etc"},
                                                      {"/a/b/../", "/a/"},
                                                      {"/..%2f/a", "/..%2f/a"},
                                                      {"/a/.../b", "/a/.../b"}};
  for (const auto& [path, clean] : rows) EXPECT_EQ(clean_path(path), clean) << path;
}

TEST(UrlText, PercentSignsAreDecodedOrRefused) {
  EXPECT_EQ(percent_decode("/a%20b%2Fc+d"), "/a b/c+d");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  for (const char* bad : {"%", "%1", "%zz", "a%2", "%+1", "%%20"}) EXPECT_EQ(percent_decode(bad), std::nullopt) << bad;
}

TEST(UrlText, QueriesKeepTheirOrderAndLoseBadPairs) {
  EXPECT_EQ(parse_query("b=2&a=1&b=3&c&=d&e=f=g"),
            (Fields{{"b", "2"}, {"a", "1"}, {"b", "3"}, {"c", ""}, {"", "d"}, {"e", "f=g"}}));
  EXPECT_EQ(parse_query("command=sh&command=-c&command=echo+a%26b"),
            (Fields{{"command", "sh"}, {"command", "-c"}, {"command", "echo a&b"}}));
  EXPECT_EQ(parse_query("&&a=%zz&x;y=1&ok=1&"), (Fields{{"ok", "1"}}));
  EXPECT_EQ(parse_query(""), Fields());
}

TEST(UrlText, WhatMayNotStandInAHeaderIsEncoded) {
  EXPECT_EQ(url_for_header("/pods/a%20b?x=1&y=[z]"), "/pods/a%20b?x=1&y=[z]");
  EXPECT_EQ(url_for_header("/\\evil\r\n\x80\"<"), "/%5Cevil%0D%0A%80%22%3C");
}

constexpr const char* kPrefix = "base64url.bearer.authorization.k8s.io.";

Fields websocket(const std::string& protocols) {
  return {{"Connection", "keep-alive, Upgrade"}, {"Upgrade", "WebSocket"}, {"Sec-WebSocket-Protocol", protocols}};
}

TEST(WebSocketToken, IsTakenOutOfTheSubprotocols) {
  // "token/1+" in base64url is dG9rZW4vMSs
  const auto found = protocol_token(websocket(std::string("v5.channel.k8s.io, ") + kPrefix + "dG9rZW4vMSs , x"));
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->token, "token/1+");
  EXPECT_EQ((*found)->others, "v5.channel.k8s.io,x");
}

TEST(WebSocketToken, IsLookedForOnlyInWebSockets) {
  Fields headers = websocket(std::string("a,") + kPrefix + "dG9rZW4");
  ASSERT_TRUE(is_websocket(headers));
  headers[0].second = "close";
  EXPECT_FALSE(protocol_token(headers)->has_value());
  headers[0].second = "upgrade";
  headers[1].second = "SPDY/3.1";
  EXPECT_FALSE(protocol_token(headers)->has_value());
  EXPECT_FALSE(protocol_token(websocket("v4.channel.k8s.io"))->has_value());
  EXPECT_FALSE(protocol_token(websocket(std::string("a,") + kPrefix))->has_value()) << "an empty token is none";
}

TEST(WebSocketToken, IsRefusedWhenItIsNotWhatItShouldBe) {
  const std::string token = std::string(kPrefix) + "dG9rZW4";
  const std::pair<std::string, const char*> rows[] = {
      {token, "missing additional subprotocol"},
      {"a," + token + "," + token, "multiple base64.bearer.authorization tokens specified"},
      {"a," + token + "=", "invalid base64.bearer.authorization token encoding"},
      {"a," + token + "!", "invalid base64.bearer.authorization token encoding"},
      {std::string("a,") + kPrefix + "A", "invalid base64.bearer.authorization token encoding"},
      {std::string("a,") + kPrefix + "_w", "invalid base64.bearer.authorization token"},    // 0xff
      {std::string("a,") + kPrefix + "7aCA", "invalid base64.bearer.authorization token"},  // a surrogate
      {std::string("a,") + kPrefix + "wK8", "invalid base64.bearer.authorization token"},   // longer than need be
      {std::string("a,") + kPrefix + "4oI", "invalid base64.bearer.authorization token"}};  // cut off
  for (const auto& [protocols, message] : rows) {
    const auto found = protocol_token(websocket(protocols));
    ASSERT_FALSE(found.ok()) << protocols;
    EXPECT_EQ(found.error().message(), message) << protocols;
  }
}

}  // namespace
}  // namespace keelson::server
