#include "agent/objects/object_cache.hpp"

#include <gtest/gtest.h>

#include "agent/objects/tests/fake_server.hpp"
#include "api/tests/pod_fixture.hpp"

namespace keelson::agent {
namespace {

using testing::Cluster;
using namespace std::chrono_literals;

const std::string kMaps = "/api/v1/namespaces/ns/configmaps";
const std::string kSecrets = "/api/v1/namespaces/ns/secrets";

api::core::ConfigMap config_map(const std::string& name, const std::string& value) {
  api::core::ConfigMap object;
  object.mutable_metadata()->set_name(name);
  object.mutable_metadata()->set_namespace_("ns");
  (*object.mutable_metadata()->mutable_annotations())["a"] = "much";
  (*object.mutable_data())["k"] = value;
  return object;
}

api::core::Secret secret(const std::string& name, const std::string& value) {
  api::core::Secret object;
  object.mutable_metadata()->set_name(name);
  object.mutable_metadata()->set_namespace_("ns");
  object.set_type("Opaque");
  (*object.mutable_data())["k"] = value;
  return object;
}

api::Pod pod_of(const std::string& uid, const std::string& spec) {
  return api::testing::pod_from_yaml("metadata: {name: " + uid + ", namespace: ns, uid: " + uid + "}\nspec: {" + spec +
                                     "}");
}
std::string env_of(const std::string& map) {
  return "containers: [{name: c, envFrom: [{configMapRef: {name: " + map + "}}]}]";
}
std::string volume_of(const std::string& map) { return "volumes: [{name: v, configMap: {name: " + map + "}}]"; }

class ObjectCacheTest : public ::testing::Test {
 protected:
  ObjectCacheTest() {
    cache.on_change([this](const std::string& uid) { changed.push_back(uid); });
    cache.start();
    cluster.drain();
  }
  ~ObjectCacheTest() override { cluster.run(cache.stop()); }

  void add(const api::Pod& pod) {
    cache.register_pod(pod);
    cluster.drain();
  }
  void drop(const std::string& uid) {
    cache.unregister_pod(uid);
    cluster.drain();
  }
  // The value under "k", or the error.
  std::string read(const std::string& name) {
    const auto object = cluster.run(cache.config_map("ns", name));
    return object.ok() ? (*object)->data().at("k") : object.error().to_string();
  }

  Cluster cluster;
  std::vector<std::string> changed;
  ObjectCache cache{cluster.client, cluster.random, 1min, base::Logger()};
};

TEST_F(ObjectCacheTest, ReadsWhatARegisteredPodNames) {
  cluster.server.put(kMaps, config_map("cm", "1"));
  cluster.server.put(kSecrets, secret("s", "2"));
  add(pod_of("p1", env_of("cm") + ", imagePullSecrets: [{name: s}]"));
  EXPECT_EQ(read("cm"), "1");
  const auto found = cluster.run(cache.secret("ns", "s"));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)->data().at("k"), "2");
  EXPECT_EQ((*found)->type(), "Opaque");
  EXPECT_EQ(cluster.server.watches_asked(), 2u);
  const auto& target = cluster.server.requests[0].target;
  EXPECT_NE(target.find("fieldSelector=metadata.name%3Dcm"), std::string::npos) << target;
  const int seconds = std::stoi(target.substr(target.find("timeoutSeconds=") + 15));
  EXPECT_GE(seconds, 1800);
  EXPECT_LE(seconds, 3600);
}

TEST_F(ObjectCacheTest, DropsWhatNobodyNeedsOfAnObject) {
  cluster.server.put(kMaps, config_map("cm", "1"));
  add(pod_of("p1", env_of("cm")));
  const auto found = cluster.run(cache.config_map("ns", "cm"));
  EXPECT_TRUE((*found)->metadata().annotations().empty());
  EXPECT_EQ((*found)->metadata().name(), "cm");
}

