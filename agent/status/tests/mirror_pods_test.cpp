// Mirror pods: the body that is posted, the decision as a table, and the order of requests on virtual time.
#include "agent/status/mirror_pods.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/status/tests/fake_pod_api.hpp"
#include "agent/status/tests/texts.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using base::testing::drain;
using nlohmann::json;
using testing::FakePodApi;
using testing::parse_pod;
using Texts = std::vector<std::string>;

const std::string kData = KEELSON_SOURCE_DIR "/tests/golden/data/";

NodePtr node(const std::string& uid = "node-uid") {
  auto out = std::make_shared<api::core::Node>();
  out->mutable_metadata()->set_name("tb-node");
  out->mutable_metadata()->set_uid(uid);
  return out;
}

api::PodPtr static_pod(const std::string& hash, const std::string& name = "web") {
  return std::make_shared<const api::Pod>(
      parse_pod(R"({"metadata":{"name":")" + name + R"(","namespace":"n","uid":")" + hash +
                R"(","annotations":{"kubernetes.io/config.source":"file","kubernetes.io/config.hash":")" + hash +
                R"("}},"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Running"}})"));
}

TEST(MirrorPod, IsPostedAsTheKubeletPostedIt) {
  std::ifstream file(kData + "requests/start.jsonl");
  int count = 0;
  for (std::string line; std::getline(file, line);) {
    const json entry = json::parse(line);
    if (entry.at("verb") != "create" || entry.at("uri") != "/api/v1/namespaces/kube-system/pods") continue;
    json source = entry.at("request");
    source["metadata"].erase("ownerReferences");
    source["metadata"]["annotations"].erase("kubernetes.io/config.mirror");
    const std::string uid = entry.at("request").at("metadata").at("ownerReferences")[0].at("uid");
    const api::Pod body = mirror_pod(parse_pod(source.dump()), *node(uid));
    EXPECT_EQ(json::parse(api::encode_json(body)), entry.at("request"));
    ++count;
  }
  EXPECT_EQ(count, 2);
}

TEST(MirrorPod, IsTheObjectThatTheApiServerKept) {
  std::ifstream file(kData + "objects/mirror-pod.json");
  const json recorded = json::parse(file);
  const api::Pod kept = parse_pod(recorded.dump());
  EXPECT_TRUE(is_mirror(kept));
  EXPECT_EQ(mirror_hash(kept), static_hash(kept));
}

TEST(MirrorStep, FollowsTheContract) {
  const auto wanted = static_pod("h1");
  api::Pod made = mirror_pod(*wanted, *node());
  const auto same = std::make_shared<const api::Pod>(made);
  const auto other = std::make_shared<const api::Pod>(mirror_pod(*static_pod("h2"), *node()));
  made.mutable_status()->set_phase("Failed");
  const auto ended = std::make_shared<const api::Pod>(made);
  api::core::PodStatus runs;
  runs.set_phase("Running");
  made.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(1);
  const auto dying = std::make_shared<const api::Pod>(made);
  struct Row {
    const char* what;
    MirrorView view;
    MirrorStep step;
  };
  const Row rows[] = {
      {"nothing at all", {nullptr, false, nullptr, true, true}, MirrorStep::none},
      {"no mirror yet", {wanted, false, nullptr, true, true}, MirrorStep::create},
      {"no mirror and no Node", {wanted, false, nullptr, false, true}, MirrorStep::none},
      {"sources need not be ready to create", {wanted, false, nullptr, true, false}, MirrorStep::create},
      {"as it should be", {wanted, false, same, true, true}, MirrorStep::none},
      {"another manifest", {wanted, false, other, true, true}, MirrorStep::replace},
      {"being deleted", {wanted, false, dying, true, true}, MirrorStep::replace},
      {"another manifest, no Node", {wanted, false, other, false, true}, MirrorStep::replace},
      {"shows what it is", {wanted, false, same, true, true, &runs}, MirrorStep::none},
      {"shows an end, and nobody has looked yet", {wanted, false, ended, true, true}, MirrorStep::none},
      {"shows its end", {wanted, false, ended, true, true, &ended->status()}, MirrorStep::none},
      {"shows the end of an earlier life", {wanted, false, ended, true, true, &runs}, MirrorStep::replace},
      {"ends: its mirror stays", {wanted, true, same, true, true}, MirrorStep::none},
      {"ends: no new one", {wanted, true, nullptr, true, true}, MirrorStep::none},
      {"orphan", {nullptr, false, same, true, true}, MirrorStep::remove_orphan},
      {"perhaps an orphan", {nullptr, false, same, true, false}, MirrorStep::none},
  };
  for (const Row& row : rows) EXPECT_EQ(mirror_step(row.view), row.step) << row.what;
}

base::Task<void> await_stop(MirrorPods* mirrors, bool* stopped) {
  co_await mirrors->stop();
  *stopped = true;
}

