// What is read from the mount table alone.
#include "volume/mount_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::volume {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kTable =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "23 22 8:16 / /var/lib/kubelet/plugins/disk rw,relatime - xfs /dev/sdb rw,attr2\n"
    "24 22 8:16 / /var/lib/kubelet/pods/u/volumes/x/pv rw master:2 - xfs /dev/sdb rw,attr2\n"
    "25 22 8:16 /sub /var/lib/kubelet/pods/u/subpath rw - xfs /dev/sdb rw,attr2\n"
    "26 22 8:1 /mnt/dir /var/lib/kubelet/pods/u/volumes/local/pv ro - ext4 /dev/sda1 rw\n"
    "27 22 0:30 / /mnt/nfs rw - nfs4 server:/a\\040b rw,hard\n"
    "28 22 0:31 / /mnt/huge rw,relatime - hugetlbfs nodev rw,pagesize=2M\n"
    "29 22 0:32 / /mnt/gone//deleted rw - tmpfs tmpfs rw\n"
    "no line\n"
    "30 22 0:33 / /cut rw\n";

TEST(MountTable, HasAllThatALineSays) {
  const auto table = parse_mount_table(kTable);
  ASSERT_EQ(table.size(), 8u);
  EXPECT_EQ(table[0], (MountEntry{.id = 22,
                                  .device = "8:1",
                                  .root = "/",
                                  .path = "/",
                                  .options = "rw,relatime",
                                  .type = "ext4",
                                  .source = "/dev/sda1",
                                  .super_options = "rw",
                                  .shared = true}));
  EXPECT_EQ(table[4].root, "/mnt/dir");
  EXPECT_FALSE(table[2].shared);
  EXPECT_EQ(table[5].source, "server:/a b");
}

TEST(MountTable, AMountIsKnownAlsoWhenItsDirectoryIsGone) {
  const auto table = parse_mount_table(kTable);
  EXPECT_TRUE(is_mounted_at(table, "/mnt/nfs"));
  EXPECT_TRUE(is_mounted_at(table, "/mnt/gone"));
  EXPECT_FALSE(is_mounted_at(table, "/mnt"));
  EXPECT_FALSE(is_mounted_at(table, "/mnt/nf"));
  EXPECT_FALSE(is_mounted_at(table, "/mnt/nfs/below"));
}

TEST(MountTable, ReferencesAreOtherMountsOfTheSameDirectory) {
  const auto table = parse_mount_table(kTable);
  EXPECT_THAT(mount_references(table, "/var/lib/kubelet/plugins/disk"),
              ElementsAre("/var/lib/kubelet/pods/u/volumes/x/pv"));
  EXPECT_THAT(mount_references(table, "/var/lib/kubelet/pods/u/volumes/x/pv"),
              ElementsAre("/var/lib/kubelet/plugins/disk"));
  EXPECT_THAT(mount_references(table, "/var/lib/kubelet/plugins/disk/sub"),
              ElementsAre("/var/lib/kubelet/pods/u/subpath"))
      << "a directory inside a mount";
  EXPECT_THAT(mount_references(table, "/mnt/dir"), ElementsAre("/var/lib/kubelet/pods/u/volumes/local/pv"))
      << "a directory of the host";
  EXPECT_THAT(mount_references(table, "/mnt"), IsEmpty());
  EXPECT_THAT(mount_references({}, "/mnt"), IsEmpty());
}

TEST(MountTable, OptionsAndTypesAreFoundByName) {
  EXPECT_EQ(option_value("rw,pagesize=2M", "pagesize"), "2M");
  EXPECT_EQ(option_value("rw,xpagesize=2M,pagesize", "pagesize"), "");
  EXPECT_EQ(option_value("", "pagesize"), "");
  EXPECT_EQ(option_value("fscontext=\"a,pagesize=1M\",pagesize=2M", "pagesize"), "2M") << "not within quotes";
  EXPECT_TRUE(is_network_type("nfs4"));
  EXPECT_FALSE(is_network_type("nfsd"));
  EXPECT_FALSE(is_network_type("ext4"));
}

TEST(SharedMounts, TheMountThatIsSeenDecides) {
  const std::string table =
      "22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda rw\n"
      "23 22 0:22 / /var rw master:1 - ext4 /dev/sdb rw\n"
      "24 23 0:23 / /var/lib/my\\040kubelet rw master:1 shared:7 - tmpfs tmpfs rw\n"
      "25 24 0:24 / /var/lib/my\\040kubelet rw - tmpfs tmpfs rw\n"
      "26 23 0:25 / /var/lib/a rw shared:9 - tmpfs tmpfs rw\n";
  EXPECT_TRUE(is_on_shared_mount(table, "/etc"));
  EXPECT_FALSE(is_on_shared_mount(table, "/var"));
  EXPECT_FALSE(is_on_shared_mount(table, "/var/log"));
  EXPECT_TRUE(is_on_shared_mount(table, "/various")) << "no part of /var";
  EXPECT_FALSE(is_on_shared_mount(table, "/var/lib/my kubelet/pods")) << "the later mount hides the earlier";
  EXPECT_TRUE(is_on_shared_mount(table, "/var/lib/a/b"));
  EXPECT_FALSE(is_on_shared_mount("", "/"));
}

TEST(MountInfo, ReadsPathsWithSpacesAndOptionalFields) {
  const auto mounts = parse_mountinfo(
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "40 22 0:35 / /var/a\\040b rw - tmpfs tmpfs rw,size=8192k\n"
      "garbage\n"
      "41 22 0:36 / /x rw master:2 propagate_from:1 - nfs4 srv:/x rw\n");
  EXPECT_THAT(mounts, ElementsAre(MountPoint{"/", "ext4"}, MountPoint{"/var/a b", "tmpfs"}, MountPoint{"/x", "nfs4"}));
  EXPECT_TRUE(is_at_or_below("/a/b", "/a"));
  EXPECT_TRUE(is_at_or_below("/a", "/a"));
  EXPECT_FALSE(is_at_or_below("/ab", "/a"));
  EXPECT_TRUE(is_at_or_below("/a", "/"));
}

}  // namespace
}  // namespace keelson::volume