TEST_F(ObjectCacheTest, HasTheErrorsOfAKubelet) {
  add(pod_of("p1", env_of("absent")));
  EXPECT_EQ(read("absent"), "configmap \"absent\" not found");
  EXPECT_EQ(read("other"), "object \"ns\"/\"other\" not registered");
  cluster.server.silent = true;
  add(pod_of("p2", env_of("slow") + ", imagePullSecrets: [{name: slow}]"));
  const auto map = cluster.begin(cache.config_map("ns", "slow"));
  const auto secret = cluster.begin(cache.secret("ns", "slow"));
  cluster.clock.advance(900ms);
  EXPECT_FALSE(map->has_value());
  cluster.clock.advance(100ms);
  ASSERT_TRUE(map->has_value());
  EXPECT_EQ((*map)->error().to_string(), "failed to sync configmap cache: timed out waiting for the condition");
  EXPECT_EQ((*secret)->error().to_string(), "failed to sync secret cache: timed out waiting for the condition");
}

TEST_F(ObjectCacheTest, FollowsChangesAndTellsPodsWithAVolume) {
  cluster.server.put(kMaps, config_map("cm", "1"));
  add(pod_of("env", env_of("cm")));
  add(pod_of("vol", volume_of("cm")));
  EXPECT_EQ(read("cm"), "1");
  EXPECT_TRUE(changed.empty()) << "the first answer is no change";
  cluster.server.put(kMaps, config_map("cm", "2"));
  cluster.drain();
  EXPECT_EQ(read("cm"), "2");
  EXPECT_EQ(changed, std::vector<std::string>{"vol"});
  cluster.server.remove<api::core::ConfigMap>(kMaps, "cm");
  cluster.drain();
  EXPECT_EQ(read("cm"), "configmap \"cm\" not found");
  EXPECT_EQ(changed.size(), 2u);
  EXPECT_EQ(cluster.server.watches_asked(), 1u) << "one watch for both";
}

TEST_F(ObjectCacheTest, TellsAllWhoWaitWhenAnObjectAppears) {
  add(pod_of("env", env_of("cm")));
  EXPECT_EQ(read("cm"), "configmap \"cm\" not found");
  cluster.server.put(kMaps, config_map("cm", "1"));
  cluster.drain();
  EXPECT_EQ(changed, std::vector<std::string>{"env"});
}

TEST_F(ObjectCacheTest, WatchesUntilTheLastPodIsGone) {
  cluster.server.put(kMaps, config_map("cm", "1"));
  add(pod_of("p1", env_of("cm")));
  add(pod_of("p2", env_of("cm")));
  add(pod_of("p2", env_of("cm")));
  drop("p1");
  drop("p1");
  EXPECT_EQ(read("cm"), "1");
  EXPECT_EQ(cluster.server.open_watches(), 1u);
  drop("p2");
  EXPECT_EQ(cluster.server.open_watches(), 0u);
  EXPECT_EQ(read("cm"), "object \"ns\"/\"cm\" not registered");
}

TEST_F(ObjectCacheTest, FollowsWhatAPodNamesNow) {
  cluster.server.put(kMaps, config_map("a", "1"));
  cluster.server.put(kMaps, config_map("b", "2"));
  cluster.server.put(kMaps, config_map("c", "3"));
  add(pod_of("p", env_of("a") + ", " + volume_of("b")));
  add(pod_of("p", env_of("c") + ", " + volume_of("b")));
  EXPECT_EQ(read("a"), "object \"ns\"/\"a\" not registered");
  EXPECT_EQ(read("b"), "2");
  EXPECT_EQ(read("c"), "3");
  EXPECT_EQ(cluster.server.watches_asked(), 3u) << "b was watched all the time";
}

TEST_F(ObjectCacheTest, StopsWatchingWhatIsImmutableOnceItWasRead) {
  auto object = config_map("cm", "1");
  object.set_immutable(true);
  cluster.server.put(kMaps, object);
  add(pod_of("p", volume_of("cm")));
  EXPECT_EQ(cluster.server.open_watches(), 1u);
  EXPECT_EQ(read("cm"), "1");
  cluster.drain();
  EXPECT_EQ(cluster.server.open_watches(), 0u);
  EXPECT_EQ(read("cm"), "1");
  EXPECT_EQ(cluster.server.watches_asked(), 1u);
}

