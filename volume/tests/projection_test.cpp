#include "volume/projection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/paths.hpp"
#include "volume/tests/fake_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct ProjectionTest : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/keelson-projection-XXXXXX";
    top = mkdtemp(name);
    dir = top + "/volume";
    fs::create_directory(dir);
  }
  void TearDown() override { fs::remove_all(top); }

  bool write(const Payload& payload) {
    auto written = write_payload(dir, payload, std::nullopt);
    EXPECT_TRUE(written.ok()) << written.error().to_string();
    return written.ok() && *written;
  }
  std::string read(const std::string& path) { return base::read_file(dir + "/" + path).value_or("(absent)"); }
  std::string data() { return fs::read_symlink(dir + "/..data").string(); }
  std::size_t entries() { return base::list_directory(dir)->size(); }

  std::string top;
  std::string dir;
};

TEST_F(ProjectionTest, FilesAreReachedThroughOneLinkThatIsRenamed) {
  EXPECT_TRUE(write({{"a", {"1"}}, {"sub/b", {"2", 0400}}}));
  EXPECT_EQ(fs::read_symlink(dir + "/a"), "..data/a");
  EXPECT_EQ(fs::read_symlink(dir + "/sub"), "..data/sub");
  EXPECT_EQ(read("sub/b"), "2");
  struct stat info {};
  ASSERT_EQ(stat((dir + "/sub/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0400u);
  const std::string first = data();
  EXPECT_TRUE(first.starts_with("..20")) << first;
  EXPECT_TRUE(write({{"a", {"changed"}}, {"sub/b", {"2", 0400}}}));
  EXPECT_NE(data(), first);
  EXPECT_EQ(read("a"), "changed");
  EXPECT_FALSE(fs::exists(dir + "/" + first)) << "the old files must go";
  EXPECT_EQ(entries(), 4u);  // ..data, the dated directory, a, sub
}

TEST_F(ProjectionTest, WhatOtherVolumesAreMountedOnIsMade) {
  api::core::PodSpec spec;
  const auto mount = [](api::core::Container& container, const char* volume, const char* path, const char* sub = "") {
    auto& out = *container.add_volumemounts();
    out.set_name(volume);
    out.set_mountpath(path);
    if (*sub != 0) out.set_subpath(sub);
  };
  auto& one = *spec.add_containers();
  mount(one, "settings", "/etc/app/");
  mount(one, "certs", "/etc/app/tls/certs");
  mount(one, "deeper", "/etc/app/tls/certs/more");
  mount(one, "aside", "/etc/apple");
  auto& two = *spec.add_initcontainers();
  mount(two, "settings", "/s");
  mount(two, "key", "/s/a");
  mount(two, "settings", "/t", "a");
  mount(two, "key", "/t/never");
  const auto nested = nested_mount_points(spec, "settings");
  EXPECT_EQ(nested, (std::vector<std::string>{"a", "tls/certs"}));

  Projection projection;
  projection.plugin = "kubernetes.io/configmap";
  projection.name = "settings";
  projection.in_memory = false;
  projection.payload = {{"a", {"1"}}, {"key", {"2"}}};
  projection.nested = nested;
  LocalVolumeOptions options;
  options.root = top;
  FakeMounts mounts;
  const mode_t old = umask(0077);
  for (int i = 0; i < 2; ++i) {
    const auto ready = set_up_projection("uid", projection, options, mounts);
    ASSERT_TRUE(ready.ok()) << ready.error().to_string();
    EXPECT_TRUE(fs::is_symlink(ready->host_path + "/a")) << "a file of the volume stays one";
    struct stat info {};
    ASSERT_EQ(stat((ready->host_path + "/tls/certs").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0755u);
  }
  umask(old);
}

TEST_F(ProjectionTest, NothingIsWrittenWhenNothingChanged) {
  EXPECT_TRUE(write({{"a", {"1"}}}));
  const std::string before = data();
  EXPECT_FALSE(write({{"a", {"1"}}}));
  EXPECT_EQ(data(), before);
}

TEST_F(ProjectionTest, WhatIsNoLongerWantedGoesWithItsLink) {
  write({{"a", {"1"}}, {"b/c", {"2"}}, {"b/d", {"3"}}});
  write({{"b/d", {"3"}}});
  EXPECT_FALSE(fs::exists(fs::symlink_status(dir + "/a")));
  EXPECT_EQ(read("b/c"), "(absent)");
  EXPECT_EQ(read("b/d"), "3");
  EXPECT_TRUE(write({}));
  EXPECT_EQ(entries(), 2u) << "an empty payload leaves ..data and its directory";
}

TEST_F(ProjectionTest, ALinkThatIsMissingIsMadeAgain) {
  write({{"a", {"1"}}});
  fs::remove(dir + "/a");
  EXPECT_FALSE(write({{"a", {"1"}}}));
  EXPECT_EQ(read("a"), "1");
}

TEST_F(ProjectionTest, AWriteThatWasCutShortIsPutRight) {
  write({{"a", {"1"}}});
  fs::create_symlink("..nowhere", dir + "/..data_tmp");
  fs::create_directory(dir + "/..2020_01_01_00_00_00.1");
  EXPECT_TRUE(write({{"a", {"2"}}}));
  EXPECT_EQ(read("a"), "2");
}

TEST_F(ProjectionTest, PathsThatLeaveTheVolumeAreRefusedBeforeAnythingIsWritten) {
  write({{"a", {"1"}}});
  const std::string long_name(256, 'x');
  for (const std::string& path : {std::string(), std::string("/etc/passwd"), std::string("../x"),
                                  std::string("a/../../x"), std::string("..hidden"), std::string("a//b"), long_name}) {
    auto written = write_payload(dir, {{"good", {"2"}}, {path, {"x"}}}, std::nullopt);
    ASSERT_FALSE(written.ok()) << path;
    EXPECT_EQ(written.error().kind(), ErrorKind::invalid);
    EXPECT_THAT(written.error().to_string(), HasSubstr("invalid path"));
    EXPECT_EQ(read("a"), "1");
    EXPECT_EQ(read("good"), "(absent)");
  }
}

TEST_F(ProjectionTest, AVolumeIsMadeOnceAndTornDownWhole) {
  FakeMounts mounts;
  LocalVolumeOptions options{.root = top + "/root", .node_allocatable_memory = 1 << 20};
  Projection wanted;
  wanted.plugin = std::string(secret_plugin);
  wanted.name = "s";
  wanted.payload = {{"k", {"v"}}};
  for (int i = 0; i < 2; ++i) {
    auto made = set_up_projection("uid-1", wanted, options, mounts);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    EXPECT_TRUE(made->read_only);
    EXPECT_EQ(made->host_path, top + "/root/pods/uid-1/volumes/kubernetes.io~secret/s");
  }
  EXPECT_EQ(mounts.sizes, std::vector<std::int64_t>{1 << 20});
  EXPECT_TRUE(base::path_exists(top + "/root/pods/uid-1/plugins/kubernetes.io~empty-dir/wrapped_s/ready"));
  ASSERT_TRUE(tear_down(options.root, "uid-1", mounts).ok());
  EXPECT_TRUE(mounts.table.empty());
  EXPECT_FALSE(base::path_exists(top + "/root/pods/uid-1/volumes/kubernetes.io~secret/s"));
  EXPECT_FALSE(base::path_exists(top + "/root/pods/uid-1/plugins/kubernetes.io~empty-dir/wrapped_s"));
}

}  // namespace
}  // namespace keelson::volume
