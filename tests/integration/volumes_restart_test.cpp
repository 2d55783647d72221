// Volumes of pods that run while the agent is killed: what is mounted stays, news of objects come through, a pod that
// goes meanwhile leaves nothing. Source: contract 04 §8, §14, §16.
#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/book.hpp"
#include "tests/integration/volumes_node.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

// We promise a second; a busy machine gets more, but far less than the minute after which a kubelet would look again.
constexpr auto kSoon = std::chrono::seconds(15);

class VolumesRestart : public VolumesTest {
 protected:
  // A pod that says what it finds at its mounts of ConfigMap "words" each time its container starts, and ends that
  // container when the file leaveN is laid into the book, N being the number of starts so far.
  json reader(const Book& book) const {
    const std::string script =
        "trap 'exit 0' TERM; n=$(wc -l < /book/lines); echo start $(cat /word) >> /book/lines; "
        "echo $NAME > /expr/by; echo plain > /plain/by; while ! test -f /book/leave$n; do sleep 0.1; done";
    json container = mounting(Book::writer("main", script),
                              {{{"name", "words"}, {"mountPath", "/words"}},
                               {{"name", "words"}, {"mountPath", "/word"}, {"subPath", "greeting"}},
                               {{"name", "data"}, {"mountPath", "/expr"}, {"subPathExpr", "of/$(NAME)"}},
                               {{"name", "data"}, {"mountPath", "/plain"}, {"subPath", "a/b"}},
                               {{"name", "data"}, {"mountPath", "/data"}}});
    container["env"] = {{{"name", "NAME"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "metadata.name"}}}}}}};
    return book.pod("web", {container}, {{"volumes", {config_map_volume("words", "words"), empty_volume("data")}}});
  }
  std::string restarts() { return field("pod", "web", "{.status.containerStatuses[0].restartCount}"); }
  // Whatever should not happen has had its time when this one runs.
  void await_another(const std::string& name) {
    apply(pod(name, {shell("main", kSleep)}));
    ASSERT_TRUE(eventually("another pod to be Ready", [&] { return pod_is_ready(name); }));
  }
};

