// mount(8), bind mounts and unmounting; as root with the kernel's own mounts in a mount namespace of the child only.
#include "volume/mounts.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "volume/mount_point.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/fake_programs.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class MountsTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-mounts-XXXXXX";
    top_ = mkdtemp(name);
    for (const char* directory : {"/a", "/b", "/c"}) fs::create_directory(top_ + directory);
  }
  void TearDown() override { fs::remove_all(top_); }

  std::string top_;
  FakePrograms programs_;
  LinuxMounts mounts_{programs_};
};

TEST_F(MountsTest, ADiskIsMountedInAScopeOfItsOwnWhereSystemdRuns) {
  ASSERT_TRUE(mounts_.mount({"/dev/sdb", "/mnt", "ext4", {"ro", "defaults"}}).ok());
  ASSERT_TRUE(mounts_.mount({"/dev/sdc", "/mnt2", "", {}}).ok());
  EXPECT_THAT(programs_.calls,
              ElementsAre("systemd-run --description=Kubernetes systemd probe --scope true",
                          "systemd-run --description=Kubernetes transient mount for /mnt --scope -- mount -t ext4 -o "
                          "ro,defaults /dev/sdb /mnt",
                          "systemd-run --description=Kubernetes transient mount for /mnt2 --scope -- mount /dev/sdc "
                          "/mnt2"));
}

TEST_F(MountsTest, WithoutSystemdMountRunsByItselfAndItIsProbedOnce) {
  programs_.on("systemd-run", exits(1, "", "System has not been booted with systemd"));
  ASSERT_TRUE(mounts_.mount({"/dev/sdb", "/mnt", "xfs", {}}).ok());
  ASSERT_TRUE(mounts_.mount({"/dev/sdb", "/mnt", "xfs", {}}).ok());
  EXPECT_EQ(programs_.count("systemd-run"), 1);
  EXPECT_EQ(programs_.count("mount -t xfs /dev/sdb /mnt"), 2);
}

TEST_F(MountsTest, NfsAndHugePagesAreMountedWithoutAScope) {
  ASSERT_TRUE(mounts_.mount({"server:/x", "/mnt", "nfs", {"ro"}}).ok());
  ASSERT_TRUE(mounts_.mount({"nodev", "/mnt", "hugetlbfs", {"pagesize=2Mi"}}).ok());
  EXPECT_THAT(programs_.calls,
              ElementsAre("mount -t nfs -o ro server:/x /mnt", "mount -t hugetlbfs -o pagesize=2Mi nodev /mnt"));
}

TEST_F(MountsTest, AFailedMountSaysWhatMountSaid) {
  programs_.on("mount", exits(32, "", "mount.nfs: Connection refused\n"));
  const Status status = mounts_.mount({"server:/x", "/mnt", "nfs", {}});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().to_string(),
            "mount failed: mount -t nfs server:/x /mnt: exit status 32: mount.nfs: Connection refused");
}

TEST_F(MountsTest, AServerThatIsAwayIsPulledOffAfterAMinute) {
  programs_.on("umount -f", exits(0));
  programs_.on("umount", hangs());
  ASSERT_TRUE(mounts_.unmount_by_force("/mnt", std::chrono::minutes(1)).ok());
  EXPECT_THAT(programs_.calls, ElementsAre("umount /mnt", "umount -f /mnt"));
  EXPECT_EQ(programs_.limits.front(), std::chrono::minutes(1));
}

TEST_F(MountsTest, PullingOffIsForHangingOnlyAndWhatIsNotMountedIsFine) {
  programs_.on("umount /busy", exits(32, "", "umount: /busy: target is busy."));
  programs_.on("umount /gone", exits(32, "", "umount: /gone: not mounted."));
  EXPECT_EQ(mounts_.unmount_by_force("/busy", std::chrono::minutes(1)).error().to_string(),
            "unmount /busy: exit status 32: umount: /busy: target is busy.");
  EXPECT_TRUE(mounts_.unmount_by_force("/gone", std::chrono::minutes(1)).ok());
  EXPECT_EQ(programs_.count("umount -f"), 0);
}

struct FlagRow {
  std::vector<std::string> options;
  unsigned long source;
  unsigned long flags;
};

