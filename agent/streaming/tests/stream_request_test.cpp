#include "agent/streaming/stream_request.hpp"

#include <gtest/gtest.h>

namespace keelson::streaming {
namespace {

server::Request asking(server::Fields query, server::Fields headers = {}) {
  server::Request out;
  out.method = "POST";
  out.query = std::move(query);
  out.headers = std::move(headers);
  return out;
}

const server::Fields kWebSocket = {{"Connection", "keep-alive, Upgrade"}, {"upgrade", "WebSocket"}};

TEST(StreamPath, NamesPodAndContainerWithOrWithoutAUid) {
  const StreamPath plain{"ns", "web", "", "main"};
  const StreamPath with_uid{"ns", "web", "uid-1", "main"};
  EXPECT_EQ(container_path("/exec/ns/web/main"), plain);
  EXPECT_EQ(container_path("/attach/ns/web/main/"), plain);
  EXPECT_EQ(container_path("/run/ns/web/uid-1/main"), with_uid);
  for (const auto* path :
       {"/exec", "/exec/", "/exec/ns/web", "/exec/ns/web/a/b/c", "/exec/ns//web/main", "exec/ns/web/main"}) {
    EXPECT_FALSE(container_path(path).has_value()) << path;
  }
}

TEST(StreamPath, OfAPortForwardEndsWithThePodOrItsUid) {
  const StreamPath plain{"ns", "web", "", ""};
  const StreamPath with_uid{"ns", "web", "uid-1", ""};
  EXPECT_EQ(pod_path("/portForward/ns/web"), plain);
  EXPECT_EQ(pod_path("/portForward/ns/web/uid-1"), with_uid);
  for (const auto* path : {"/portForward/ns", "/portForward/ns/web/uid-1/more", "/portForward//web"}) {
    EXPECT_FALSE(pod_path(path).has_value()) << path;
  }
}

TEST(StreamOptions, AreOnWhenTheyAreExactlyOne) {
  struct Row {
    server::Fields query;
    const char* streams;  // of "ioet"; empty: refused
  };
  const Row rows[] = {
      {{{"input", "1"}}, "i"},
      {{{"output", "1"}, {"error", "1"}}, "oe"},
      {{{"input", "1"}, {"output", "1"}, {"error", "1"}, {"tty", "1"}}, "iot"},
      {{{"error", "1"}, {"tty", "1"}}, ""},
      {{{"output", "true"}}, ""},
      {{{"output", "true"}, {"input", "1"}}, "i"},
      {{{"output", "0"}, {"output", "1"}}, ""},
      {{{"output", "1"}, {"output", "0"}}, "o"},
      {{{"tty", "1"}}, ""},
      {{{"stdin", "1"}, {"stdout", "1"}}, ""},
      {{}, ""},
  };
  for (const auto& row : rows) {
    const auto streams = stream_options(asking(row.query));
    std::string text;
    for (const auto& [key, value] : row.query) text += key + "=" + value + "&";
    if (!streams.ok()) {
      EXPECT_STREQ(row.streams, "") << text;
      EXPECT_EQ(streams.error().message(), "you must specify at least 1 of stdin, stdout, stderr");
      continue;
    }
    std::string seen;
    if (streams->in) seen += 'i';
    if (streams->out) seen += 'o';
    if (streams->err) seen += 'e';
    if (streams->tty) seen += 't';
    EXPECT_EQ(seen, row.streams) << text;
  }
}

TEST(StreamCommand, IsEveryValueOfExecsAndTheWordsOfRuns) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(exec_command(asking({{"command", "sh"}, {"output", "1"}, {"command", "-c"}, {"command", "a b"}})),
            (Words{"sh", "-c", "a b"}));
  EXPECT_EQ(exec_command(asking({})), Words());
  EXPECT_EQ(run_command(asking({{"cmd", "ls -l  /"}})), (Words{"ls", "-l", "", "/"}));
  EXPECT_EQ(run_command(asking({})), (Words{""}));
}

TEST(ForwardPorts, AreOnlyAskedOfWebSockets) {
  const auto spdy = forward_ports(asking({{"port", "x"}}, {{"Connection", "Upgrade"}, {"Upgrade", "SPDY/3.1"}}));
  ASSERT_TRUE(spdy.ok());
  EXPECT_TRUE(spdy->empty());
  const auto several = forward_ports(asking({{"port", "80"}, {"port", "8080,65535"}}, kWebSocket));
  ASSERT_TRUE(several.ok());
  EXPECT_EQ(*several, (std::vector<std::int32_t>{80, 8080, 65535}));
}

TEST(ForwardPorts, AreRefusedInTheKubeletsWords) {
  struct Row {
    server::Fields query;
    const char* text;
  };
  const Row rows[] = {
      {{}, R"(query parameter "port" is required)"},
      {{{"port", ""}}, R"(query parameter "port" cannot be empty)"},
      {{{"port", "0"}}, R"(port "0" must be > 0)"},
      {{{"port", "80"}, {"port", "0"}}, R"(port "0" must be > 0)"},
      {{{"port", "x"}}, R"(unable to parse "x" as a port: strconv.ParseUint: parsing "x": invalid syntax)"},
      {{{"port", "80,"}}, R"(unable to parse "80," as a port: strconv.ParseUint: parsing "": invalid syntax)"},
      {{{"port", "+80"}}, R"(unable to parse "+80" as a port: strconv.ParseUint: parsing "+80": invalid syntax)"},
      {{{"port", "1,65536"}},
       R"(unable to parse "1,65536" as a port: strconv.ParseUint: parsing "65536": value out of range)"},
      {{{"port", "99999999999999999999"}},
       R"(unable to parse "99999999999999999999" as a port: strconv.ParseUint: )"
       R"(parsing "99999999999999999999": value out of range)"},
  };
  for (const auto& row : rows) {
    const auto ports = forward_ports(asking(row.query, kWebSocket));
    ASSERT_FALSE(ports.ok()) << row.text;
    EXPECT_EQ(ports.error().message(), row.text);
  }
}

TEST(Upgrade, IsTheWordInAnyConnectionHeader) {
  EXPECT_TRUE(is_upgrade(asking({}, {{"Connection", "close"}, {"connection", "keep-alive, UPGRADE"}})));
  EXPECT_FALSE(is_upgrade(asking({}, {{"Connection", "close"}, {"Upgrade", "SPDY/3.1"}})));
  EXPECT_FALSE(is_upgrade(asking({})));
}

}  // namespace
}  // namespace keelson::streaming