class MirrorPodsTest : public ::testing::Test {
 protected:
  MirrorPodsTest() {
    api.watch = [this](const api::PodPtr& pod, const std::string& uid) {
      if (!watching) return;
      if (pod) {
        mirrors.on_api_pod(pod);
      } else {
        mirrors.on_api_pod_removed(uid);
      }
    };
  }
  ~MirrorPodsTest() override {
    bool stopped = false;
    base::Gate own(loop);
    base::spawn(own, "stop", await_stop(&mirrors, &stopped));
    drain(loop);
    EXPECT_TRUE(stopped);
  }

  void begin() {
    mirrors.pods_synced();
    mirrors.on_node(node());
    mirrors.sources_ready();
    drain(loop);
  }
  void run(const api::PodPtr& pod) {
    mirrors.static_pod(pod, pod->status());
    drain(loop);
  }
  std::string hash() { return mirror_hash(api.pods.at("n/web")); }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{7};
  FakePodApi api{clock};
  bool watching = true;
  MirrorPods mirrors{loop, clock, random, api, base::Logger()};
};

TEST_F(MirrorPodsTest, MakesAMirrorOnceTheNodeAndThePodsAreKnown) {
  run(static_pod("h1"));
  EXPECT_TRUE(api.log.empty());
  mirrors.pods_synced();
  drain(loop);
  EXPECT_TRUE(api.log.empty());
  mirrors.on_node(node(""));
  drain(loop);
  EXPECT_TRUE(api.log.empty()) << "a Node without UID owns nothing";
  mirrors.on_node(node());
  drain(loop);
  EXPECT_EQ(api.log, Texts{"POST n/web"});
  const auto& owner = api.created.at(0).metadata().ownerreferences(0);
  EXPECT_EQ(owner.uid(), "node-uid");
  EXPECT_TRUE(owner.controller());
  // Told again and again, it does nothing more.
  run(static_pod("h1"));
  mirrors.on_node(node());
  clock.advance(1h);
  EXPECT_EQ(api.log.size(), 1u);
}

TEST_F(MirrorPodsTest, MakesOneAnewThatSomebodyDeleted) {
  begin();
  run(static_pod("h1"));
  api.drop("n/web");
  drain(loop);
  EXPECT_EQ(api.log, (Texts{"POST n/web", "POST n/web"}));
}

TEST_F(MirrorPodsTest, ReplacesOneThatIsBeingDeleted) {
  begin();
  run(static_pod("h1"));
  api.ask_deletion("n/web");
  drain(loop);
  EXPECT_EQ(api.log, (Texts{"POST n/web", "DELETE n/web uid=made-1", "POST n/web"}));
}

// The API takes no status that lets a pod go on after its end.
TEST_F(MirrorPodsTest, ReplacesOneThatShowsAnEndWhichItsPodHasLeftBehind) {
  api::Pod ended = mirror_pod(*static_pod("h1"), *node());
  ended.mutable_metadata()->set_uid("old");
  ended.mutable_status()->set_phase("Failed");
  api.put(ended);
  mirrors.static_pod_added(static_pod("h1"));
  begin();
  run(static_pod("h1"));
  EXPECT_EQ(api.log, (Texts{"DELETE n/web uid=old", "POST n/web"}));
}

TEST_F(MirrorPodsTest, LeavesOneThatShowsHowItsPodHasEnded) {
  begin();
  run(static_pod("h1"));
  api::core::PodStatus failed;
  failed.set_phase("Failed");
  mirrors.static_pod_ended(static_pod("h1"), failed);
  api::Pod told = api.pods.at("n/web");
  *told.mutable_status() = failed;
  api.put(told);
  drain(loop);
  EXPECT_EQ(api.log, Texts{"POST n/web"});
}

TEST_F(MirrorPodsTest, ReplacesOneOfAnotherManifest) {
  begin();
  run(static_pod("h1"));
  run(static_pod("h2"));
  EXPECT_EQ(api.log, (Texts{"POST n/web", "DELETE n/web uid=made-1", "POST n/web"}));
  EXPECT_EQ(hash(), "h2");
}

TEST_F(MirrorPodsTest, DoesNotWaitForTheWatchToReplaceOne) {
  begin();
  watching = false;
  run(static_pod("h1"));
  run(static_pod("h2"));
  EXPECT_EQ(hash(), "h2");
  // Then the watch tells of the old one's deletion, late.
  api::Pod old = mirror_pod(*static_pod("h1"), *node());
  old.mutable_metadata()->set_uid("made-1");
  old.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(1);
  mirrors.on_api_pod(std::make_shared<const api::Pod>(old));
  drain(loop);
  mirrors.on_api_pod_removed("made-1");
  drain(loop);
  EXPECT_EQ(api.log, (Texts{"POST n/web", "DELETE n/web uid=made-1", "POST n/web"}));
}

