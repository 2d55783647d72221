// NFS volumes: what mount(8) is asked for, and what a failure leaves.
#include "volume/nfs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "volume/mount_point.hpp"
#include "volume/tests/fake_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

struct Nfs : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/keelson-nfs-XXXXXX";
    root = mkdtemp(name);
    directory = root + "/pods/uid-1/volumes/kubernetes.io~nfs/share";
  }
  void TearDown() override { fs::remove_all(root); }

  std::string root, directory;
  FakeMounts mounts;
};

TEST_F(Nfs, IsMountedOnceForEachPod) {
  const NfsVolume volume{"server", "/export", true, {"hard", "nfsvers=4.1"}};
  ASSERT_TRUE(set_up_nfs(root, "uid-1", "share", volume, mounts).ok());
  ASSERT_TRUE(set_up_nfs(root, "uid-1", "share", volume, mounts).ok());
  ASSERT_EQ(mounts.mounted.size(), 1u);
  EXPECT_EQ(mounts.mounted[0].source, "server:/export");
  EXPECT_EQ(mounts.mounted[0].target, directory);
  EXPECT_EQ(mounts.mounted[0].type, "nfs");
  EXPECT_THAT(mounts.mounted[0].options, ElementsAre("hard", "nfsvers=4.1", "ro"));
  struct stat info {};
  ASSERT_EQ(stat(directory.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0750u);
  ASSERT_TRUE(clean_up_mount_point(directory, mounts).ok());
  EXPECT_THAT(mounts.forced, ElementsAre(directory));
  EXPECT_FALSE(fs::exists(directory));
}

TEST_F(Nfs, AnIpv6ServerIsPutInBrackets) {
  EXPECT_EQ(nfs_source({"2001:db8::1", "/x"}), "[2001:db8::1]:/x");
  EXPECT_EQ(nfs_source({"[2001:db8::1]", "/x"}), "[2001:db8::1]:/x");
  EXPECT_EQ(nfs_source({"192.0.2.1", "/x"}), "192.0.2.1:/x");
}

TEST_F(Nfs, AFailedMountLeavesNoDirectory) {
  mounts.mount_fails = Error(ErrorKind::unavailable, "mount failed: Connection refused");
  EXPECT_EQ(set_up_nfs(root, "uid-1", "share", {"server", "/x"}, mounts).error().to_string(),
            "mount failed: Connection refused");
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_FALSE(set_up_nfs(root, "..", "share", {"server", "/x"}, mounts).ok());
  EXPECT_FALSE(set_up_nfs(root, "uid-1", "../x", {"server", "/x"}, mounts).ok());
}

}  // namespace
}  // namespace keelson::volume
