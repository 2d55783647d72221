#include "base/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/tests/deep_tree.hpp"

namespace keelson::base {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "keelson-file-test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root = pattern;
    old_umask = ::umask(077);
  }
  void TearDown() override {
    ::umask(old_umask);
    EXPECT_TRUE(remove_tree(root).ok());
  }
  static mode_t mode_of(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  std::string at(const std::string& name) const { return root + "/" + name; }

  std::string root;
  mode_t old_umask = 0;
};

TEST_F(FileTest, WritesExactlyTheModeWhateverTheUmask) {
  ASSERT_TRUE(write_file(at("a"), "hello", 0644).ok());
  EXPECT_EQ(*read_file(at("a")), "hello");
  EXPECT_EQ(mode_of(at("a")), 0644u);
  ASSERT_TRUE(write_file(at("a"), "hi", 0640).ok());
  EXPECT_EQ(*read_file(at("a")), "hi");
  EXPECT_EQ(mode_of(at("a")), 0640u);
}

TEST_F(FileTest, AnAtomicWriteReplacesAndLeavesNoTemporary) {
  ASSERT_TRUE(write_file_atomically(at("a"), "one", 0600).ok());
  ASSERT_TRUE(write_file_atomically(at("a"), "two", 0644).ok());
  EXPECT_EQ(*read_file(at("a")), "two");
  EXPECT_EQ(mode_of(at("a")), 0644u);
  EXPECT_EQ(*list_directory(root), std::vector<std::string>{"a"});
}

TEST_F(FileTest, AFailedAtomicWriteLeavesTheOldFileAndNoTemporary) {
  ASSERT_TRUE(make_directories(at("target"), 0755).ok());
  const auto status = write_file_atomically(at("target"), "x", 0644);  // a file cannot replace a directory
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().to_string().find(at("target")), std::string::npos);
  EXPECT_EQ(*list_directory(root), std::vector<std::string>{"target"});
  EXPECT_EQ(write_file_atomically(at("missing/x"), "x", 0644).error().kind(), ErrorKind::not_found);
}

TEST_F(FileTest, ReadingSaysWhatIsWrong) {
  EXPECT_EQ(read_file(at("missing")).error().kind(), ErrorKind::not_found);
  EXPECT_EQ(read_file(root).error().kind(), ErrorKind::invalid);
  ASSERT_TRUE(write_file(at("big"), std::string(1001, 'x'), 0600).ok());
  EXPECT_EQ(read_file(at("big"), 1001)->size(), 1001u);
  const auto too_big = read_file(at("big"), 1000);
  ASSERT_FALSE(too_big.ok());
  EXPECT_EQ(too_big.error().to_string(), at("big") + ": larger than the limit of 1000 bytes");
}

TEST_F(FileTest, ReadingAFifoDoesNotHang) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file(at("fifo")).error().kind(), ErrorKind::invalid);
}

TEST_F(FileTest, ReadsFilesWhoseSizeTheKernelDoesNotTell) { EXPECT_FALSE(read_file("/proc/self/stat")->empty()); }

TEST_F(FileTest, MakesEveryMissingLevelWithTheMode) {
  ASSERT_EQ(::mkdir(at("there").c_str(), 0700), 0);
  ASSERT_TRUE(make_directories(at("there/a/b/"), 0755).ok());
  EXPECT_EQ(mode_of(at("there")), 0700u) << "an existing level stays as it is";
  EXPECT_EQ(mode_of(at("there/a")), 0755u);
  EXPECT_EQ(mode_of(at("there/a/b")), 0755u);
  EXPECT_TRUE(make_directories(at("there/a/b"), 0755).ok());
  ASSERT_TRUE(write_file(at("file"), "", 0600).ok());
  EXPECT_FALSE(make_directories(at("file"), 0755).ok());
  EXPECT_FALSE(make_directories(at("file/x"), 0755).ok());
}

TEST_F(FileTest, ListsNamesSorted) {
  for (const char* name : {"b", "a", ".hidden"}) ASSERT_TRUE(write_file(at(name), "", 0600).ok());
  EXPECT_EQ(*list_directory(root), (std::vector<std::string>{".hidden", "a", "b"}));
  EXPECT_EQ(list_directory(at("missing")).error().kind(), ErrorKind::not_found);
  ASSERT_TRUE(make_directories(at("below/c"), 0700).ok());
  ASSERT_EQ(::symlink("below", at("link").c_str()), 0);
  EXPECT_EQ(*list_subdirectories(root), std::vector<std::string>{"below"});
}