TEST_F(MirrorPodsTest, TakesOneThatIsThereAlready) {
  api.put(mirror_pod(*static_pod("h1"), *node()));
  mirrors.static_pod_added(static_pod("h1"));
  begin();
  EXPECT_TRUE(api.log.empty()) << "it is no orphan, though its pod does not run yet";
  run(static_pod("h1"));
  EXPECT_TRUE(api.log.empty());
  // Not seen by the watch: the server says so.
  watching = false;
  api::Pod unseen = mirror_pod(*static_pod("h1", "unseen"), *node());
  api.put(std::move(unseen));
  run(static_pod("h1", "unseen"));
  clock.advance(1h);
  EXPECT_EQ(api.log, (Texts{"POST n/unseen", "GET n/unseen"}));
}

TEST_F(MirrorPodsTest, RemovesOrphansWhenAllSourcesHaveSpoken) {
  api.put(mirror_pod(*static_pod("h1"), *node()));
  mirrors.pods_synced();
  mirrors.on_node(node());
  drain(loop);
  EXPECT_TRUE(api.log.empty());
  mirrors.sources_ready();
  drain(loop);
  EXPECT_EQ(api.log, Texts{"DELETE n/web uid="});
  EXPECT_TRUE(api.pods.empty());
}

TEST_F(MirrorPodsTest, KeepsTheMirrorUntilItsStaticPodHasEnded) {
  begin();
  run(static_pod("h1"));
  mirrors.static_pod_removed("h1");
  drain(loop);
  EXPECT_EQ(api.log.size(), 1u);
  mirrors.static_pod_finished("somebody else");
  drain(loop);
  EXPECT_EQ(api.log.size(), 1u);
  mirrors.static_pod_finished("h1");
  drain(loop);
  EXPECT_EQ(api.log.back(), "DELETE n/web uid=");
  EXPECT_TRUE(api.pods.empty());
}

TEST_F(MirrorPodsTest, LetsTheEndOfTheOldOneNotDisturbTheNewOne) {
  begin();
  run(static_pod("h1"));
  run(static_pod("h2"));
  mirrors.static_pod_removed("h1");
  mirrors.static_pod_finished("h1");
  drain(loop);
  EXPECT_EQ(hash(), "h2");
  EXPECT_EQ(api.log.size(), 3u);
}

TEST_F(MirrorPodsTest, ReplacesTheMirrorWhenTheNewManifestGetsItsTurn) {
  begin();
  run(static_pod("h1"));
  mirrors.static_pod_added(static_pod("h2"));
  mirrors.static_pod_removed("h1");
  drain(loop);
  EXPECT_EQ(api.log.size(), 1u) << "the old one still ends";
  mirrors.static_pod_finished("h1");
  drain(loop);
  EXPECT_EQ(api.log.size(), 1u) << "the new one does not run yet";
  run(static_pod("h2"));
  EXPECT_EQ(api.log, (Texts{"POST n/web", "DELETE n/web uid=made-1", "POST n/web"}));
  // One that is gone before its turn leaves nothing.
  mirrors.static_pod_added(static_pod("h3"));
  mirrors.static_pod_removed("h3");
  mirrors.static_pod_removed("h2");
  mirrors.static_pod_finished("h2");
  drain(loop);
  EXPECT_TRUE(api.pods.empty());
}

TEST_F(MirrorPodsTest, TriesAgainLater) {
  begin();
  api.down = true;
  run(static_pod("h1"));
  clock.advance(10min);
  EXPECT_GT(api.log.size(), 8u);
  EXPECT_LT(api.log.size(), 20u);
  api.down = false;
  mirrors.api_is_back();
  drain(loop);
  EXPECT_EQ(hash(), "h1");
}

TEST_F(MirrorPodsTest, DoesNotTakeAConflictForADeletion) {
  begin();
  run(static_pod("h1"));
  api.faults["DELETE n/web"] = {Error(ErrorKind::conflict, "the object has been modified", 409)};
  run(static_pod("h2"));
  clock.advance(1min);
  EXPECT_EQ(hash(), "h2");
}

TEST_F(MirrorPodsTest, WaitsForFinalizersOfTheOldOne) {
  begin();
  run(static_pod("h1"));
  api::Pod kept = api.pods.at("n/web");
  kept.mutable_metadata()->add_finalizers("example.com/wait");
  api.put(std::move(kept));
  run(static_pod("h2"));
  clock.advance(10min);
  EXPECT_EQ(api.count("DELETE n/web uid=made-1"), 1u);
  EXPECT_LT(api.log.size(), 40u);
  api.drop("n/web");
  drain(loop);
  EXPECT_EQ(hash(), "h2") << "made as soon as the name is free";
}

TEST_F(MirrorPodsTest, LeavesAnOrdinaryPodOfThatNameAlone) {
  api::Pod ordinary = parse_pod(R"({"metadata":{"name":"web","namespace":"n","uid":"x"},"spec":{"containers":[]}})");
  api.put(std::move(ordinary));
  begin();
  run(static_pod("h1"));
  clock.advance(10min);
  EXPECT_EQ(api.pods.at("n/web").metadata().uid(), "x");
  for (const auto& entry : api.log) EXPECT_EQ(entry.find("DELETE"), std::string::npos);
}

}  // namespace
}  // namespace keelson::agent
