#include <gtest/gtest.h>

#include "kube-client/proxy.hpp"
#include "kube-client/url.hpp"

namespace keelson::kube {
namespace {

TEST(Url, PartsAreTakenApart) {
  struct Row {
    std::string text, scheme, user, host, port, path, query;
  };
  const std::vector<Row> rows = {
      {"https://api.example:6443", "https", "", "api.example", "6443", "", ""},
      {"HTTPS://API.Example/", "https", "", "api.example", "", "/", ""},
      {"http://[FD00::1]:8080/a/b?x=y#z", "http", "", "fd00::1", "8080", "/a/b", "x=y"},
      {"http://me:p%40ss@10.0.0.1:3128", "http", "me:p%40ss", "10.0.0.1", "3128", "", ""},
      {"https://h:", "https", "", "h", "", "", ""},
  };
  for (const auto& row : rows) {
    const auto url = parse_url(row.text);
    ASSERT_TRUE(url.ok()) << row.text << ": " << url.error().to_string();
    EXPECT_EQ(url->scheme, row.scheme) << row.text;
    EXPECT_EQ(url->user_info, row.user) << row.text;
    EXPECT_EQ(url->host, row.host) << row.text;
    EXPECT_EQ(url->port, row.port) << row.text;
    EXPECT_EQ(url->path, row.path) << row.text;
    EXPECT_EQ(url->query, row.query) << row.text;
  }
}

TEST(Url, NonsenseIsRefused) {
  for (const char* text :
       {"", "api.example", "://x", "https://", "https:///path", "https://a b", "https://h:0", "https://h:65536",
        "https://h:x", "https://[fd00::1", "https://[10.0.0.1]", "https://h\n", "https://[fd00::1]x", "https://a$b"}) {
    EXPECT_FALSE(parse_url(text).ok()) << text;
  }
}

TEST(Proxy, EnvironmentDecidesAsInGo) {
  struct Row {
    std::string server;
    Environment environment;
    std::string proxy;
  };
  const std::string proxy = "http://p:3128";
  const Environment both = {{"HTTPS_PROXY", "http://p:3128"}, {"HTTP_PROXY", "http://q:80"}};
  const auto except = [&](const std::string& list) { return Environment{{"HTTPS_PROXY", proxy}, {"NO_PROXY", list}}; };
  const std::vector<Row> rows = {
      {"https://api.example", {}, ""},
      {"https://api.example", both, proxy},
      {"http://api.example", both, "http://q:80"},
      {"https://api.example", {{"HTTP_PROXY", proxy}}, ""},
      {"https://api.example", {{"https_proxy", proxy}}, proxy},
      {"https://api.example", {{"https_proxy", "http://low"}, {"HTTPS_PROXY", proxy}}, proxy},
      {"https://api.example", {{"HTTPS_PROXY", ""}, {"https_proxy", proxy}}, proxy},
      {"https://api.example", {{"HTTPS_PROXY", "p:3128"}}, proxy},
      {"https://api.example", {{"HTTPS_PROXY", "https://me:pw@p"}}, "https://me:pw@p:443"},
      {"https://localhost:6443", both, ""},
      {"https://127.1.2.3:6443", both, ""},
      {"https://[::1]:6443", both, ""},
      {"https://api.example", except("*"), ""},
      {"https://api.example", except("api.example"), ""},
      {"https://api.example", except(" API.Example , x"), ""},
      {"https://api.example", except("example"), ""},
      {"https://api.example", except(".example"), ""},
      {"https://api.example", except("*.example"), ""},
      {"https://example", except(".example"), proxy},
      {"https://apiexample", except("example"), proxy},
      {"https://api.example", except("other"), proxy},
      {"https://api.example:6443", except("api.example:6443"), ""},
      {"https://api.example:6443", except("api.example:443"), proxy},
      {"https://api.example", except("api.example:443"), ""},
      {"https://10.1.2.3", except("10.0.0.0/8"), ""},
      {"https://11.1.2.3", except("10.0.0.0/8"), proxy},
      {"https://10.129.2.3", except("10.128.0.0/9"), ""},
      {"https://10.1.2.3", except("10.128.0.0/9"), proxy},
      {"https://10.1.2.3", except("10.1.2.3"), ""},
      {"https://10.1.2.3:6443", except("10.1.2.3:443"), proxy},
      {"https://[fd00::5]", except("fd00::/16"), ""},
      {"https://[fd00::5]", except("[fd00::5]:443"), ""},
      {"https://[fd00::5]", except("10.0.0.0/8"), proxy},
      {"https://10.1.2.3", except("10.0.0.0/x,10.0.0.0/99,,"), proxy},
  };
  for (const auto& row : rows) {
    const std::string name =
        row.server + " but " + (row.environment.count("NO_PROXY") != 0 ? row.environment.at("NO_PROXY") : "nothing");
    const auto found = proxy_for(*parse_url(row.server), row.environment);
    ASSERT_TRUE(found.ok()) << name << ": " << found.error().to_string();
    EXPECT_EQ(*found, row.proxy) << name;
  }
}

TEST(Proxy, ABadProxyNamesItsVariableAndNoPassword) {
  const auto found = proxy_for(*parse_url("https://a"), {{"https_proxy", "socks5://me:geheim@p"}});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().to_string(),
            "environment variable https_proxy: scheme \"socks5\" is not supported, expected http or https");
  EXPECT_FALSE(normal_proxy("http://").ok());
}

}  // namespace
}  // namespace keelson::kube