TEST(BindFlags, AreTheOptionsAndWhatTheSourceHas) {
  for (const auto& row : {FlagRow{{}, 0, 0}, FlagRow{{"ro"}, 0, MS_RDONLY}, FlagRow{{"ro", "rw"}, 0, 0},
                          FlagRow{{"rw"}, ST_RDONLY, MS_RDONLY},
                          FlagRow{{"noexec", "nosuid", "nodev"}, 0, MS_NOEXEC | MS_NOSUID | MS_NODEV},
                          FlagRow{{"exec"}, ST_NOEXEC | ST_NOSUID, MS_NOEXEC | MS_NOSUID},
                          FlagRow{{"discard", "_netdev", "defaults"}, ST_RELATIME, MS_RELATIME},
                          FlagRow{{"noatime"}, ST_NODEV | ST_NODIRATIME, MS_NOATIME | MS_NODEV | MS_NODIRATIME}}) {
    EXPECT_EQ(bind_flags(row.options, row.source), row.flags)
        << testing::PrintToString(row.options) << " on " << row.source;
  }
}

TEST_F(MountsTest, ABindMountKeepsTheFlagsOfItsSource) {
  in_own_mount_namespace([&] {
    if (::mount("tmpfs", (top_ + "/a").c_str(), "tmpfs", MS_NOEXEC | MS_NOSUID, nullptr) != 0) return 1;
    if (!mounts_.bind_with(top_ + "/a", top_ + "/b", {"ro"}).ok()) return 2;
    struct statvfs info {};
    if (statvfs((top_ + "/b").c_str(), &info) != 0) return 3;
    const auto wanted = ST_RDONLY | ST_NOEXEC | ST_NOSUID;
    if ((info.f_flag & wanted) != wanted) return 4;
    if (statvfs((top_ + "/a").c_str(), &info) != 0 || (info.f_flag & ST_RDONLY) != 0) return 5;
    if (base::write_file(top_ + "/b/x", "", 0600).ok() || !base::write_file(top_ + "/a/x", "", 0600).ok()) return 6;
    // The same directory of the same file system, so each is a reference of the other.
    const auto references = references_below(top_ + "/a", top_, mounts_);
    if (!references.ok() || *references != std::vector<std::string>{top_ + "/b"}) return 7;
    if (mounts_.bind_with(top_ + "/nowhere", top_ + "/c", {"ro"}).ok()) return 8;
    if (*is_mount_point(top_ + "/c", mounts_) || !*is_mount_point(top_ + "/b", mounts_)) return 9;
    return clean_up_mount_point(top_ + "/b", mounts_).ok() && !fs::exists(top_ + "/b") ? 0 : 10;
  });
}

TEST_F(MountsTest, AMountPointIsFoundThroughALinkAboveItAndWithoutTouchingIt) {
  in_own_mount_namespace([&] {
    fs::create_directory_symlink(top_, top_ + "/a/link");
    const std::string path = top_ + "/a/link/b";
    if (::mount("tmpfs", (top_ + "/b").c_str(), "tmpfs", 0, nullptr) != 0) return 1;
    if (!*is_mount_point(path, mounts_)) return 2;
    if (*mounts_.real_path(path) != fs::canonical(top_).string() + "/b") return 3;
    if (mounts_.at_or_below(top_ + "/a/link")->size() != 1) return 4;
    if (mounts_.at_or_below(top_ + "/a/link")->front().path != path) return 5;
    if (*is_mount_point(top_ + "/missing/x", mounts_) || !mounts_.at_or_below(top_ + "/missing/x")->empty()) return 6;
    return 0;
  });
}

TEST_F(MountsTest, TheTypeOfWhatIsMountedAtAPathIsToldWithoutFollowingLinks) {
  in_own_mount_namespace([&] {
    fs::create_directory(top_ + "/a/inner");
    fs::create_directory_symlink(top_ + "/b", top_ + "/a/link");
    const auto none = std::optional<std::string>();
    if (*mounts_.type_at(top_ + "/b") != none || *mounts_.type_at(top_ + "/missing/x") != none) return 1;
    if (::mount("tmpfs", (top_ + "/b").c_str(), "tmpfs", 0, nullptr) != 0) return 2;
    if (*mounts_.type_at(top_ + "/b") != "tmpfs" || *mounts_.type_at(top_ + "/a/link") != none) return 3;
    // A directory shown at another place is a mount of the type that it lies on.
    if (!mounts_.bind(top_ + "/a/inner", top_ + "/a").ok()) return 4;
    const auto shown = *mounts_.type_at(top_ + "/a");
    if (!shown || *shown == "tmpfs") return 5;
    if (::mount("proc", (top_ + "/b").c_str(), "proc", 0, nullptr) != 0) return 6;
    return *mounts_.type_at(top_ + "/b") == "proc" ? 0 : 7;
  });
}