TEST_F(FileTest, RemovingATreeDoesNotFollowLinks) {
  ASSERT_TRUE(make_directories(at("outside"), 0755).ok());
  ASSERT_TRUE(write_file(at("outside/keep"), "x", 0600).ok());
  ASSERT_TRUE(make_directories(at("tree/a/b"), 0755).ok());
  ASSERT_TRUE(write_file(at("tree/a/b/c"), "x", 0600).ok());
  ASSERT_EQ(::symlink(at("outside").c_str(), at("tree/a/link").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", at("tree/dangling").c_str()), 0);
  ASSERT_TRUE(remove_tree(at("tree")).ok());
  EXPECT_FALSE(path_exists(at("tree")));
  EXPECT_TRUE(path_exists(at("outside/keep")));
  EXPECT_TRUE(remove_tree(at("tree")).ok()) << "missing is success";
}

TEST_F(FileTest, RemovesATreeNamedWithATrailingSlash) {
  ASSERT_TRUE(make_directories(at("tree/inner"), 0755).ok());
  ASSERT_TRUE(remove_tree(at("tree/")).ok());
  EXPECT_FALSE(path_exists(at("tree")));
}

TEST_F(FileTest, RemovingALinkRemovesTheLink) {
  ASSERT_TRUE(make_directories(at("outside"), 0755).ok());
  ASSERT_EQ(::symlink(at("outside").c_str(), at("link").c_str()), 0);
  ASSERT_TRUE(remove_tree(at("link")).ok());
  EXPECT_FALSE(path_exists(at("link")));
  EXPECT_TRUE(is_directory(at("outside")));
}

// Deeper than there are descriptors, than a path may be long, and than a stack would bear.
TEST_F(FileTest, RemovesATreeHoweverDeepItIs) {
  ASSERT_TRUE(make_directories(at("tree/beside"), 0755).ok());
  ASSERT_TRUE(make_deep_tree(at("tree"), 50'000));
  const FewDescriptors few(100);
  const auto status = remove_tree(at("tree"));
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  EXPECT_FALSE(path_exists(at("tree")));
}

// Mounts for the test in a mount namespace of the forked child only; its exit status is the answer.
template <class Function>
void in_own_mount_namespace(Function function) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  EXPECT_EXIT(
      {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
          ::_exit(77);
        ::_exit(function() ? 0 : 1);
      },
      [](int status) { return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77); }, "");
}

TEST_F(FileTest, RemovingATreeStopsAtAMountOfAnotherFileSystem) {
  ASSERT_TRUE(make_directories(at("tree/mounted"), 0755).ok());
  in_own_mount_namespace([&] {
    if (::mount("none", at("tree/mounted").c_str(), "tmpfs", 0, nullptr) != 0) return false;
    if (!write_file(at("tree/mounted/data"), "x", 0600).ok()) return false;
    const auto status = remove_tree(at("tree"));
    return !status.ok() && status.error().code() == EBUSY && path_exists(at("tree/mounted/data")) &&
           status.error().to_string().find(at("tree/mounted") + ": another") != std::string::npos;
  });
}

TEST_F(FileTest, RemovingATreeStopsAtABindMountOfTheSameFileSystem) {
  ASSERT_TRUE(make_directories(at("tree/mounted"), 0755).ok());
  ASSERT_TRUE(make_directories(at("data"), 0755).ok());
  ASSERT_TRUE(write_file(at("data/keep"), "x", 0600).ok());
  in_own_mount_namespace([&] {
    if (::mount(at("data").c_str(), at("tree/mounted").c_str(), nullptr, MS_BIND, nullptr) != 0) return false;
    const auto status = remove_tree(at("tree"));
    return !status.ok() && path_exists(at("data/keep"));
  });
  EXPECT_TRUE(path_exists(at("data/keep")));
}

TEST_F(FileTest, RemovingATreeThatIsItselfABindMountLeavesItsContent) {
  ASSERT_TRUE(make_directories(at("tree"), 0755).ok());
  ASSERT_TRUE(make_directories(at("data"), 0755).ok());
  ASSERT_TRUE(write_file(at("data/keep"), "x", 0600).ok());
  in_own_mount_namespace([&] {
    if (::mount(at("data").c_str(), at("tree").c_str(), nullptr, MS_BIND, nullptr) != 0) return false;
    const auto status = remove_tree(at("tree"));
    return !status.ok() && status.error().code() == EBUSY && path_exists(at("data/keep"));
  });
  EXPECT_TRUE(path_exists(at("data/keep")));
}

TEST(UniqueFd, ClosesOnceAndMovesItsFile) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  UniqueFd reader(pipe_ends[0]);
  {
    UniqueFd writer(pipe_ends[1]);
    UniqueFd moved = std::move(writer);
    EXPECT_FALSE(writer);
    EXPECT_EQ(moved.get(), pipe_ends[1]);
  }
  EXPECT_EQ(::fcntl(pipe_ends[1], F_GETFD), -1);
  const int released = reader.release();
  EXPECT_FALSE(reader);
  EXPECT_EQ(::close(released), 0);
}

}  // namespace
}  // namespace keelson::base
