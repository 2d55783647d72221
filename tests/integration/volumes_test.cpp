// Volumes of a node of a cluster, mounted for real: claims with local and CSI volumes (a real driver process),
// attachment, an agent that is killed, and what goes wrong. Source: contract 04 §6, §11, §16, §17, §18, §22.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <sstream>

#include "base/sha256.hpp"
#include "tests/integration/cluster_node.hpp"
#include "tests/support/csi/driver_process.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;
using fakes::CsiDriverProcess;

class Volumes : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    before_ = mounts_here();
    driver_.emplace(directory + "/driver", directory + "/root/plugins_registry");
  }
  void TearDown() override {
    driver_.reset();
    ClusterTest::TearDown();
  }

  // The lines of the mount table that speak of this test's directory, without what changes from mount to mount.
  std::vector<std::string> mounts_here() const {
    std::vector<std::string> lines;
    std::istringstream table(read_text("/proc/self/mountinfo"));
    for (std::string line; std::getline(table, line);) {
      if (line.find(directory) == std::string::npos) continue;
      std::istringstream fields(line);
      std::string id, parent, device, root, path;
      fields >> id >> parent >> device >> root >> path;
      lines.push_back(path);
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  // A claim that is bound to a volume of this source.
  void bind(const std::string& name, const json& source, json more = json::object()) {
    apply({{"apiVersion", "v1"},
           {"kind", "PersistentVolumeClaim"},
           {"metadata", {{"name", name}, {"namespace", "default"}}},
           {"spec",
            {{"accessModes", {"ReadWriteOnce"}},
             {"volumeName", "pv-" + name},
             {"volumeMode", "Filesystem"},
             {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}});
    const std::string uid = field("pvc", name, "{.metadata.uid}");
    ASSERT_NE(uid, "") << last_error;
    json spec = {
        {"capacity", {{"storage", "1Gi"}}},
        {"accessModes", {"ReadWriteOnce"}},
        {"volumeMode", "Filesystem"},
        {"claimRef", {{"kind", "PersistentVolumeClaim"}, {"namespace", "default"}, {"name", name}, {"uid", uid}}}};
    spec.update(source);
    spec.update(more);
    apply({{"apiVersion", "v1"}, {"kind", "PersistentVolume"}, {"metadata", {{"name", "pv-" + name}}}, {"spec", spec}});
    ASSERT_NE(kubectl({"patch", "pvc", name, "--subresource=status", "--type=merge", "-p",
                       R"({"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"}}})"}),
              "")
        << last_error;
  }
  json csi_source(const std::string& handle) const {
    return {{"csi", {{"driver", CsiDriverProcess::name}, {"volumeHandle", handle}}}};
  }
  void register_driver(bool attach_required, json more = json::object()) {
    json spec = {{"attachRequired", attach_required}};
    spec.update(more);
    apply({{"apiVersion", "storage.k8s.io/v1"},
           {"kind", "CSIDriver"},
           {"metadata", {{"name", CsiDriverProcess::name}}},
           {"spec", spec}});
    driver_->start();
    ASSERT_TRUE(eventually("the driver to be entered in the CSINode", [&] {
      return kubectl({"get", "csinodes", "-o", "jsonpath={.items[*].spec.drivers[*].name}"})
                 .find(CsiDriverProcess::name) != std::string::npos;
    }));
  }
  json claim_volume(const std::string& name) const {
    return {{"name", name}, {"persistentVolumeClaim", {{"claimName", name}}}};
  }
  // A pod that writes its name into each volume and goes on while it can.
  json writer(const std::string& name, const std::vector<std::string>& volumes, const json& sources,
              json spec = json::object()) const {
    json container = shell("main", "for v in /v/*; do echo " + name + " > $v/by || exit 1; done; " + kSleep);
    container["volumeMounts"] = json::array();
    for (const auto& volume : volumes) {
      container["volumeMounts"].push_back({{"name", volume}, {"mountPath", "/v/" + volume}});
    }
    spec["volumes"] = sources;
    return pod(name, {container}, spec);
  }
  void remove(const std::string& name) {
    ASSERT_NE(kubectl({"delete", "pod", name, "--wait=false"}), "") << last_error;
    ASSERT_TRUE(eventually("pod " + name + " to be gone", [&] { return is_gone("pod", name); }));
  }
  // What the driver was asked about volumes.
  std::vector<std::string> calls() const {
    std::vector<std::string> out = driver_->methods();
    std::erase_if(out, [](const auto& name) { return !name.starts_with("Node") || name == "NodeGetInfo"; });
    return out;
  }
  std::string events() { return kubectl({"get", "events", "-o", "jsonpath={.items[*].message}"}); }
  bool mount_table_is_as_it_was() {
    return eventually("the mount table to be as it was", [&] { return mounts_here() == before_; });
  }

  std::optional<CsiDriverProcess> driver_;
  std::vector<std::string> before_;
};

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
  EXPECT_TRUE(mount_table_is_as_it_was());
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
  EXPECT_TRUE(mount_table_is_as_it_was());
  EXPECT_FALSE(exists(pod_directory(uid)));
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
  EXPECT_TRUE(mount_table_is_as_it_was());
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
  EXPECT_TRUE(mount_table_is_as_it_was());
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
  EXPECT_TRUE(mount_table_is_as_it_was());
}

}  // namespace
}  // namespace keelson::integration
