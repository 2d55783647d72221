// The disk of the root directory and of the logs is full: said clearly, others go on, and it heals by itself.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

class DiskFullTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (runtime == nullptr) return;
    disk = directory + "/disk";
    fs::create_directory(disk);
    // NodeTest unmounts what is below its directory.
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m,mode=755") != 0) GTEST_SKIP() << "cannot mount a tmpfs";
    fs::create_directory(disk + "/root");
    fs::create_directory(disk + "/logs");
    fs::create_directory_symlink(disk + "/root", directory + "/root");
    settings["podLogsDir"] = disk + "/logs";
  }
  void fill() {
    const base::UniqueFd file(::open((disk + "/ballast").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    const std::string block(4096, 'x');
    while (::write(file.get(), block.data(), block.size()) > 0) {
    }
    ASSERT_EQ(errno, ENOSPC);
  }
  void free_space() { ASSERT_EQ(::unlink((disk + "/ballast").c_str()), 0); }

  std::string disk;
};

TEST_F(DiskFullTest, IsSaidClearlyStopsNobodyElseAndHeals) {
  settings["syncFrequency"] = "2s";
  place(pod("before", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("before"); }));
  const std::string id = id_of("before", "main");

  fill();
  place(pod("during", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("the trouble to be explained", [&] {
    return story_text("during").find("No space left on device") != std::string::npos ||
           story_text("during").find("no space left on device") != std::string::npos;
  }));
  EXPECT_FALSE(runs("during"));
  EXPECT_EQ(keelson->healthz().status, 200);
  EXPECT_TRUE(runs("before"));
  EXPECT_EQ(id_of("before", "main"), id);

  free_space();
  ASSERT_TRUE(eventually("the pod to run after all", [&] { return runs("during"); }));
  EXPECT_EQ(id_of("before", "main"), id);
}

TEST_F(DiskFullTest, AtStartKeepsPodsThatRun) {
  place(pod("before", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("before"); }));
  const std::string id = id_of("before", "main");
  keelson->kill_hard();
  fill();
  start();
  ASSERT_TRUE(eventually("the pod to be shown", [&] { return runs("before"); }));
  EXPECT_EQ(id_of("before", "main"), id);
  // It can be ended without a byte to spare.
  const std::string uid = seen("before")["uid"];
  withdraw("before.yaml");
  ASSERT_TRUE(eventually("it to be gone", [&] {
    return seen("before").empty() && runtime->processes().empty() && !exists(pod_directory(uid));
  }));
}

}  // namespace
}  // namespace keelson::integration
