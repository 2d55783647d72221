// Real files and real inotify on a real clock; everything is awaited, nothing is slept for.
#include "static-pods/directory_source.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "static-pods/manifest.hpp"
#include "static-pods/tests/fixture.hpp"

namespace keelson::static_pods {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using testing::manifest;
using testing::place;
using testing::Recorder;
using testing::Strings;
using testing::TempDir;
using testing::write;
namespace fs = std::filesystem;

// A rescan that no test lives to see: what arrives was told by inotify.
constexpr auto kNever = 1h;

class DirectorySourceTest : public ::testing::Test {
 protected:
  ~DirectorySourceTest() override {
    if (source) bench.finish(source->stop());
  }
  void start(const std::string& path, base::Duration rescan = kNever, base::Duration settle = 30ms) {
    source = std::make_unique<DirectorySource>(bench.loop, bench.clock, bench.pool, bench.log,
                                               DirectoryConfig{path, "node1", rescan, settle}, pods);
    source->start();
  }
  bool has(const Strings& names) {
    return bench.until([&] { return pods.deliveries > 0 && pods.names() == names; });
  }
  bool has_problem(const std::string& source_end, const std::string& text) {
    return bench.until([&] { return problem(source_end, text) != nullptr; });
  }
  const Problem* problem(const std::string& source_end, const std::string& text) {
    found = source->problems();
    for (const auto& p : found) {
      const bool ends =
          p.source.size() >= source_end.size() && p.source.substr(p.source.size() - source_end.size()) == source_end;
      if (ends && p.message.find(text) != std::string::npos) return &p;
    }
    return nullptr;
  }

  TempDir dir;
  Bench bench;
  Recorder pods;
  std::unique_ptr<DirectorySource> source;
  std::vector<Problem> found;
};

TEST_F(DirectorySourceTest, IsReadyAfterTheFirstScanEvenWhenThereIsNothing) {
  start(dir.path());
  ASSERT_TRUE(has({}));
  EXPECT_TRUE(source->delivered());
  EXPECT_TRUE(bench.stays(50ms, [&] { return pods.deliveries == 1; }));
}

TEST_F(DirectorySourceTest, DeliversWhatIsThereInTheOrderOfFileNames) {
  place(dir / "b.yaml", manifest("b"));
  place(dir / "a.json",
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"z"},"spec":{"containers":[{"name":"c","image":"i"}]}})");
  start(dir.path());
  ASSERT_TRUE(has({"z-node1", "b-node1"}));
  EXPECT_EQ(pods.deliveries, 1);
  EXPECT_EQ(pods.current[1].source, dir / "b.yaml");
  EXPECT_EQ(pods.current[1].pod->metadata().annotations().count(kConfigSeen), 1u);
}

TEST_F(DirectorySourceTest, FollowsAFileFromItsWritingToItsRemoval) {
  start(dir.path());
  ASSERT_TRUE(has({}));
  write(dir / "a.yaml", manifest("a"));
  ASSERT_TRUE(has({"a-node1"}));
  const auto uid = pods.current[0].pod->metadata().uid();
  write(dir / "a.yaml", manifest("a", "busybox:2"));
  ASSERT_TRUE(bench.until([&] { return pods.image() == "busybox:2"; }));
  EXPECT_NE(pods.current[0].pod->metadata().uid(), uid);
  place(dir / "b.yaml", manifest("b"));
  ASSERT_TRUE(has({"a-node1", "b-node1"}));
  fs::rename(dir / "a.yaml", dir / ".hidden");
  ASSERT_TRUE(has({"b-node1"}));
  fs::remove(dir / "b.yaml");
  ASSERT_TRUE(has({}));
}

TEST_F(DirectorySourceTest, WhatChangesNothingIsNotDeliveredAgain) {
  place(dir / "a.yaml", manifest("a"));
  start(dir.path(), 10ms);
  ASSERT_TRUE(has({"a-node1"}));
  const auto pod = pods.current[0].pod;
  place(dir / "a.yaml", "# the same, with a comment\n" + manifest("a"));
  EXPECT_EQ(::chmod((dir / "a.yaml").c_str(), 0600), 0);
  EXPECT_TRUE(bench.stays(150ms, [&] { return pods.deliveries == 1; }));
  EXPECT_EQ(pods.current[0].pod, pod);
}

