// Volumes of a node of a cluster, mounted for real: claims with local and CSI volumes (a real driver process),
// attachment, an agent that is killed, and what goes wrong. Source: contract 04 §6, §11, §16, §17, §18, §22.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/sha256.hpp"
#include "tests/integration/volumes_node.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;
using fakes::CsiDriverProcess;

class Volumes : public VolumesTest {};

TEST_F(Volumes, OfEachLocalTypeServeAUserWhoIsNotRootAndLeaveNothingMounted) {
  fs::create_directories(directory + "/disk");
  fs::create_directories(directory + "/host");
  fs::permissions(directory + "/host", fs::perms::all);
  bind("disk", {{"local", {{"path", directory + "/disk"}}}});
  const json sources = {claim_volume("disk"),
                        {{"name", "empty"}, {"emptyDir", json::object()}},
                        {{"name", "memory"}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", "1Mi"}}}},
                        {{"name", "host"}, {"hostPath", {{"path", directory + "/host"}, {"type", "Directory"}}}}};
  apply(writer("web", {"disk", "empty", "memory", "host"}, sources,
               {{"securityContext", {{"runAsUser", 1000}, {"runAsGroup", 1000}, {"fsGroup", 4000}}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  EXPECT_TRUE(eventually("its files", [&] { return exists(directory + "/host/by"); }));
  EXPECT_EQ(read_text(directory + "/disk/by"), "web\n");
  const std::string uid = field("pod", "web", "{.metadata.uid}");
  struct stat info {};
  ASSERT_EQ(::stat((pod_directory(uid) + "/volumes/kubernetes.io~local-volume/pv-disk/by").c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, 4000u) << "the directory's group is handed down";
  EXPECT_EQ(::stat((pod_directory(uid) + "/volumes/kubernetes.io~empty-dir/memory/by").c_str(), &info), 0);
  remove("web");
  EXPECT_TRUE(eventually("its directory to go", [&] { return !exists(pod_directory(uid)); }));
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_EQ(read_text(directory + "/disk/by"), "web\n") << "what it wrote is nobody's to remove";
}

TEST_F(Volumes, OfACsiDriverAreStagedPublishedAndTakenBackAlsoByAnAgentThatWasKilled) {
  register_driver(false);
  bind("data", csi_source("vol-1"));
  apply(writer("one", {"data"}, json::array({claim_volume("data")})));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("one"); }));
  EXPECT_TRUE(eventually("its file", [&] { return read_text(driver_->content("vol-1") + "/by") == "one\n"; }));
  EXPECT_EQ(calls(), (std::vector<std::string>{"NodeStageVolume", "NodePublishVolume"}));
  const std::string uid = field("pod", "one", "{.metadata.uid}");

  driver_->forget_requests();
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("one"); }));
  EXPECT_TRUE(eventually("it to be published anew", [&] {
    const auto methods = calls();
    return std::count(methods.begin(), methods.end(), "NodePublishVolume") > 0;
  }));
  for (const auto& method : calls()) EXPECT_EQ(method.find("Unpublish"), std::string::npos);
  EXPECT_EQ(read_text(pod_directory(uid) + "/volumes/kubernetes.io~csi/pv-data/mount/by"), "one\n");

  // Killed once more, and the pod goes before it is there again.
  keelson->kill_hard();
  ASSERT_NE(kubectl({"delete", "pod", "one", "--wait=false"}), "") << last_error;
  driver_->forget_requests();
  start();
  EXPECT_TRUE(eventually("the pod to be gone", [&] { return is_gone("pod", "one"); }));
  EXPECT_TRUE(eventually("it to be unstaged", [&] {
    const auto methods = calls();
    return !methods.empty() && methods.back() == "NodeUnstageVolume";
  }));
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_EQ(read_text(driver_->content("vol-1") + "/by"), "one\n");
}

