// Disks that are blank, full, broken; and a real one, made of a file by a loop device.
#include "volume/format_and_mount.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/mount_point.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/fake_programs.hpp"
#include "volume/tests/loop_disk.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kProbe = "blkid -p -s TYPE -s PTTYPE -o export /dev/sdb";

struct FormatAndMount : testing::Test {
  DiskMounted run(std::vector<std::string> options = {}, std::string type = "") {
    return format_and_mount({"/dev/sdb", "/mnt", std::move(type), std::move(options)}, programs, mounts);
  }
  std::string failure(const DiskMounted& outcome) { return outcome.failure ? outcome.failure->to_string() : ""; }

  FakePrograms programs;
  FakeMounts mounts;
};

TEST_F(FormatAndMount, ABlankDiskGetsExt4AndIsMounted) {
  programs.on("blkid", exits(2));
  const auto outcome = run({"noatime"});
  EXPECT_EQ(failure(outcome), "");
  EXPECT_TRUE(outcome.formatted);
  EXPECT_THAT(programs.calls, ElementsAre(kProbe, "mkfs.ext4 -F -m0 /dev/sdb"));
  ASSERT_EQ(mounts.mounted.size(), 1u);
  EXPECT_EQ(mounts.mounted[0].type, "ext4");
  EXPECT_THAT(mounts.mounted[0].options, ElementsAre("noatime", "defaults"));
}

TEST_F(FormatAndMount, EachFileSystemHasItsOwnWords) {
  for (const auto& [type, line] : std::map<std::string, std::string>{
           {"ext3", "mkfs.ext3 -F -m0 /dev/sdb"}, {"xfs", "mkfs.xfs -f /dev/sdb"}, {"btrfs", "mkfs.btrfs /dev/sdb"}}) {
    FakePrograms fresh;
    fresh.on("blkid", exits(2));
    format_and_mount({"/dev/sdb", "/mnt", type, {}}, fresh, mounts);
    EXPECT_THAT(fresh.calls, Contains(line));
  }
}

TEST_F(FormatAndMount, NothingIsFormattedThatMayHoldData) {
  struct Row {
    Result<ProgramResult> probe;
    const char* why;
  };
  for (const auto& row :
       {Row{exits(0, "TYPE=ext4\n"), "a file system"}, Row{exits(0, "PTTYPE=dos\n"), "a partition table"},
        Row{exits(0, "DEVNAME=/dev/sdb\n"), "found, but not said what"}, Row{exits(0, ""), "no word"},
        Row{exits(8), "more than one file system"}, Row{exits(4), "wrong usage"},
        Row{exits(2, "", "error: /dev/sdb: Input/output error"), "cannot be read"}, Row{hangs(), "no answer"},
        Row{Error(ErrorKind::not_found, "start blkid"), "no blkid"}, Row{exits(0, "TYPE=a=b\n"), "garbage"}}) {
    FakePrograms fresh;
    fresh.on("blkid", row.probe);
    const auto outcome = format_and_mount({"/dev/sdb", "/mnt", "ext4", {}}, fresh, mounts);
    EXPECT_EQ(fresh.count("mkfs"), 0) << row.why;
    EXPECT_FALSE(outcome.formatted) << row.why;
  }
}

TEST_F(FormatAndMount, ABlankDiskIsNoDiskForReading) {
  programs.on("blkid", exits(2));
  EXPECT_EQ(failure(run({"ro"})), "cannot mount unformatted disk /dev/sdb as we are manipulating it in read-only mode");
  EXPECT_EQ(programs.count("mkfs"), 0);
  EXPECT_THAT(mounts.mounted, IsEmpty());
}

TEST_F(FormatAndMount, OnlyErrorsThatAreLeftKeepADiskFromBeingMounted) {
  struct Row {
    Result<ProgramResult> fsck;
    bool mounted;
  };
  for (const auto& row : {Row{exits(0), true}, Row{exits(1, "fixed"), true}, Row{exits(4, "bad"), false},
                          Row{exits(8), true}, Row{Error(ErrorKind::not_found, "start fsck"), true}}) {
    FakePrograms fresh;
    fresh.on("blkid", exits(0, "TYPE=ext4\n"));
    fresh.on("fsck -a /dev/sdb", row.fsck);
    const auto outcome = format_and_mount({"/dev/sdb", "/mnt", "ext4", {}}, fresh, mounts);
    EXPECT_EQ(!outcome.failure, row.mounted);
    EXPECT_EQ(fresh.count("fsck"), 1);
    if (!row.mounted) {
      EXPECT_EQ(failure(outcome),
                "'fsck' found errors on device /dev/sdb but could not correct them: exit status 4: bad");
    }
  }
}

TEST_F(FormatAndMount, ADiskForReadingIsNotChecked) {
  programs.on("blkid", exits(0, "TYPE=ext4\n"));
  EXPECT_EQ(failure(run({"ro"})), "");
  EXPECT_EQ(programs.count("fsck"), 0);
}