TEST_F(ObjectCacheTest, StopsWatchingWhatIsNotReadUnlessItIsInAVolume) {
  cluster.server.put(kMaps, config_map("env", "1"));
  cluster.server.put(kMaps, config_map("vol", "1"));
  add(pod_of("p", env_of("env") + ", " + volume_of("vol")));
  cluster.clock.advance(4min);
  EXPECT_EQ(read("env"), "1");
  cluster.clock.advance(4min);
  EXPECT_EQ(cluster.server.open_watches(), 2u) << "it was read in between";
  cluster.clock.advance(1min);
  EXPECT_EQ(cluster.server.open_watches(), 1u);
  cluster.server.put(kMaps, config_map("env", "2"));
  cluster.server.put(kMaps, config_map("vol", "2"));
  cluster.drain();
  EXPECT_EQ(changed, std::vector<std::string>{"p"}) << "the volume's";
  EXPECT_EQ(read("env"), "2") << "the next read begins the watch again";
  EXPECT_EQ(cluster.server.open_watches(), 2u);
}

TEST_F(ObjectCacheTest, GetsAllThatAContainerNeedsInOneGo) {
  cluster.server.put(kMaps, config_map("cm", "1"));
  const auto pod = std::make_shared<const api::Pod>(
      pod_of("p",
             "containers: [{name: c, envFrom: [{configMapRef: {name: cm}}, {configMapRef: {name: absent}}, "
             "{secretRef: {name: s}}]}]"));
  cluster.server.put(kSecrets, secret("s", "2"));
  add(*pod);
  const auto resolver = cluster.run(cache.resolve_for(pod, pod->spec().containers(0))).value();
  const auto map = resolver->config_map("ns", "cm");
  ASSERT_TRUE(map.ok());
  EXPECT_EQ((*map)->data().at("k"), "1");
  EXPECT_EQ(resolver->secret("ns", "s").value()->data().at("k"), "2");
  const auto absent = resolver->config_map("ns", "absent");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().kind(), ErrorKind::not_found);
  EXPECT_EQ(absent.error().to_string(), "configmap \"absent\" not found");
  // It stays as it was, whatever happens meanwhile.
  cluster.server.put(kMaps, config_map("cm", "2"));
  cluster.drain();
  EXPECT_EQ((*map)->data().at("k"), "1");
}

TEST_F(ObjectCacheTest, WaitsForAllOfThemAtOnce) {
  cluster.server.silent = true;
  const auto pod = std::make_shared<const api::Pod>(
      pod_of("p", "containers: [{name: c, envFrom: [{configMapRef: {name: a}}, {configMapRef: {name: b}}]}]"));
  add(*pod);
  const auto resolver = cluster.begin(cache.resolve_for(pod, pod->spec().containers(0)));
  cluster.clock.advance(1s);
  ASSERT_TRUE(resolver->has_value());
  EXPECT_FALSE((**resolver).value()->config_map("ns", "b").ok());
}

TEST_F(ObjectCacheTest, RetriesAReadThatWasForbiddenForAMoment) {
  cluster.server.put(kMaps, config_map("cm", "1"));
  cluster.server.watch_status = 403;
  add(pod_of("p", env_of("cm")));
  const auto first = cluster.begin(cache.config_map("ns", "cm"));
  cluster.clock.advance(1s);
  ASSERT_TRUE(first->has_value());
  EXPECT_FALSE((*first)->ok());
  cluster.server.watch_status = 200;
  cluster.clock.advance(5s);
  EXPECT_EQ(changed, std::vector<std::string>{"p"}) << "who was told no hears of it";
  EXPECT_EQ(read("cm"), "1");
}

}  // namespace
}  // namespace keelson::agent
