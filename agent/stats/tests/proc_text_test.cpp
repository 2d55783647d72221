// What the files of /proc say.
#include "agent/stats/proc_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::stats {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(NetDev, HasTheInterfacesThatLeadOut) {
  const auto all = parse_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
      "    lo:    3267      29    0    0    0     0          0         0     3267      29    0    0    0     0  0 0\n"
      "  ifb0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0  0 0\n"
      "  eth0:722576251 1353    1    2    0     0          0         0    59995     803    3    4    0     0  0 0\n"
      "vethab12: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\ndocker0: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n"
      "Nerdctl1: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\nshort: 1 2 3\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0], (Interface{"ifb0", {}, {}}));
  EXPECT_EQ(all[1], (Interface{"eth0", {722576251, 1353, 1, 2}, {59995, 803, 3, 4}}));
  EXPECT_THAT(parse_net_dev(""), IsEmpty());
}

TEST(Meminfo, IsInKibibytes) {
  EXPECT_EQ(parse_meminfo("MemTotal:       24684084 kB\nMemFree: 3 kB\nSwapTotal:  1024 kB\nSwapFree:  512 kB\n"),
            (Memory{24684084ull * 1024, 1024 * 1024, 512 * 1024}));
  EXPECT_EQ(parse_meminfo("MemTotal: lots"), Memory());
}

TEST(BootTime, StandsAmongTheCounters) {
  EXPECT_EQ(parse_boot_time("cpu  1 2 3\nctxt 5\nbtime 1795165169\nprocesses 9\n"), 1795165169);
  EXPECT_EQ(parse_boot_time("cpu 1\n"), std::nullopt);
}

TEST(Tasks, AreTheSecondNumberOfTheFourthField) {
  EXPECT_EQ(parse_tasks("2.44 2.80 1.98 3/101 15797\n"), 101u);
  EXPECT_EQ(parse_tasks("2.44 2.80 1.98"), std::nullopt);
  EXPECT_EQ(parse_tasks("1 2 3 four 5"), std::nullopt);
}

TEST(Diskstats, AreThoseOfDisksAndPartitions) {
  const auto disks = parse_diskstats(
      "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n   1       0 ram0 0 0 0 0 0 0 0 0 0 0 0\n"
      " 254       1 vda1 1 2 3 4 5 6 7 8 9 10 11 80701 7588\n   8  0 sda 1 2\n  11  0 sr0 0 0 0 0 0 0 0 0 0 0 0\n");
  EXPECT_THAT(disks, ElementsAre(Disk{254, 1, "vda1", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST(Mounts, AreThoseOfTheNodeOnceForEachDevice) {
  const auto mounts = parse_mounts(
      "22 27 0:21 / /proc rw - proc proc rw\n"
      "27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
      "28 27 254:1 /x /bind rw - ext4 /dev/vda1 rw\n"
      "29 27 8:0 / /data\\040one rw - xfs /dev/sda rw\n"
      "30 24 0:27 / /dev/shm rw - tmpfs tmpfs rw\n"
      "31 24 0:40 / /var/lib/kubelet/pods/1/volumes/kubernetes.io~secret/s rw - tmpfs tmpfs rw\n"
      "32 24 0:41 / /run/containerd/x/rootfs rw - overlay overlay rw\n"
      "33 24 0:42 / /srv rw - nfs4 server:/x rw\nbroken\n",
      {"/var/lib/kubelet/pods/", "/run/containerd/"});
  EXPECT_THAT(mounts, ElementsAre(MountedSystem{"/dev/vda1", "/", 254, 1}, MountedSystem{"/dev/sda", "/data one", 8, 0},
                                  MountedSystem{"/dev/shm", "/dev/shm", 0, 27}));
}

TEST(Mounts, ShowARootThatIsAnOverlay) {
  EXPECT_THAT(parse_mounts("27 1 0:52 / / rw - overlay overlay rw,lowerdir=/a\n", {}),
              ElementsAre(MountedSystem{"overlay_0-52", "/", 0, 52}));
}

TEST(OpenFilesLimit, IsTheSoftOne) {
  const std::string head = "Limit                     Soft Limit           Hard Limit           Units\n";
  EXPECT_EQ(parse_open_files_limit(head + "Max open files            1024                 524288       files\n"), 1024);
  EXPECT_EQ(parse_open_files_limit(head + "Max open files            unlimited            unlimited    files\n"), -1);
  EXPECT_EQ(parse_open_files_limit(head), std::nullopt);
}

}  // namespace
}  // namespace keelson::stats