TEST_F(FormatAndMount, AnotherFileSystemIsTriedAndFlaggedWhenItFails) {
  programs.on("blkid", exits(0, "TYPE=xfs\n"));
  EXPECT_FALSE(run({}, "ext4").mismatch) << "it could be mounted";
  mounts.mount_fails = Error(ErrorKind::unavailable, "mount failed");
  const auto outcome = run({}, "ext4");
  EXPECT_EQ(failure(outcome), "mount failed");
  EXPECT_TRUE(outcome.mismatch);
  EXPECT_FALSE(run({}, "xfs").mismatch);
}

TEST_F(FormatAndMount, AFailedFormatIsToldAndNothingMounted) {
  programs.on("blkid", exits(2));
  programs.on("mkfs", exits(1, "", "no space"));
  EXPECT_EQ(failure(run()),
            "format of disk \"/dev/sdb\" failed: type:(\"ext4\") target:(\"/mnt\"): exit status 1: no space");
  EXPECT_THAT(mounts.mounted, IsEmpty());
}

TEST_F(FormatAndMount, AFileSystemGrowsByItsOwnProgram) {
  for (const auto& [type, line] : std::map<std::string, std::string>{{"ext4", "resize2fs /dev/sdb"},
                                                                     {"ext3", "resize2fs /dev/sdb"},
                                                                     {"xfs", "xfs_growfs -d /mnt"},
                                                                     {"btrfs", "btrfs filesystem resize max /mnt"}}) {
    FakePrograms fresh;
    fresh.on("blockdev --getro", exits(0, "0\n"));
    fresh.on("blkid", exits(0, "TYPE=" + type + "\n"));
    const auto grown = grow_file_system("/dev/sdb", "/mnt", fresh);
    ASSERT_TRUE(grown.ok()) << type;
    EXPECT_TRUE(*grown);
    EXPECT_EQ(fresh.calls.back(), line);
  }
}

TEST_F(FormatAndMount, GrowingLeavesBlankAndReadOnlyDisksAndRefusesUnknownOnes) {
  programs.on("blockdev --getro /dev/ro", exits(0, "1\n"));
  programs.on("blockdev --getro", exits(0, "0\n"));
  programs.on("blkid -p -s TYPE -s PTTYPE -o export /dev/blank", exits(2));
  programs.on("blkid -p -s TYPE -s PTTYPE -o export /dev/vfat", exits(0, "TYPE=vfat\n"));
  EXPECT_FALSE(*grow_file_system("/dev/ro", "/mnt", programs));
  EXPECT_FALSE(*grow_file_system("/dev/blank", "/mnt", programs));
  EXPECT_EQ(grow_file_system("/dev/vfat", "/mnt", programs).error().to_string(),
            "resize of format vfat is not supported for device /dev/vfat mounted at /mnt");
}

// blkid, mkfs, fsck, mount and resize2fs as they are, on a disk that is a file.
TEST_F(FormatAndMount, ARealDiskIsFormattedOnceKeepsItsDataAndGrows) {
  LoopDisk disk(16u << 20);
  if (!disk.ready()) GTEST_SKIP() << disk.why_not();
  in_own_mount_namespace([&] {
    HostPrograms real;
    LinuxMounts linux_mounts(real);
    const std::string target = disk.directory() + "/mnt";
    std::filesystem::create_directory(target);
    const DiskMount wanted{disk.device(), target, "", {}};
    auto outcome = format_and_mount(wanted, real, linux_mounts);
    if (outcome.failure) std::fprintf(stderr, "%s\n", outcome.failure->to_string().c_str());
    if (outcome.failure || !outcome.formatted) return 1;
    if (!base::write_file(target + "/precious", "x", 0600).ok()) return 2;
    if (!linux_mounts.unmount(target).ok()) return 3;
    outcome = format_and_mount(wanted, real, linux_mounts);
    if (outcome.failure || outcome.formatted || !base::path_exists(target + "/precious")) return 4;
    const auto small = std::filesystem::space(target).capacity;
    if (!disk.grow(64u << 20)) return 5;
    if (!may_grow_mounted()) {
      // Off line it grows too, after a check.
      const ProgramRequest check{.argv = {"e2fsck", "-f", "-y", disk.device()}};
      if (!linux_mounts.unmount(target).ok() || !real.run(check).ok()) return 5;
    }
    const auto grown = grow_file_system(disk.device(), target, real);
    if (!may_grow_mounted() && !linux_mounts.mount({disk.device(), target, "ext4", {}}).ok()) return 5;
    if (!grown.ok()) std::fprintf(stderr, "%s\n", grown.error().to_string().c_str());
    if (!grown.ok() || !*grown || std::filesystem::space(target).capacity < 2 * small) return 6;
    if (!clean_up_mount_point(target, linux_mounts).ok()) return 7;
    std::filesystem::create_directory(target);
    // Another type than what is on it: tried, failed, flagged; and never formatted.
    outcome = format_and_mount({disk.device(), target, "xfs", {}}, real, linux_mounts);
    if (!outcome.failure || !outcome.mismatch || outcome.formatted) return 8;
    return *disk_format(disk.device(), real) == "ext4" ? 0 : 9;
  });
}

}  // namespace
}  // namespace keelson::volume
