// What is counted of a tree, what is not, and how counting bears with trees that change, are deep, or are given up.
#include "volume/usage.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <optional>
#include <thread>

#include "base/file.hpp"
#include "base/tests/deep_tree.hpp"
#include "volume/tests/own_mounts.hpp"

namespace keelson::volume {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Usage : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/keelson-usage-XXXXXX";
    top_ = mkdtemp(name);
    tree_ = top_ + "/tree";
    ASSERT_TRUE(base::make_directories(tree_ + "/sub", 0700).ok());
    write(tree_ + "/sub/file", 100'000);
  }
  void TearDown() override { EXPECT_TRUE(base::remove_tree(top_).ok()); }

  static void write(const std::string& path, std::size_t size) {
    ASSERT_TRUE(base::write_file(path, std::string(size, 'x'), 0600).ok());
  }
  static std::int64_t size_on_disk(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? static_cast<std::int64_t>(info.st_blocks) * 512 : -1;
  }
  VolumeFigures measured() {
    const auto out = tree_figures(tree_, stop_);
    EXPECT_TRUE(out.ok()) << out.error().to_string();
    return out.ok() ? *out : VolumeFigures();
  }

  std::string top_;
  std::string tree_;
  std::atomic<bool> stop_{false};
};

TEST_F(Usage, OfATreeIsTheSumOfItsBlocksItselfIncluded) {
  const std::int64_t blocks = size_on_disk(tree_) + size_on_disk(tree_ + "/sub") + size_on_disk(tree_ + "/sub/file");
  EXPECT_GE(blocks, 100'000);
  const VolumeFigures figures = measured();
  EXPECT_EQ(figures.used, blocks);
  EXPECT_EQ(figures.inodes_used, 3);
}

TEST_F(Usage, OfATreeHasTheCapacityOfItsFileSystem) {
  const VolumeFigures figures = measured();
  const auto system = file_system_figures(tree_);
  ASSERT_TRUE(system.ok());
  EXPECT_GT(figures.capacity, 0);
  EXPECT_EQ(figures.capacity, system->capacity);
  EXPECT_EQ(figures.inodes, system->inodes);
  EXPECT_GT(figures.available, 0);
}

TEST_F(Usage, CountsAFileWithSeveralNamesOnce) {
  const VolumeFigures before = measured();
  fs::create_hard_link(tree_ + "/sub/file", tree_ + "/second");
  fs::create_hard_link(tree_ + "/sub/file", tree_ + "/sub/third");
  EXPECT_EQ(measured().inodes_used, before.inodes_used);
  EXPECT_EQ(measured().used - size_on_disk(tree_) - size_on_disk(tree_ + "/sub"), size_on_disk(tree_ + "/second"));
  write(tree_ + "/fourth", 10);
  EXPECT_EQ(measured().inodes_used, before.inodes_used + 1);
}

TEST_F(Usage, CountsALinkAndNotWhatItLeadsTo) {
  const VolumeFigures before = measured();
  write(top_ + "/outside", 1'000'000);
  ASSERT_TRUE(base::make_directories(top_ + "/dir/inner", 0700).ok());
  fs::create_symlink(top_ + "/outside", tree_ + "/file-link");
  fs::create_directory_symlink(top_ + "/dir", tree_ + "/dir-link");
  const VolumeFigures after = measured();
  EXPECT_EQ(after.inodes_used, before.inodes_used + 2);
  EXPECT_LT(after.used - before.used, 100'000);
}

TEST_F(Usage, CountsNoHoles) {
  const VolumeFigures before = measured();
  write(tree_ + "/sparse", 0);
  ASSERT_EQ(truncate((tree_ + "/sparse").c_str(), 1 << 30), 0);
  EXPECT_LT(measured().used - before.used, 1 << 20);
}

TEST_F(Usage, OfADeepTreeNeedsFewDescriptorsAndIsWhole) {
  constexpr int kDepth = 3000;
  ASSERT_TRUE(base::make_deep_tree(tree_, kDepth));
  std::optional<VolumeFigures> figures;
  {
    const base::FewDescriptors few(256);
    figures = measured();
  }
  EXPECT_EQ(figures->inodes_used, kDepth + 3);
}

// The walk meets entries that are gone, at all of its steps: none of them is an error.
TEST_F(Usage, BearsWithEntriesThatVanish) {
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  std::thread users([this, &done, &rounds] {
    while (!done) {
      for (int i = 0; i < 20; ++i) {
        const std::string path = tree_ + "/sub/" + std::to_string(i);
        mkdir(path.c_str(), 0700);
        mkdir((path + "/inner").c_str(), 0700);
        close(open((path + "/inner/file").c_str(), O_CREAT | O_WRONLY, 0600));
        close(open((path + ".file").c_str(), O_CREAT | O_WRONLY, 0600));
      }
      for (int i = 0; i < 20; ++i) {
        const std::string path = tree_ + "/sub/" + std::to_string(i);
        unlink((path + ".file").c_str());
        unlink((path + "/inner/file").c_str());
        rmdir((path + "/inner").c_str());
        rmdir(path.c_str());
      }
      ++rounds;
    }
  });
  int walks = 0;
  bool well = true;
  while (well && (walks < 300 || rounds < 50)) {
    const auto figures = tree_figures(tree_, stop_);
    well = figures.ok() && figures->inodes_used >= 3;
    EXPECT_TRUE(well) << (figures.ok() ? "too few" : figures.error().to_string());
    ++walks;
  }
  done = true;
  users.join();
}

TEST_F(Usage, IsStopped) {
  stop_ = true;
  const auto out = tree_figures(tree_, stop_);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().kind(), ErrorKind::cancelled);
  EXPECT_THAT(out.error().to_string(), HasSubstr(tree_));
}

TEST_F(Usage, OfWhatCannotBeReadToItsEndIsAnErrorAndNotTooLittle) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  ASSERT_EQ(chmod((tree_ + "/sub").c_str(), 0), 0);
  EXPECT_EQ(tree_figures(tree_, stop_).error().kind(), ErrorKind::permission_denied);
  ASSERT_EQ(chmod((tree_ + "/sub").c_str(), 0700), 0);
}

