// Volumes that are devices: by a CSI driver and by a local PersistentVolume, with an agent that is killed meanwhile;
// and a disk that a local volume is a file system on. Source: contract 04 §6, §15, §17, §18.
#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/book.hpp"
#include "tests/integration/volumes_node.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDiskBytes = 16u << 20;
constexpr std::size_t kWord = 5;  // what tests write on a disk has this length

class VolumesBlock : public VolumesTest {
 protected:
  void SetUp() override {
    VolumesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    disk_.emplace(kDiskBytes);
    if (disk_->device().empty()) GTEST_SKIP() << disk_->why_not();
    book_.emplace(directory + "/book");
  }
  void TearDown() override {
    VolumesTest::TearDown();
    disk_.reset();
  }

  // A pod that writes down what stands on the disk, whenever that changes.
  json reader(const std::string& claim, json source = json::object()) const {
    const std::string look = "head -c " + std::to_string(kWord) + " /dev/disk";
    json container =
        Book::writer("main", "trap 'exit 0' TERM; last=; while :; do now=$(" + look +
                                 "); if test \"$now\" != \"$last\"; then echo $now >> /book/lines; last=$now; fi; "
                                 "sleep 0.1; done");
    container["volumeDevices"] = {{{"name", claim}, {"devicePath", "/dev/disk"}}};
    json volume = claim_volume(claim);
    volume["persistentVolumeClaim"].update(source);
    return book_->pod("web", {container}, {{"volumes", json::array({volume})}});
  }
  void expect_read(const std::string& word) {
    disk_->write(word);
    EXPECT_TRUE(eventually("the container to read it", [&] { return book_->count(word) > 0; })) << word;
  }
  void await_another() {
    apply(pod("another", {shell("main", kSleep)}));
    ASSERT_TRUE(eventually("another pod to be Ready", [&] { return pod_is_ready("another"); }));
  }

  std::optional<LoopDisk> disk_;
  std::optional<Book> book_;
};

TEST_F(VolumesBlock, OfACsiDriverIsSeenByTheContainerAndOutlivesAKilledAgent) {
  register_driver(false);
  // The driver gives the device that its volume's directory leads to.
  fs::create_directories(driver_->content("vol-b"));
  fs::create_symlink(disk_->device(), driver_->content("vol-b") + "/device");
  bind("raw", csi_source("vol-b"), {{"volumeMode", "Block"}});
  disk_->write("first");
  apply(reader("raw"));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  expect_read("first");
  EXPECT_EQ(calls(), (std::vector<std::string>{"NodeStageVolume", "NodePublishVolume"}));
  const std::string uid = uid_of("web");
  const std::string top = directory + "/root/plugins/kubernetes.io/csi/volumeDevices/";
  const auto mounted = mounts_of(uid);
  EXPECT_EQ(std::count(mounted.begin(), mounted.end(), top + "pv-raw/dev/" + uid), 1);
  EXPECT_EQ(loops_here().size(), 1u) << "the lock";
  const json published = driver_->requests().back()["request"];
  EXPECT_TRUE(published["volume_capability"].contains("block")) << published.dump();
  EXPECT_EQ(published["staging_target_path"], top + "staging/pv-raw");
  EXPECT_EQ(published["target_path"], top + "publish/pv-raw/" + uid);
  const std::string told = "MapVolume.MapPodDevice succeeded for volume \"pv-raw\" ";
  EXPECT_TRUE(eventually("it to be told", [&] {
    return has_event("web", {"Normal SuccessfulMountVolume", told + "globalMapPath \"" + top + "pv-raw/dev\""}) &&
           has_event("web", {"Normal SuccessfulMountVolume",
                             told + "volumeMapPath \"" + pod_directory(uid) + "/volumeDevices/kubernetes.io~csi\""});
  }));

  driver_->forget_requests();
  const std::string id = id_of("web", "main");
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("web"); }));
  await_another();
  expect_read("again");
  EXPECT_EQ(id_of("web", "main"), id);
  EXPECT_EQ(mounts_of(uid), mounted) << "nothing is mounted twice";
  EXPECT_EQ(loops_here().size(), 1u);
  for (const auto& method : calls()) EXPECT_EQ(method.find("NodeUn"), std::string::npos) << method;

  remove("web");
  remove("another");
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_TRUE(eventually("the driver to be asked to unstage", [&] {
    const auto methods = calls();
    return !methods.empty() && methods.back() == "NodeUnstageVolume";
  }));
  for (const char* left : {"pv-raw", "staging/pv-raw", "publish/pv-raw"}) {
    EXPECT_TRUE(eventually("its directories to go", [&] { return !exists(top + left); })) << left;
  }
  EXPECT_TRUE(disk_->is_free());
  EXPECT_EQ(disk_->read(kWord), "again");
}