TEST_F(DirectorySourceTest, ConfigSeenStaysWhileTheUidStays) {
  place(dir / "a.yaml", manifest("a"));
  start(dir.path());
  ASSERT_TRUE(has({"a-node1"}));
  const auto seen = pods.current[0].pod->metadata().annotations().at(kConfigSeen);
  place(dir / "b.yaml", manifest("b"));
  ASSERT_TRUE(has({"a-node1", "b-node1"}));
  EXPECT_EQ(pods.current[0].pod->metadata().annotations().at(kConfigSeen), seen);
  place(dir / "a.yaml", manifest("a", "busybox:2"));
  ASSERT_TRUE(bench.until([&] { return pods.image() == "busybox:2"; }));
  EXPECT_NE(pods.current[0].pod->metadata().annotations().at(kConfigSeen), seen);
}

TEST_F(DirectorySourceTest, ManifestThatTurnsBadKeepsItsPodUntilItIsRemoved) {
  place(dir / "a.yaml", manifest("a"));
  start(dir.path(), 20ms);
  ASSERT_TRUE(has({"a-node1"}));
  place(dir / "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: main}]}\n");
  ASSERT_TRUE(has_problem("a.yaml", "line 4, column 21: spec.containers[0].image: Required value"));
  EXPECT_TRUE(found[0].pod_kept);
  EXPECT_FALSE(found[0].warning);
  EXPECT_EQ(pods.names(), Strings{"a-node1"});
  EXPECT_EQ(pods.deliveries, 1);
  // Many rescans, one line.
  EXPECT_TRUE(bench.stays(150ms, [&] { return bench.lines_with("spec.containers[0].image") == 1; }));
  fs::remove(dir / "a.yaml");
  ASSERT_TRUE(has({}));
  EXPECT_TRUE(source->problems().empty());
}

TEST_F(DirectorySourceTest, BadManifestRecoversByItself) {
  place(dir / "a.yaml", "nonsense");
  start(dir.path());
  ASSERT_TRUE(has({}));
  ASSERT_TRUE(has_problem("a.yaml", "expected a Pod"));
  const auto since = found[0].since;
  place(dir / "b.yaml", manifest("b"));
  ASSERT_TRUE(has({"b-node1"}));
  ASSERT_TRUE(has_problem("a.yaml", "expected a Pod"));
  EXPECT_EQ(found[0].since, since);
  place(dir / "a.yaml", manifest("a"));
  ASSERT_TRUE(has({"a-node1", "b-node1"}));
  EXPECT_TRUE(bench.until([&] { return source->problems().empty(); }));
  EXPECT_EQ(bench.lines_with("has no problem any more"), 1);
}

TEST_F(DirectorySourceTest, BadInputsGiveOneProblemEachAndDisturbNothing) {
  place(dir / "good.yaml", manifest("good"));
  place(dir / "empty.yaml", "");
  place(dir / "utf8.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: \"\xff\"}\n");
  place(dir / "list.yaml", "apiVersion: v1\nkind: PodList\nitems: []\n");
  place(dir / "big.yaml", manifest("big") + std::string(kMaxManifestBytes, '#'));
  place(dir / "unknown.yaml", manifest("unknown") + "    imagee: x\n");
  fs::create_symlink("loop-b.yaml", dir / "loop-a.yaml");
  fs::create_symlink("loop-a.yaml", dir / "loop-b.yaml");
  fs::create_symlink("nowhere", dir / "dangling.yaml");
  fs::create_directory(dir / "sub.yaml");
  place(dir / "sub.yaml/inner.yaml", manifest("inner"));
  ASSERT_EQ(::mkfifo((dir / "pipe.yaml").c_str(), 0600), 0);
  place(dir / ".dot.yaml", manifest("dot"));
  start(dir.path());
  ASSERT_TRUE(has({"good-node1", "unknown-node1"}));
  ASSERT_TRUE(bench.until([&] { return source->problems().size() == 8; })) << source->problems().size();
  EXPECT_NE(problem("empty.yaml", "expected a Pod"), nullptr);
  EXPECT_NE(problem("utf8.yaml", "UTF-8"), nullptr);
  EXPECT_NE(problem("list.yaml", "a PodList is not accepted from a file"), nullptr);
  EXPECT_NE(problem("big.yaml", "10 MiB"), nullptr);
  EXPECT_NE(problem("unknown.yaml", "line 9, column 5: spec.containers[0].imagee: unknown field"), nullptr);
  EXPECT_NE(problem("loop-a.yaml", "Too many levels of symbolic links"), nullptr);
  EXPECT_NE(problem("loop-b.yaml", "Too many levels of symbolic links"), nullptr);
  EXPECT_NE(problem("dangling.yaml", "a link to a file that does not exist"), nullptr);
  for (const auto& p : source->problems()) {
    SCOPED_TRACE(p.source + ": " + p.message);
    EXPECT_EQ(p.message.find('\n'), std::string::npos);
    EXPECT_EQ(bench.lines_with(p.source), 1);
    EXPECT_EQ(p.warning, p.source == (dir / "unknown.yaml"));
  }
}

