// The volumes of a recorded pod made by us: paths, modes, groups, links and contents against the recording.
// Source: tests/golden/data/pods/volumes.json; contract 04 §2, §8, §9.
#include "agent/wiring/volumes_adapter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "base/file.hpp"
#include "base/tests/tasks.hpp"
#include "volume/tests/fake_mounts.hpp"

namespace keelson::agent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class FakePodObjects final : public PodObjects {
 public:
  std::map<std::string, api::core::ConfigMap> config_maps;
  std::map<std::string, api::core::Secret> secrets;
  int reads = 0;

  void hold(const api::PodPtr&) override {}
  void release(const std::string&) override {}
  base::Task<Result<std::shared_ptr<const ObjectResolver>>> objects_of(api::PodPtr, api::core::Container) override {
    co_return std::shared_ptr<const ObjectResolver>();
  }
  base::Task<Result<std::shared_ptr<const api::core::ConfigMap>>> config_map(api::PodPtr, std::string name) override {
    ++reads;
    const auto found = config_maps.find(name);
    if (found == config_maps.end()) co_return Error(ErrorKind::not_found, "configmap \"" + name + "\" not found");
    co_return std::make_shared<const api::core::ConfigMap>(found->second);
  }
  base::Task<Result<std::shared_ptr<const api::core::Secret>>> secret(api::PodPtr, std::string name) override {
    const auto found = secrets.find(name);
    if (found == secrets.end()) co_return Error(ErrorKind::not_found, "secret \"" + name + "\" not found");
    co_return std::make_shared<const api::core::Secret>(found->second);
  }
  base::Task<Result<std::string>> token(api::PodPtr, std::string audience, std::int64_t) override {
    co_return "token for " + audience;
  }
  base::Task<Result<std::shared_ptr<const api::core::ServiceAccount>>> service_account(api::PodPtr) override {
    co_return Error(ErrorKind::unavailable, "no volume needs it");
  }
  std::vector<ServiceInfo> services_for(const std::string&) const override { return {}; }
  bool services_synced() const override { return true; }
};

class FakeEvents final : public EventRecorder {
 public:
  std::vector<std::string> texts;
  void record(const api::Pod&, PodEvent event) override { texts.push_back(event.reason + ": " + event.message); }
};

struct Volumes : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/keelson-volumes-XXXXXX";
    top = mkdtemp(name);
    facts.paths.root = top + "/root";
    facts.info.memory_bytes = 1 << 30;
    facts.info.allocatable.emplace("cpu", api::Quantity::from_int(2));
    mounts->tmpfs_mode = 01777;
    adapter.emplace(VolumesAdapter::Base{loop, clock, random, pool, facts, objects, events, {}, mounts});
    adapter->start(gate);
    std::ifstream file(KEELSON_SOURCE_DIR "/tests/golden/data/pods/volumes.json");
    recording = json::parse(file);
    json live = recording.at("live");
    live.erase("status");
    const auto node = api::parse_json(live.dump());
    ASSERT_TRUE(node.ok());
    auto decoded = std::make_shared<api::Pod>();
    ASSERT_TRUE(api::decode(*node, *decoded).ok());
    auto& spec = *decoded->mutable_spec();
    for (auto& volume : *spec.mutable_volumes()) {
      if (volume.name() == "h") volume.mutable_volumesource()->mutable_hostpath()->set_path(top + "/host");
    }
    (*decoded->mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "api";
    pod = decoded;
    auto& map = objects.config_maps["cm"];
    (*map.mutable_data())["k1"] = "v1";
    (*map.mutable_data())["k2"] = "v2\n";
    (*map.mutable_binarydata())["bin"] = std::string("\0\1\2", 3);
    auto& secret = objects.secrets["sec"];
    (*secret.mutable_data())["user"] = "admin";
    (*secret.mutable_data())["pass"] = "s3cret";
    for (const char* name : {"kube-root-ca.crt", "openshift-service-ca.crt"}) {
      (*objects.config_maps[name].mutable_data())["ca.crt"] = "CA";
      (*objects.config_maps[name].mutable_data())["service-ca.crt"] = "CA";
    }
  }
  void TearDown() override {
    ASSERT_TRUE(base::testing::run_real(loop, stopped()));
    fs::remove_all(top);
  }
  base::Task<bool> stopped() {
    co_await adapter->stop();
    co_await gate.stop();
    co_return true;
  }

  Result<ResolvedVolumes> mount() { return base::testing::run_real(loop, adapter->mount(pod)); }
  std::string directory() const { return facts.paths.root + "/pods/" + pod->metadata().uid() + "/"; }

  std::string top;
  base::Loop loop;
  base::RealClock clock{loop};
  base::BlockingPool pool{loop, clock, 1};  // the mount table of these tests is for one thread
  NodeFacts facts;
  FakePodObjects objects;
  std::shared_ptr<volume::FakeMounts> mounts = std::make_shared<volume::FakeMounts>();
  FakeEvents events;
  base::Random random{7};
  base::Gate gate{loop};
  std::optional<VolumesAdapter> adapter;
  api::PodPtr pod;
  json recording;
};

// Dated directories have no two names alike.
std::string undated(const std::string& path) {
  static const std::regex dated(R"(\.\.20\d\d_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+)");
  return std::regex_replace(path, dated, "..DATE");
}

