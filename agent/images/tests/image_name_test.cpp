#include "agent/images/image_name.hpp"

#include <gtest/gtest.h>

namespace keelson::agent {
namespace {

TEST(ImageName, GetsTheDefaultTagOnlyWhenItHasNeitherTagNorDigest) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::pair<std::string, std::string> rows[] = {
      {"busybox", "busybox:latest"},
      {"busybox:1", "busybox:1"},
      {"library/busybox", "library/busybox:latest"},
      {"registry:5000/a/b", "registry:5000/a/b:latest"},
      {"registry:5000/a/b:v1", "registry:5000/a/b:v1"},
      {"busybox@" + digest, "busybox@" + digest},
      {"busybox:1@" + digest, "busybox:1@" + digest},
      {"[::1]:5000/x", "[::1]:5000/x:latest"},
      {"a__b/c--d.e", "a__b/c--d.e:latest"},
  };
  for (const auto& [in, out] : rows) {
    SCOPED_TRACE(in);
    const auto result = with_default_tag(in);
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(*result, out);
  }
}

TEST(ImageName, RefusesWhatNoRegistryCouldHold) {
  for (const std::string in :
       {"", ":tag", "Busybox", "a//b", "-a", "a-", "a___b", "a:", "a@sha256:zz", "a b", "host:port/x", "a:b c"}) {
    SCOPED_TRACE(in);
    const auto result = with_default_tag(in);
    ASSERT_FALSE(result.ok()) << *result;
    EXPECT_EQ(result.error().kind(), ErrorKind::invalid);
    EXPECT_NE(result.error().message().find("\"" + in + "\""), std::string::npos);
  }
}

}  // namespace
}  // namespace keelson::agent
