// DiskPodFiles on a real disk: which logs and links are removed.
#include "agent/sync/pod_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent {
namespace {

using ::testing::UnorderedElementsAre;

class PodFilesOnDisk : public ::testing::Test {
 protected:
  PodFilesOnDisk() {
    char name[] = "/tmp/keelson-pod-files.XXXXXX";
    top = ::mkdtemp(name);
    paths.logs = top + "/pods";
    paths.container_links = top + "/containers";
    std::filesystem::create_directories(paths.logs);
    std::filesystem::create_directories(paths.container_links);
  }
  ~PodFilesOnDisk() override { (void)base::remove_tree(top); }

  void link(const std::string& name, const std::string& to) {
    std::filesystem::create_symlink(to, paths.container_links + "/" + name);
  }
  std::vector<std::string> links() const { return base::list_directory(paths.container_links).value_or({}); }

  std::string top;
  Paths paths;
  base::Loop loop;
  base::RealClock clock{loop};
  base::BlockingPool pool{loop, clock, 1};
};

// Between the renaming of a log and its reopening its link leads nowhere, and nobody would make it again.
TEST_F(PodFilesOnDisk, ALinkThatLeadsNowhereStaysWithItsContainer) {
  link("web_default_main-a1.log", top + "/nowhere/0.log");
  link("web_default_main-b2.log", top + "/nowhere/1.log");
  ASSERT_TRUE(base::write_file_atomically(top + "/there.log", "x", 0644).ok());
  link("other_default_main-c3.log", top + "/there.log");
  DiskPodFiles files(pool, paths);
  LogsInUse in_use;
  in_use.containers.insert("a1");
  EXPECT_TRUE(base::testing::run_real(loop, files.remove_orphan_logs(in_use)).ok());
  EXPECT_THAT(links(), UnorderedElementsAre("web_default_main-a1.log", "other_default_main-c3.log"));
}

}  // namespace
}  // namespace keelson::agent
