// tools/runtime-env leaves nothing behind, whichever way it ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/containerd_fixture.hpp"

namespace keelson::fakes {
namespace {

namespace fs = std::filesystem;

// Everything on this machine that names the directory: processes and mounts.
std::string traces_of(const std::string& directory) {
  std::string found;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(directory) != std::string::npos) found += "mount: " + line + "\n";
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::ostringstream text;
    text << file.rdbuf();
    if (text.str().find(directory) != std::string::npos) found += "process " + name + ": " + text.str() + "\n";
  }
  return found;
}

void run_container(const ContainerdFixture& fixture) {
  const std::string address = fixture.endpoint().substr(7);
  // Its files below the environment's own directories, where ctr would use the machine's.
  const std::string state = fixture.directory() + "/state";
  const std::string command = "ctr --address " + address + " --namespace k8s.io run --detach --runc-root " +
                              fixture.directory() + "/runc --fifo-dir " + state +
                              "/fifo keelson.local/busybox:1 trace-test sleep 600 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
}

TEST(RuntimeEnv, LeavesNothingBehindOfRunningContainers) {
  auto fixture = ContainerdFixture::start();
  if (!fixture.ok() && fixture.error().kind() != ErrorKind::internal) GTEST_SKIP() << fixture.error().to_string();
  ASSERT_TRUE(fixture.ok()) << fixture.error().to_string();
  run_container(**fixture);
  const auto directory = (*fixture)->directory();
  const auto netns = (*fixture)->netns();
  const auto group = (*fixture)->cgroup_root();
  EXPECT_NE(traces_of(directory), "");
  fixture->reset();
  EXPECT_EQ(traces_of(directory), "");
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_FALSE(fs::exists(netns));
  EXPECT_FALSE(fs::exists("/sys/fs/cgroup/memory" + group));
}

TEST(RuntimeEnv, IsRemovedByTheNextOneWhenItsOwnerWasKilled) {
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto fixture = ContainerdFixture::start();
    std::string line = fixture.ok() ? (*fixture)->directory() : "";
    line += "\n";
    if (::write(report[1], line.data(), line.size()) < 0) ::_exit(1);
    for (;;) ::pause();
  }
  ::close(report[1]);
  std::string directory;
  for (char c = 0; ::read(report[0], &c, 1) == 1 && c != '\n';) directory += c;
  ::close(report[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  if (directory.empty()) GTEST_SKIP() << "no private containerd on this machine";
  EXPECT_NE(traces_of(directory), "");

  auto next = ContainerdFixture::start();
  ASSERT_TRUE(next.ok()) << next.error().to_string();
  EXPECT_EQ(traces_of(directory), "");
  EXPECT_FALSE(fs::exists(directory));
}

}  // namespace
}  // namespace keelson::fakes