TEST_F(VolumesBlock, OfALocalVolumeIsTakenOffAlsoWhenThePodWasDeletedWhileTheAgentWasAway) {
  bind("raw", {{"local", {{"path", disk_->device()}}}}, {{"volumeMode", "Block"}});
  disk_->write("first");
  apply(reader("raw"));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  expect_read("first");
  const std::string uid = uid_of("web");
  const std::string link = pod_directory(uid) + "/volumeDevices/kubernetes.io~local-volume/pv-raw";
  EXPECT_EQ(fs::read_symlink(link), disk_->device());
  const std::string global = directory + "/root/plugins/kubernetes.io~local-volume/volumeDevices/pv-raw";
  EXPECT_TRUE(fs::is_block_file(global + "/" + uid));
  const std::string id = id_of("web", "main");

  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("web"); }));
  await_another();
  expect_read("again");
  EXPECT_EQ(id_of("web", "main"), id);
  EXPECT_EQ(loops_here().size(), 1u);

  keelson->kill_hard();
  for (const char* name : {"web", "another"}) ASSERT_NE(kubectl({"delete", "pod", name, "--wait=false"}), "");
  start();
  EXPECT_TRUE(eventually("the pods to be gone", [&] { return is_gone("pod", "web") && is_gone("pod", "another"); }));
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_TRUE(eventually("its directory of the node to go", [&] { return !exists(global); }));
  EXPECT_TRUE(disk_->is_free());
  EXPECT_EQ(disk_->read(kWord), "again");
}

TEST_F(VolumesBlock, OfAReadOnlyClaimCannotBeWritten) {
  bind("raw", {{"local", {{"path", disk_->device()}}}}, {{"volumeMode", "Block"}});
  disk_->write("first");
  json all = reader("raw", {{"readOnly", true}});
  const std::string before = "if echo wrong > /dev/disk; then echo written; else echo refused; fi >> /book/lines; ";
  auto& command = all["spec"]["containers"][0]["command"];
  command[2] = before + command[2].get<std::string>();
  apply(all);
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  EXPECT_TRUE(eventually("it to be read", [&] { return book_->count("first") > 0; }));
  EXPECT_EQ(book_->count("refused"), 1u);
  EXPECT_EQ(disk_->read(kWord), "first");
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesBlock, IsRefusedWhereAFileSystemIsAskedForAndTheOtherWayRound) {
  fs::create_directories(directory + "/disk");
  bind("raw", {{"local", {{"path", disk_->device()}}}}, {{"volumeMode", "Block"}});
  bind("plain", {{"local", {{"path", directory + "/disk"}}}});
  apply(writer("mounts", {"raw"}, json::array({claim_volume("raw")})));
  apply(reader("plain"));
  EXPECT_TRUE(eventually("both to be told", [&] {
    return has_event("mounts",
                     {"Warning FailedMount", "Unable to attach or mount volumes: ", "failed to process volumes=[raw]: ",
                      "has volumeMode Block, but is specified in volumeMounts"}) &&
           has_event("web", {"Warning FailedMount", "failed to process volumes=[plain]: ",
                             "has volumeMode Filesystem, but is specified in volumeDevices"});
  })) << events();
  await_another();
  for (const char* name : {"mounts", "web", "another"}) remove(name);
  EXPECT_TRUE(node_is_as_it_was());
}

// volumeMode Block, and the path is no device: nothing is bound, nothing is made.
TEST_F(VolumesBlock, OfALocalVolumeThatIsNoDeviceIsToldOf) {
  bind("raw", {{"local", {{"path", directory + "/nowhere"}}}}, {{"volumeMode", "Block"}});
  apply(reader("raw"));
  EXPECT_TRUE(eventually("it to be told", [&] {
    return has_event("web", {"Warning FailedMapVolume MapVolume.", "failed for volume \"pv-raw\" : "});
  })) << events();
  await_another();
  EXPECT_FALSE(exists(directory + "/nowhere"));
  EXPECT_TRUE(loops_here().empty());
  for (const char* name : {"web", "another"}) remove(name);
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesBlock, OfALocalVolumeWithAFileSystemIsFormattedOnceAndMountedForEachPod) {
  bind("disk", {{"local", {{"path", disk_->device()}, {"fsType", "ext4"}}}});
  const std::string global = directory + "/root/plugins/kubernetes.io/local-volume/mounts/pv-disk";
  apply(writer("one", {"disk"}, json::array({claim_volume("disk")})));
  ASSERT_TRUE(eventually("the first pod to be Ready", [&] { return pod_is_ready("one"); }));
  ASSERT_TRUE(eventually("its file", [&] { return read_text(global + "/by") == "one\n"; }));
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("one"); }));
  json second = shell("main", "cat /v/disk/by > /v/disk/copy; " + std::string(kSleep));
  apply(pod("two", {mounting(second, {{{"name", "disk"}, {"mountPath", "/v/disk"}}})},
            {{"volumes", json::array({claim_volume("disk")})}}));
  ASSERT_TRUE(eventually("the second pod to be Ready", [&] { return pod_is_ready("two"); }));
  EXPECT_TRUE(eventually("what the first wrote", [&] { return read_text(global + "/copy") == "one\n"; }));
  remove("one");
  EXPECT_TRUE(runs("two"));
  EXPECT_EQ(read_text(global + "/copy"), "one\n") << "the other pod still has it";
  remove("two");
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_TRUE(disk_->is_free());
}

}  // namespace
}  // namespace keelson::integration