TEST_F(DirectorySourceTest, LinksAreFollowed) {
  TempDir elsewhere;
  write(elsewhere / "real", manifest("a"));
  start(dir.path());
  ASSERT_TRUE(has({}));
  fs::create_symlink(elsewhere / "real", dir / "a.yaml");
  ASSERT_TRUE(has({"a-node1"}));
}

TEST_F(DirectorySourceTest, HardLinksCountAsComplete) {
  write(dir / ".hidden", manifest("a"));
  start(dir.path(), kNever, 5s);
  ASSERT_TRUE(has({}));
  fs::create_hard_link(dir / ".hidden", dir / "a.yaml");
  ASSERT_TRUE(has({"a-node1"}));
}

TEST_F(DirectorySourceTest, FileThatIsStillBeingWrittenIsNotActedOn) {
  start(dir.path(), 10ms);
  ASSERT_TRUE(has({}));
  const std::string text = manifest("a") + "  - name: second\n    image: busybox:1\n";
  const auto half = manifest("a").size();
  {
    std::ofstream file(dir / "a.yaml");
    file << text.substr(0, half) << std::flush;  // a good manifest so far, but not all of it
    EXPECT_TRUE(bench.stays(200ms, [&] { return pods.current.empty() && source->problems().empty(); }));
    file << text.substr(half) << std::flush;
    EXPECT_TRUE(bench.stays(100ms, [&] { return pods.current.empty(); }));
  }
  ASSERT_TRUE(has({"a-node1"}));
  EXPECT_EQ(pods.current[0].pod->spec().containers_size(), 2);
  EXPECT_EQ(pods.deliveries, 2);
}

TEST_F(DirectorySourceTest, RewritingInPlaceKeepsTheOldPodUntilTheFileIsClosed) {
  place(dir / "a.yaml", manifest("a"));
  start(dir.path(), 10ms);
  ASSERT_TRUE(has({"a-node1"}));
  {
    std::ofstream file(dir / "a.yaml", std::ios::trunc);
    file << manifest("a", "busybox:2") << std::flush;
    EXPECT_TRUE(bench.stays(150ms, [&] { return pods.image() == "busybox:1.37" && source->problems().empty(); }));
  }
  ASSERT_TRUE(bench.until([&] { return pods.image() == "busybox:2"; }));
  EXPECT_EQ(pods.deliveries, 2);
}

TEST_F(DirectorySourceTest, UnreadableNewFileIsReportedOnlyOnceItStaysSo) {
  start(dir.path(), kNever, 300ms);
  ASSERT_TRUE(has({}));
  write(dir / "a.yaml", "apiVersion: v1\nkind: [");
  EXPECT_TRUE(bench.stays(100ms, [&] { return source->problems().empty(); }));
  write(dir / "a.yaml", manifest("a"));
  ASSERT_TRUE(has({"a-node1"}));
  EXPECT_EQ(bench.lines_with("refused"), 0);
  write(dir / "b.yaml", "apiVersion: v1\nkind: [");
  ASSERT_TRUE(has_problem("b.yaml", "line "));
}

TEST_F(DirectorySourceTest, FirstDeliveryWaitsForAYoungFileToSettle) {
  write(dir / "a.yaml", manifest("a"));  // nobody saw whether it was closed
  start(dir.path(), kNever, 200ms);
  ASSERT_TRUE(has({"a-node1"}));
  EXPECT_EQ(pods.deliveries, 1) << "an empty set was delivered while the manifest was there";
}