TEST_F(Volumes, ThatMustBeAttachedAreAskedForAndWaitedFor) {
  register_driver(true);
  bind("data", csi_source("vol-2"));
  apply(writer("one", {"data"}, json::array({claim_volume("data")})));
  const std::string unique = std::string("kubernetes.io/csi/") + CsiDriverProcess::name + "^vol-2";
  const std::string node = kubectl({"get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"});
  ASSERT_TRUE(eventually("the Node to say that it is in use", [&] {
    return field("node", node, "{.status.volumesInUse}").find(unique) != std::string::npos;
  }));
  EXPECT_TRUE(eventually("explain to say what it waits for", [&] {
    return keelson->explain("one").dump().find("not attached to this node yet") != std::string::npos;
  }));
  EXPECT_FALSE(pod_is_ready("one"));
  const std::string attachment = "csi-" + base::sha256_hex(std::string("vol-2") + CsiDriverProcess::name + node);
  apply({{"apiVersion", "storage.k8s.io/v1"},
         {"kind", "VolumeAttachment"},
         {"metadata", {{"name", attachment}}},
         {"spec",
          {{"attacher", CsiDriverProcess::name},
           {"nodeName", node},
           {"source", {{"persistentVolumeName", "pv-data"}}}}}});
  ASSERT_NE(kubectl({"patch", "volumeattachment", attachment, "--subresource=status", "--type=merge", "-p",
                     R"({"status":{"attached":true,"attachmentMetadata":{"lun":"7"}}})"}),
            "")
      << last_error;
  const json attached = {{"status", {{"volumesAttached", {{{"name", unique}, {"devicePath", ""}}}}}}};
  ASSERT_NE(kubectl({"patch", "node", node, "--subresource=status", "--type=merge", "-p", attached.dump()}), "")
      << last_error;
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("one"); }));
  bool told = false;
  for (const auto& request : driver_->requests())
    told = told || request.dump().find("\"lun\":\"7\"") != std::string::npos;
  EXPECT_TRUE(told) << "the driver is given the attachment's metadata";
  remove("one");
  EXPECT_TRUE(eventually("the Node to let go of it", [&] {
    return field("node", node, "{.status.volumesInUse}").find(unique) == std::string::npos;
  }));
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(Volumes, OfADriverInlineAreToldOfThePodAndGoWithIt) {
  register_driver(false, {{"podInfoOnMount", true}, {"volumeLifecycleModes", {"Persistent", "Ephemeral"}}});
  const json source = {{"name", "scratch"}, {"csi", {{"driver", CsiDriverProcess::name}}}};
  apply(writer("one", {"scratch"}, json::array({source})));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("one"); }));
  EXPECT_EQ(calls(), (std::vector<std::string>{"NodePublishVolume"}));
  EXPECT_NE(driver_->requests().back().dump().find("\"csi.storage.k8s.io/pod.name\":\"one\""), std::string::npos);
  remove("one");
  EXPECT_EQ(calls().back(), "NodeUnpublishVolume");
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(Volumes, ThatCannotBeHadAreToldOfAndKeepNoOtherPodWaiting) {
  const json nowhere = {{"name", "share"}, {"nfs", {{"server", "127.0.0.1"}, {"path", "/nothing"}}}};
  apply(writer("stuck", {"share"}, json::array({nowhere})));
  apply(writer("early", {"late"}, json::array({claim_volume("late")})));
  const json ceph = {{"name", "gone"}, {"cephfs", {{"monitors", {"a:1"}}}}};
  apply(writer("odd", {"gone"}, json::array({ceph})));
  const json empty = {{"name", "empty"}, {"emptyDir", json::object()}};
  apply(writer("fine", {"empty"}, json::array({empty})));
  ASSERT_TRUE(eventually("the pod that has what it needs", [&] { return pod_is_ready("fine"); }));
  EXPECT_TRUE(eventually("the events", [&] {
    const std::string told = events();
    return told.find("MountVolume.SetUp failed for volume \"share\" : ") != std::string::npos &&
           told.find(
               "failed to process volumes=[late]: error processing PVC default/late: failed to fetch PVC from API "
               "server: persistentvolumeclaims \"late\" not found") != std::string::npos &&
           told.find("no volume plugin matched") != std::string::npos;
  })) << events();
  fs::create_directories(directory + "/late");
  bind("late", {{"local", {{"path", directory + "/late"}}}});
  EXPECT_TRUE(eventually("the pod whose claim came late", [&] { return pod_is_ready("early"); }));
  for (const char* name : {"stuck", "early", "odd", "fine"}) remove(name);
  EXPECT_TRUE(node_is_as_it_was());
}

}  // namespace
}  // namespace keelson::integration