TEST_F(MountsTest, ARealMountOfHugePagesShowsItsPageSize) {
  HostPrograms real;
  LinuxMounts mounts(real);
  in_own_mount_namespace([&] {
    if (!mounts.mount({"nodev", top_ + "/a", "hugetlbfs", {"pagesize=2Mi"}}).ok()) return 77;  // no huge pages here
    const auto table = mounts.entries();
    const MountEntry* entry = mount_of(*table, *mounts.real_path(top_ + "/a"));
    return entry != nullptr && option_value(entry->super_options, "pagesize") == "2M" ? 0 : 1;
  });
}

TEST_F(MountsTest, CleaningUpUnmountsAllThatIsStackedAndRemovesTheDirectory) {
  in_own_mount_namespace([&] {
    for (int i = 0; i < 3; ++i) {
      if (::mount("tmpfs", (top_ + "/a").c_str(), "tmpfs", 0, nullptr) != 0) return 1;
    }
    if (!clean_up_mount_point(top_ + "/a", mounts_).ok()) return 2;
    return fs::exists(top_ + "/a") ? 3 : 0;
  });
}

TEST_F(MountsTest, AMountInUseStaysWithItsDirectory) {
  in_own_mount_namespace([&] {
    if (::mount("tmpfs", (top_ + "/a").c_str(), "tmpfs", 0, nullptr) != 0) return 1;
    const base::UniqueFd user(open((top_ + "/a").c_str(), O_RDONLY | O_DIRECTORY));
    const Status status = clean_up_mount_point(top_ + "/a", mounts_);
    if (status.ok() || status.error().code() != EBUSY) return 2;
    return *is_mount_point(top_ + "/a", mounts_) ? 0 : 3;
  });
}

class CleanUp : public MountsTest {
 protected:
  FakeMounts fake_;
};

TEST_F(CleanUp, APathThatIsGoneIsSuccessAndAnEmptyDirectoryGoes) {
  EXPECT_TRUE(clean_up_mount_point(top_ + "/none", fake_).ok());
  EXPECT_TRUE(clean_up_mount_point(top_ + "/a", fake_).ok());
  EXPECT_FALSE(fs::exists(top_ + "/a"));
  EXPECT_THAT(fake_.unmounted, testing::IsEmpty());
}

TEST_F(CleanUp, WhatIsNotEmptyOrNoDirectoryStays) {
  ASSERT_TRUE(base::write_file(top_ + "/a/precious", "x", 0600).ok());
  EXPECT_THAT(clean_up_mount_point(top_ + "/a", fake_).error().to_string(), HasSubstr("/a stays: it still holds data"));
  EXPECT_THAT(clean_up_mount_point(top_ + "/a/precious", fake_).error().to_string(), HasSubstr("it is a file"));
  EXPECT_TRUE(fs::exists(top_ + "/a/precious"));
}

TEST_F(CleanUp, OnlyFileSystemsOfAServerArePulledOff) {
  fake_.table = {{top_ + "/a", "nfs4"}, {top_ + "/b", "ext4"}};
  EXPECT_TRUE(clean_up_mount_point(top_ + "/a", fake_).ok());
  EXPECT_TRUE(clean_up_mount_point(top_ + "/b", fake_).ok());
  EXPECT_THAT(fake_.forced, ElementsAre(top_ + "/a"));
  EXPECT_THAT(fake_.unmounted, ElementsAre(top_ + "/a", top_ + "/b"));
}

TEST_F(CleanUp, AFailedUnmountKeepsTheDirectory) {
  fake_.table = {{top_ + "/a", "ext4"}};
  fake_.unmount_fails = errno_error("unmount", EBUSY);
  EXPECT_FALSE(clean_up_mount_point(top_ + "/a", fake_).ok());
  EXPECT_TRUE(fs::exists(top_ + "/a"));
}

TEST(CorruptedMounts, AreTheErrorsOfAFileSystemThatIsGone) {
  for (const int error : {ENOTCONN, ESTALE, EIO, EACCES, EHOSTDOWN, EWOULDBLOCK, ENODEV}) {
    EXPECT_TRUE(is_corrupted_mount(error)) << error;
  }
  for (const int error : {ENOENT, ENOTDIR, EPERM, ENOMEM}) EXPECT_FALSE(is_corrupted_mount(error)) << error;
}

}  // namespace
}  // namespace keelson::volume