TEST_F(DirectorySourceTest, FirstOfTwoPodsWithOneNameWins) {
  place(dir / "a.yaml", manifest("web", "busybox:1"));
  place(dir / "b.yaml", manifest("web", "busybox:2"));
  start(dir.path(), 20ms);
  ASSERT_TRUE(has({"web-node1"}));
  EXPECT_EQ(pods.image(), "busybox:1");
  ASSERT_TRUE(has_problem("b.yaml", "metadata.name: Duplicate value: " + (dir / "a.yaml") + " already has pod"));
  EXPECT_TRUE(bench.stays(100ms, [&] { return pods.events.size() == 1; }));
  const auto& event = pods.events.front();
  EXPECT_EQ(event.reason, "FailedValidation");
  EXPECT_EQ(event.type, "Warning");
  EXPECT_EQ(event.message, "Error validating pod web-node1_default(" + event.pod->metadata().uid() +
                               ") from file due to duplicate pod name \"web-node1\", ignoring");
  fs::remove(dir / "a.yaml");
  ASSERT_TRUE(bench.until([&] { return pods.image() == "busybox:2"; }));
  EXPECT_TRUE(bench.until([&] { return source->problems().empty(); }));
}

TEST_F(DirectorySourceTest, DirectoryMayAppearVanishAndBeReplaced) {
  const std::string path = dir / "x/y/manifests";
  start(path);
  ASSERT_TRUE(has({}));
  ASSERT_TRUE(has_problem("manifests", "does not exist"));
  fs::create_directories(path);
  place(path + "/a.yaml", manifest("a"));
  ASSERT_TRUE(has({"a-node1"}));
  EXPECT_TRUE(bench.until([&] { return source->problems().empty(); }));
  fs::create_directories(dir / "x/y/next");
  place(dir / "x/y/next/b.yaml", manifest("b"));
  fs::rename(path, dir / "x/y/old");
  fs::rename(dir / "x/y/next", path);
  ASSERT_TRUE(has({"b-node1"}));
  place(path + "/c.yaml", manifest("c"));
  ASSERT_TRUE(has({"b-node1", "c-node1"}));
  fs::remove_all(dir / "x");
  ASSERT_TRUE(has({}));
}

TEST_F(DirectorySourceTest, PathMayBeOneFile) {
  const std::string path = dir / "only.yaml";
  write(dir / "other.yaml", manifest("other"));
  start(path);
  ASSERT_TRUE(has({}));
  write(path, manifest("a"));
  ASSERT_TRUE(has({"a-node1"}));
  place(path, manifest("a", "busybox:2"));
  ASSERT_TRUE(bench.until([&] { return pods.image() == "busybox:2"; }));
  fs::remove(path);
  ASSERT_TRUE(has({}));
}

TEST_F(DirectorySourceTest, RescanFindsWhatInotifyCannotTell) {
  TempDir elsewhere;
  write(elsewhere / "real", manifest("a"));
  fs::create_symlink(elsewhere / "real", dir / "a.yaml");
  start(dir.path(), 50ms);
  ASSERT_TRUE(has({"a-node1"}));
  write(elsewhere / "real", manifest("a", "busybox:2"));  // the link's directory sees nothing of it
  ASSERT_TRUE(bench.until([&] { return pods.image() == "busybox:2"; }));
}

TEST_F(DirectorySourceTest, PathThatCannotBeListedChangesNothing) {
  const std::string link = dir / "manifests";
  fs::create_directory(dir / "real");
  place(dir / "real/a.yaml", manifest("a"));
  fs::create_directory_symlink("real", link);
  start(link, 20ms);
  ASSERT_TRUE(has({"a-node1"}));
  fs::create_symlink("manifests2", dir / "tmp");
  fs::create_symlink("manifests", dir / "manifests2");
  fs::rename(dir / "tmp", link);  // now a circle
  ASSERT_TRUE(has_problem("manifests", "Too many levels of symbolic links"));
  EXPECT_EQ(pods.names(), Strings{"a-node1"});
  EXPECT_EQ(pods.deliveries, 1);
}

TEST_F(DirectorySourceTest, NothingIsDeliveredAfterStop) {
  start(dir.path(), 10ms);
  ASSERT_TRUE(has({}));
  bench.finish(source->stop());
  place(dir / "a.yaml", manifest("a"));
  EXPECT_TRUE(bench.stays(50ms, [&] { return pods.deliveries == 1; }));
}

}  // namespace
}  // namespace keelson::static_pods
