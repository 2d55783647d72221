// A container that swaps a directory for a link out of the volume, over and over, while sub-paths of it are prepared.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "volume/sub_path.hpp"
#include "volume/tests/fake_mounts.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 3000;
constexpr int kMountedRounds = 400;

std::pair<dev_t, ino_t> identity(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? std::pair(info.st_dev, info.st_ino) : std::pair<dev_t, ino_t>();
}

// Looks at what the source is at the moment of the mount, as the kernel would.
class WatchedMounts final : public Mounts {
 public:
  explicit WatchedMounts(Mounts& under) : under_(under) {}
  Result<std::vector<MountPoint>> at_or_below(const std::string& path) override { return under_.at_or_below(path); }
  Result<std::optional<std::string>> type_at(const std::string& path) override { return under_.type_at(path); }
  Result<std::vector<MountEntry>> entries() override { return under_.entries(); }
  Result<std::string> real_path(const std::string& path) override { return under_.real_path(path); }
  Status mount_tmpfs(const std::string& path, std::int64_t size) override { return under_.mount_tmpfs(path, size); }
  Status bind(const std::string& source, const std::string& target) override {
    shown.insert(identity(source));
    return under_.bind(source, target);
  }
  Status bind_with(const std::string& source, const std::string& target,
                   const std::vector<std::string>& options) override {
    return under_.bind_with(source, target, options);
  }
  Status mount(const FileSystemMount& wanted) override { return under_.mount(wanted); }
  Status unmount(const std::string& path) override { return under_.unmount(path); }
  Status unmount_by_force(const std::string& path, std::chrono::milliseconds patience) override {
    return under_.unmount_by_force(path, patience);
  }
  std::set<std::pair<dev_t, ino_t>> shown;

 private:
  Mounts& under_;
};

class SubPathRace : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-race-XXXXXX";
    top_ = mkdtemp(name);
    for (const char* path : {"/root/pods/uid-1/volumes/kubernetes.io~empty-dir/data/sub/inner", "/secret/inner"}) {
      fs::create_directories(top_ + path);
    }
    ASSERT_TRUE(base::write_file(top_ + "/secret/inner/key", "secret", 0600).ok());
    fs::create_directory_symlink("../../../../../../secret", volume() + "/link");
  }
  void TearDown() override { fs::remove_all(top_); }

  std::string volume() const { return top_ + "/root/pods/uid-1/volumes/kubernetes.io~empty-dir/data"; }
  std::string target() const { return top_ + "/root/pods/uid-1/volume-subpaths/data/main/0"; }

  // Prepares `path` while sub and link are exchanged; how often it worked.
  int race(const std::string& path, int rounds, Mounts& mounts) {
    std::atomic<bool> stop{false};
    std::thread container([&] {
      const std::string sub = volume() + "/sub", link = volume() + "/link";
      while (!stop) syscall(SYS_renameat2, AT_FDCWD, sub.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
    });
    int worked = 0;
    for (int i = 0; i < rounds; ++i) {
      if (!prepare_sub_path({volume(), path, target(), "data", "main"}, mounts)) ++worked;
      (void)clear_sub_paths(top_ + "/root", "uid-1", mounts);
    }
    stop = true;
    container.join();
    return worked;
  }

  std::string top_;
};

TEST_F(SubPathRace, NothingOutsideIsEverShownOrMade) {
  FakeMounts fake;
  WatchedMounts mounts(fake);
  int worked = 0;
  for (const char* path : {"sub", "sub/inner", "sub/new/deep"}) worked += race(path, kRounds, mounts);
  EXPECT_GT(worked, 0) << "the race must also let it through now and then";
  EXPECT_EQ(mounts.shown.count(identity(top_ + "/secret")), 0u);
  EXPECT_EQ(mounts.shown.count(identity(top_ + "/secret/inner")), 0u);
  EXPECT_EQ(base::list_directory(top_ + "/secret").value(), std::vector<std::string>{"inner"})
      << "no directory may be made outside";
  EXPECT_TRUE(base::path_exists(top_ + "/secret/inner/key"));
}

TEST_F(SubPathRace, NothingOutsideIsEverMounted) {
  in_own_mount_namespace([&] {
    LinuxMounts real;
    WatchedMounts mounts(real);
    const int worked = race("sub/inner", kMountedRounds, mounts) + race("sub", kMountedRounds, mounts);
    if (worked == 0) return 1;
    for (const char* path : {"/secret", "/secret/inner"}) {
      if (mounts.shown.count(identity(top_ + path)) > 0) return 2;
    }
    return base::path_exists(top_ + "/secret/inner/key") ? 0 : 3;
  });
}

}  // namespace
}  // namespace keelson::volume
