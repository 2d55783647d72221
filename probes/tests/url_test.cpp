#include <gtest/gtest.h>

#include "probes/url.hpp"

namespace keelson::probes {
namespace {

TEST(Url, IsFormedAsTheKubeletDoes) {
  struct Row {
    const char* host;
    int port;
    const char* path;
    const char* text;
    const char* target;
  };
  const Row rows[] = {
      {"10.0.0.1", 80, "/", "http://10.0.0.1:80/", "/"},
      {"10.0.0.1", 80, "", "http://10.0.0.1:80", "/"},
      {"fd00::1", 8080, "/healthz", "http://[fd00::1]:8080/healthz", "/healthz"},
      {"app.example", 1, "healthz", "http://app.example:1/healthz", "/healthz"},
      {"h", 80, "/a?x=1&y", "http://h:80/a?x=1&y", "/a?x=1&y"},
      {"h", 80, "/a?", "http://h:80/a?", "/a?"},
      {"h", 80, "/a#b", "http://h:80/a#b", "/a"},
      {"h", 80, "/a b", "http://h:80/a%20b", "/a%20b"},
      {"h", 80, "/a%2Fb", "http://h:80/a%2Fb", "/a%2Fb"},
      {"h", 80, "/a%zz?x", "http://h:80/a%25zz%3Fx", "/a%25zz%3Fx"},
      {"h", 80, "/a!(b)", "http://h:80/a!(b)", "/a!(b)"},
      {"h", 80, "/\xc3\xa4", "http://h:80/%C3%A4", "/%C3%A4"},
      {"h", 80, "/a\r\nX: y", "http://h:80/a%0D%0AX:%20y", "/a%0D%0AX:%20y"},
      {"h", 80, "//other/b", "http://h:80/b", "/b"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.path);
    const Url url = make_url("http", row.host, row.port, row.path);
    EXPECT_EQ(url.text(), row.text);
    EXPECT_EQ(url.target(), row.target);
  }
}

TEST(Url, IsFollowedAsLocationsSay) {
  const Url base = make_url("http", "10.0.0.1", 8080, "/a/b?q=1");
  struct Row {
    const char* location;
    const char* text;
  };
  const Row rows[] = {
      {"/c", "http://10.0.0.1:8080/c"},
      {"c", "http://10.0.0.1:8080/a/c"},
      {"../c/", "http://10.0.0.1:8080/c/"},
      {"../../../c", "http://10.0.0.1:8080/c"},
      {"./", "http://10.0.0.1:8080/a/"},
      {"?r=2", "http://10.0.0.1:8080/a/b?r=2"},
      {"#f", "http://10.0.0.1:8080/a/b?q=1#f"},
      {"//other/c", "http://other/c"},
      {"https://10.0.0.1/c?d", "https://10.0.0.1/c?d"},
      {"HTTPS://[fd00::1]:8443", "https://[fd00::1]:8443"},
      {"http://user:secret@h:1/", "http://h:1/"},
      {"ftp://h/", "ftp://h/"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.location);
    const auto url = resolve(base, row.location);
    ASSERT_TRUE(url.ok()) << url.error().to_string();
    EXPECT_EQ(url->text(), row.text);
  }
  for (const char* bad : {"http://h:port/", "http://[::1/", "/a%zz", "/a\nb", "mailto:me", "http://a b/"}) {
    SCOPED_TRACE(bad);
    EXPECT_FALSE(resolve(base, bad).ok());
  }
}

TEST(Url, KnowsItsPort) {
  const Url base = make_url("http", "h", 80, "/");
  EXPECT_EQ(resolve(base, "https://h/")->port_number(), 443);
  EXPECT_EQ(resolve(base, "http://h/")->port_number(), 80);
  EXPECT_EQ(resolve(base, "http://h:/")->port_number(), 80);
  EXPECT_EQ(resolve(base, "http://h:65535/")->port_number(), 65535);
  EXPECT_EQ(resolve(base, "http://h:65536/")->port_number(), std::nullopt);
}

}  // namespace
}  // namespace keelson::probes