TEST_F(Volumes, HaveThePathsModesAndContentsOfTheRecordedOnes) {
  if (getuid() != 0) GTEST_SKIP() << "groups are given by root only";
  auto mounted = mount();
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_EQ(mounted->size(), static_cast<std::size_t>(pod->spec().volumes_size()));
  EXPECT_TRUE(mounted->at("c").read_only);
  EXPECT_FALSE(mounted->at("e").read_only);
  std::map<std::string, std::string> ours;
  for (const auto& entry : fs::recursive_directory_iterator(directory())) {
    struct stat info {};
    ASSERT_EQ(lstat(entry.path().c_str(), &info), 0);
    const std::string path = undated(entry.path().string().substr(directory().size()));
    std::string text = std::to_string(info.st_mode & 07777) + " " + std::to_string(info.st_gid);
    if (S_ISLNK(info.st_mode)) text += " " + undated(fs::read_symlink(entry.path()).string());
    ours[path] = text;
  }
  int compared = 0;
  for (const json& entry : recording.at("pod_dir")) {
    const std::string path = undated(entry.at("path").get<std::string>());
    // What the containers wrote, and sub-paths, are no part of this.
    if (!path.starts_with("volumes/") || path.find("/e/") != std::string::npos) continue;
    std::string text = std::to_string(std::stol(entry.at("mode").get<std::string>().substr(2), nullptr, 8)) + " " +
                       std::to_string(entry.at("gid").get<int>());
    if (entry.contains("to")) text += " " + undated(entry.at("to").get<std::string>());
    EXPECT_EQ(ours.count(path) > 0 ? ours.at(path) : "(absent)", text) << path;
    ++compared;
  }
  EXPECT_GT(compared, 40);
  const std::string volumes = directory() + "volumes/";
  EXPECT_EQ(*base::read_file(volumes + "kubernetes.io~downward-api/d/cpu"), "2000");
  EXPECT_EQ(*base::read_file(volumes + "kubernetes.io~downward-api/d/labels"), "a=\"1\"\nb=\"2\"");
  EXPECT_EQ(*base::read_file(volumes + "kubernetes.io~configmap/c/bin"), std::string("\0\1\2", 3));
  EXPECT_EQ(*base::read_file(volumes + "kubernetes.io~projected/p/tok"), "token for me");
  EXPECT_EQ(*base::read_file(volumes + "kubernetes.io~secret/s/sub/u"), "admin");
  ASSERT_TRUE(base::testing::run_real(loop, adapter->unmount(pod->metadata().uid())).ok());
  EXPECT_TRUE(mounts->table.empty());
}

TEST_F(Volumes, FollowTheirObjectsAndAreWrittenOnlyWhenTheyChange) {
  if (getuid() != 0) GTEST_SKIP() << "groups are given by root only";
  ASSERT_TRUE(mount().ok());
  const std::string volume = directory() + "volumes/kubernetes.io~configmap/c/";
  const auto before = fs::read_symlink(volume + "..data");
  ASSERT_TRUE(mount().ok());
  EXPECT_EQ(fs::read_symlink(volume + "..data"), before);
  (*objects.config_maps["cm"].mutable_data())["k1"] = "new";
  auto mounted = mount();
  ASSERT_TRUE(mounted.ok());
  EXPECT_NE(fs::read_symlink(volume + "..data"), before);
  EXPECT_EQ(*base::read_file(volume + "k1"), "new");
  EXPECT_EQ(mounted->at("s").host_path, directory() + "volumes/kubernetes.io~secret/s")
      << "unchanged ones are there too";
}

TEST_F(Volumes, OnesThatAreMountedServeOnWhenTheirObjectIsGone) {
  if (getuid() != 0) GTEST_SKIP() << "groups are given by root only";
  ASSERT_TRUE(mount().ok());
  objects.config_maps.erase("cm");
  auto mounted = mount();
  ASSERT_TRUE(mounted.ok()) << mounted.error().to_string();
  EXPECT_EQ(mounted->at("c").host_path, directory() + "volumes/kubernetes.io~configmap/c");
  ASSERT_FALSE(events.texts.empty());
  EXPECT_EQ(events.texts.front(),
            "FailedMount: MountVolume.SetUp failed for volume \"c\" : configmap \"cm\" not found");
}

TEST_F(Volumes, WhatIsMissingIsNamedAsTheKubeletDoesAndThePodWaitsForIt) {
  if (getuid() != 0) GTEST_SKIP() << "groups are given by root only";
  const auto config_map = objects.config_maps["cm"];
  objects.config_maps.erase("cm");
  auto place = std::make_shared<std::optional<Result<ResolvedVolumes>>>();
  base::spawn(gate, "mount", base::internal::keep_result<Result<ResolvedVolumes>>(adapter->mount(pod), place));
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return !events.texts.empty(); }));
  EXPECT_EQ(events.texts.front(),
            "FailedMount: MountVolume.SetUp failed for volume \"c\" : configmap \"cm\" not found");
  EXPECT_FALSE(place->has_value());
  objects.config_maps["cm"] = config_map;
  adapter->manager().look_again(pod->metadata().uid());
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return place->has_value(); }));
  EXPECT_TRUE((*place)->ok());
}

}  // namespace
}  // namespace keelson::agent