TEST_F(VolumesRestart, KeepsSubPathsAndFilesMountedAndBringsNewsToTheWholeVolumeOnly) {
  const Book book(directory + "/book");
  config_map("words", {{"greeting", "one"}, {"gone", "soon"}});
  apply(reader(book));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  const std::string uid = uid_of("web");
  const std::string id = id_of("web", "main");
  const int process = process_of("web");
  ASSERT_TRUE(eventually("its files", [&] { return inside(process, "/data/a/b/by") == "plain\n"; }));
  EXPECT_EQ(inside(process, "/data/of/web/by"), "web\n");
  EXPECT_EQ(inside(process, "/words/greeting"), "one");
  EXPECT_EQ(inside(process, "/word"), "one");
  const auto mounted = mounts_of(uid);
  const std::string sub_paths = pod_directory(uid) + "/volume-subpaths";
  for (const char* place : {"/words/main/2", "/data/main/3", "/data/main/4"}) {
    EXPECT_EQ(std::count(mounted.begin(), mounted.end(), sub_paths + place), 1) << place;
  }

  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("web"); }));
  await_another("between");
  EXPECT_EQ(mounts_of(uid), mounted);
  EXPECT_EQ(id_of("web", "main"), id);
  EXPECT_EQ(process_of("web"), process);

  // News while it runs.
  config_map("words", {{"greeting", "two"}, {"more", "of it"}});
  EXPECT_TRUE(eventually(
      "the news", [&] { return inside(process, "/words/greeting") == "two"; }, kSoon));
  EXPECT_TRUE(eventually(
      "the new key", [&] { return inside(process, "/words/more") == "of it"; }, kSoon));
  EXPECT_FALSE(exists("/proc/" + std::to_string(process) + "/root/words/gone"));

  // News while it was away.
  keelson->kill_hard();
  config_map("words", {{"greeting", "three"}});
  EXPECT_EQ(inside(process, "/words/greeting"), "two");
  start();
  EXPECT_TRUE(eventually(
      "the news of before", [&] { return inside(process, "/words/greeting") == "three"; }, kSoon));
  await_another("after");
  EXPECT_EQ(inside(process, "/word"), "one") << "never through a subPath";
  EXPECT_EQ(mounts_of(uid), mounted);
  EXPECT_EQ(id_of("web", "main"), id);
  EXPECT_EQ(restarts(), "0");
  std::size_t dated = 0;
  for (const auto& entry : fs::directory_iterator(pod_directory(uid) + "/volumes/kubernetes.io~configmap/words")) {
    dated += entry.is_directory() && !entry.is_symlink() ? 1 : 0;
  }
  EXPECT_EQ(dated, 1u) << "old content is removed";

  for (const char* name : {"web", "between", "after"}) remove(name);
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesRestart, GivesAContainerThatStartsAgainTheNewsBySubPathToo) {
  const Book book(directory + "/book");
  config_map("words", {{"greeting", "one"}});
  apply(reader(book));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  ASSERT_TRUE(eventually("it to have read", [&] { return book.count("start one") == 1; }));
  const std::string uid = uid_of("web");
  const int process = process_of("web");
  restart_after_kill();
  config_map("words", {{"greeting", "two"}});
  ASSERT_TRUE(eventually(
      "the news", [&] { return inside(process, "/words/greeting") == "two"; }, kSoon));
  book.lay("leave0");
  EXPECT_TRUE(eventually("the container to read anew", [&] { return book.count("start two") == 1; }));
  EXPECT_TRUE(eventually("it to be counted", [&] { return restarts() == "1"; }));
  const auto mounted = mounts_here();
  const std::string place = pod_directory(uid) + "/volume-subpaths/words/main/2";
  EXPECT_EQ(std::count(mounted.begin(), mounted.end(), place), 1) << "the old one is taken off first";
  const int next = process_of("web");
  EXPECT_EQ(inside(next, "/plain/by"), "plain\n");
  EXPECT_EQ(inside(next, "/data/of/web/by"), "web\n");
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

// The volumes go with sub-paths mounted out of them, and what they hold is nobody's to remove.
TEST_F(VolumesRestart, TakesOffTheSubPathsOfAPodThatWasDeletedMeanwhile) {
  fs::create_directories(directory + "/disk/kept");
  ASSERT_TRUE(base::write_file(directory + "/disk/kept/file", "mine", 0644).ok());
  register_driver(false);
  bind("disk", {{"local", {{"path", directory + "/disk"}}}});
  bind("data", csi_source("vol-1"));
  config_map("words", {{"greeting", "one"}});
  secret("keys", {{"key", "value"}});
  json container = shell("main", "echo disk > /v/disk/by; echo data > /v/data/by; " + std::string(kSleep));
  container = mounting(std::move(container), {{{"name", "disk"}, {"mountPath", "/v/disk"}, {"subPath", "kept/sub"}},
                                              {{"name", "data"}, {"mountPath", "/v/data"}, {"subPath", "sub"}},
                                              {{"name", "words"}, {"mountPath", "/v/word"}, {"subPath", "greeting"}},
                                              {{"name", "keys"}, {"mountPath", "/v/key"}, {"subPath", "key"}},
                                              {{"name", "memory"}, {"mountPath", "/v/memory"}, {"subPath", "sub"}}});
  json keys = {{"name", "keys"}, {"secret", {{"secretName", "keys"}}}};
  json memory = {{"name", "memory"}, {"emptyDir", {{"medium", "Memory"}}}};
  apply(pod(
      "web", {container},
      {{"volumes", {claim_volume("disk"), claim_volume("data"), config_map_volume("words", "words"), keys, memory}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  ASSERT_TRUE(eventually("its files", [&] { return read_text(driver_->content("vol-1") + "/sub/by") == "data\n"; }));
  const std::string sub_paths = pod_directory(uid_of("web")) + "/volume-subpaths";
  EXPECT_EQ(read_text(sub_paths + "/pv-disk/main/0/by"), "disk\n");
  EXPECT_EQ(read_text(sub_paths + "/words/main/2"), "one");

  keelson->kill_hard();
  ASSERT_NE(kubectl({"delete", "pod", "web", "--wait=false"}), "") << last_error;
  start();
  EXPECT_TRUE(eventually("the pod to be gone", [&] { return is_gone("pod", "web"); }));
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_EQ(read_text(directory + "/disk/kept/file"), "mine");
  EXPECT_EQ(read_text(directory + "/disk/kept/sub/by"), "disk\n");
  EXPECT_EQ(read_text(driver_->content("vol-1") + "/sub/by"), "data\n");
  EXPECT_TRUE(eventually("the driver to be asked to unstage", [&] {
    const auto methods = calls();
    return !methods.empty() && methods.back() == "NodeUnstageVolume";
  }));
}

// Not even the API has it any more: only the disk and the runtime remember it.
TEST_F(VolumesRestart, TakesOffTheVolumesOfAPodThatNobodyRemembers) {
  register_driver(false);
  bind("data", csi_source("vol-1"));
  config_map("words", {{"greeting", "one"}});
  json spec = {{"volumes", {claim_volume("data"), config_map_volume("words", "words"), empty_volume("empty")}}};
  json container = mounting(shell("main", "echo data > /v/data/by; echo x > /v/empty/by; " + std::string(kSleep)),
                            {{{"name", "data"}, {"mountPath", "/v/data"}, {"subPath", "sub"}},
                             {{"name", "words"}, {"mountPath", "/v/words"}},
                             {{"name", "empty"}, {"mountPath", "/v/empty"}}});
  apply(pod("web", {container}, spec));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  ASSERT_TRUE(eventually("its file", [&] { return read_text(driver_->content("vol-1") + "/sub/by") == "data\n"; }));
  keelson->kill_hard();
  ASSERT_NE(kubectl({"delete", "pod", "web", "--force", "--grace-period=0"}), "") << last_error;
  EXPECT_TRUE(is_gone("pod", "web"));
  start();
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_TRUE(eventually("its containers to end", [&] { return runtime->processes().empty(); }));
  EXPECT_EQ(read_text(driver_->content("vol-1") + "/sub/by"), "data\n");
}

}  // namespace
}  // namespace keelson::integration
