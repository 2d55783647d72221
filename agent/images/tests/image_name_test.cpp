#include "agent/images/image_name.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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
      {"a@sha512:" + std::string(128, '0'), "a@sha512:" + std::string(128, '0')},
      {std::string(64, 'a') + ":1", std::string(64, 'a') + ":1"},
  };
  for (const auto& [in, out] : rows) {
    SCOPED_TRACE(in);
    const auto result = with_default_tag(in);
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(*result, out);
  }
}

TEST(ImageName, HasANormalFormThatRuntimesUse) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  struct Row {
    std::string image, repository, reference;
  };
  const Row rows[] = {
      {"busybox", "docker.io/library/busybox", "docker.io/library/busybox:latest"},
      {"busybox:1", "docker.io/library/busybox", "docker.io/library/busybox:1"},
      {"team/app", "docker.io/team/app", "docker.io/team/app:latest"},
      {"docker.io/app", "docker.io/library/app", "docker.io/library/app:latest"},
      {"index.docker.io/team/app:2", "docker.io/team/app", "docker.io/team/app:2"},
      {"r.io/app:1", "r.io/app", "r.io/app:1"},
      {"r.io:5000/a/b", "r.io:5000/a/b", "r.io:5000/a/b:latest"},
      {"localhost/app", "localhost/app", "localhost/app:latest"},
      {"app:1@" + digest, "docker.io/library/app", "docker.io/library/app@" + digest},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.image);
    EXPECT_EQ(normal_repository(row.image).value(), row.repository);
    EXPECT_EQ(normal_reference(row.image).value(), row.reference);
  }
  EXPECT_FALSE(normal_repository("A b").ok());
  EXPECT_FALSE(normal_reference("A b").ok());
}

TEST(ImageName, RefusesWhatNoRegistryCouldHold) {
  for (const std::string& in : std::vector<std::string>{
           "", ":tag", "Busybox", "a//b", "-a", "a-", "a___b", "a:", "a@sha256:zz", "a b", "host:port/x", "a:b c",
           "a@sha256:" + std::string(63, 'a'), "a@sha256:" + std::string(64, 'A'), "a@md5:" + std::string(32, 'a'),
           std::string(64, 'a')}) {
    SCOPED_TRACE(in);
    const auto result = with_default_tag(in);
    ASSERT_FALSE(result.ok()) << *result;
    EXPECT_EQ(result.error().kind(), ErrorKind::invalid);
    EXPECT_NE(result.error().message().find("\"" + in + "\""), std::string::npos);
  }
}

}  // namespace
}  // namespace keelson::agent