TEST_F(Usage, WithoutDescriptorsIsAnErrorAndNotTooLittle) {
  const int next = dup(0);
  ASSERT_GE(next, 0);
  close(next);
  const base::FewDescriptors few(static_cast<rlim_t>(next) + 1);  // for the top, and nothing in it
  EXPECT_EQ(tree_figures(tree_, stop_).error().kind(), ErrorKind::exhausted);
}

TEST_F(Usage, OfAMissingTreeOrALinkIsAnError) {
  EXPECT_EQ(tree_figures(top_ + "/none", stop_).error().kind(), ErrorKind::not_found);
  fs::create_directory_symlink(tree_, top_ + "/link");
  EXPECT_FALSE(tree_figures(top_ + "/link", stop_).ok());
  EXPECT_EQ(file_system_figures(top_ + "/none").error().kind(), ErrorKind::not_found);
}

TEST_F(Usage, IsNotOfWhatIsMountedInTheTree) {
  in_own_mount_namespace([&] {
    const auto before = tree_figures(tree_, stop_);
    const std::string outside = top_ + "/outside";
    if (!before.ok() || !base::make_directories(outside + "/dir", 0700).ok()) return 1;
    if (!base::write_file(outside + "/dir/file", std::string(1 << 20, 'x'), 0600).ok()) return 2;
    if (!base::make_directories(tree_ + "/bound", 0700).ok() || !base::make_directories(tree_ + "/disk", 0700).ok())
      return 3;
    if (!base::write_file(tree_ + "/place", "", 0600).ok()) return 4;
    if (::mount((outside + "/dir").c_str(), (tree_ + "/bound").c_str(), nullptr, MS_BIND, nullptr) != 0) return 5;
    if (::mount((outside + "/dir/file").c_str(), (tree_ + "/place").c_str(), nullptr, MS_BIND, nullptr) != 0) return 6;
    if (::mount("tmpfs", (tree_ + "/disk").c_str(), "tmpfs", 0, nullptr) != 0) return 7;
    if (!base::write_file(tree_ + "/disk/file", std::string(1 << 20, 'x'), 0600).ok()) return 8;
    const auto after = tree_figures(tree_, stop_);
    if (!after.ok()) return 9;
    if (after->inodes_used != before->inodes_used) return 10;
    return after->used - before->used < 1 << 19 ? 0 : 11;
  });
}

TEST_F(Usage, OfADeviceIsItsCapacityAlone) {
  ASSERT_EQ(truncate((tree_ + "/sub/file").c_str(), 3 << 20), 0);
  fs::create_symlink(tree_ + "/sub/file", top_ + "/device");
  VolumeFigures expected;
  expected.capacity = 3 << 20;
  const auto figures = device_figures(top_ + "/device");
  ASSERT_TRUE(figures.ok());
  EXPECT_EQ(*figures, expected);
  EXPECT_EQ(device_figures(top_ + "/none").error().kind(), ErrorKind::not_found);
  ASSERT_EQ(mkfifo((top_ + "/fifo").c_str(), 0600), 0);
  EXPECT_FALSE(device_figures(top_ + "/fifo").ok()) << "and it does not wait for somebody to write";
}

TEST(FileSystemFigures, AreTheKubeletsFormulas) {
  struct Row {
    const char* name;
    struct statfs info;
    VolumeFigures expected;
  };
  const auto row = [](const char* name, long size, std::uint64_t blocks, std::uint64_t free, std::uint64_t available,
                      std::uint64_t files, std::uint64_t free_files, VolumeFigures expected) {
    Row out{name, {}, expected};
    out.info.f_bsize = size;
    out.info.f_blocks = blocks;
    out.info.f_bfree = free;
    out.info.f_bavail = available;
    out.info.f_files = files;
    out.info.f_ffree = free_files;
    return out;
  };
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  const Row rows[] = {
      row("ext4", 4096, 1000, 400, 350, 64, 60, {4'096'000, 1'433'600, 2'457'600, 64, 60, 4}),
      row("btrfs knows no inodes", 16384, 10, 4, 4, 0, 0, {163'840, 65'536, 98'304, 0, 0, 0}),
      row("more free than there is", 512, 1, 3, 3, 5, 9, {512, 1536, 0, 5, 9, 0}),
      row("a made-up size", 1 << 20, ~0ull, 0, ~0ull >> 1, ~0ull, 0, {kMost, kMost, kMost, kMost, 0, kMost}),
  };
  for (const Row& one : rows) EXPECT_EQ(figures_of(one.info), one.expected) << one.name;
}

}  // namespace
}  // namespace keelson::volume
