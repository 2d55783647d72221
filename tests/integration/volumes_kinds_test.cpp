// Volumes made of objects of the cluster behind feature gates, volumes of FlexVolume drivers, and claims that grow: on
// a real runtime, with a real driver. Source: contract 04 §3, §6 (flexVolume), §9 (clusterTrustBundle, podCertificate),
// §24.
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "tests/integration/volumes_node.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

class VolumesKinds : public VolumesTest {
 protected:
  void prepare() override {
    settings["featureGates"] =
        "{ClusterTrustBundle: true, ClusterTrustBundleProjection: true, PodCertificateRequest: true}";
    settings["volumePluginDir"] = directory + "/flex";
    settings["syncFrequency"] = "5s";
  }
  // A pod with one projected volume at /v.
  static json projecting(const std::string& name, const json& source, json spec = json::object()) {
    json volume = {{"name", "all"}, {"projected", {{"sources", json::array({source})}}}};
    spec["volumes"] = json::array({volume});
    return pod(name, {mounting(shell("main", kSleep), {{{"name", "all"}, {"mountPath", "/v"}}})}, spec);
  }
  void trust_bundle(const std::string& name, const std::string& anchors) {
    apply({{"apiVersion", "certificates.k8s.io/v1beta1"},
           {"kind", "ClusterTrustBundle"},
           {"metadata", {{"name", name}}},
           {"spec", {{"trustBundle", anchors}}}});
  }
  static json certificate_source(const std::string& signer) {
    return {
        {"podCertificate", {{"signerName", signer}, {"keyType", "ED25519"}, {"credentialBundlePath", "bundle.pem"}}}};
  }
  std::string requests(const std::string& path) {
    return kubectl({"get", "podcertificaterequests", "-o", "jsonpath=" + path});
  }
  static int count(const std::string& text, const std::string& word) {
    int found = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
  }
};

TEST_F(VolumesKinds, TrustBundlesAreSeenAndFollowTheirObject) {
  const std::string one = read_text(server->file("ca.crt"));
  ASSERT_NE(one, "");
  const json source = {{"clusterTrustBundle", {{"name", "roots"}, {"path", "ca.pem"}}}};
  apply(projecting("web", source, {{"securityContext", {{"runAsUser", 1000}, {"fsGroup", 4000}}}}));
  EXPECT_TRUE(eventually("what is missing to be told", [&] {
    return has_event("web", {"Warning FailedMount MountVolume.SetUp failed for volume \"all\" : "});
  })) << events();
  trust_bundle("roots", one);
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  const int process = process_of("web");
  EXPECT_EQ(count(inside(process, "/v/ca.pem"), "BEGIN CERTIFICATE"), 1);
  const struct stat file = stat_inside(process, "/v/ca.pem");
  EXPECT_EQ(file.st_uid, 1000u) << "all its containers run as one user";
  EXPECT_EQ(file.st_gid, 4000u);
  EXPECT_EQ(file.st_mode & 0777, 0640u);

  // Another anchor besides.
  const auto made = run_program({"/usr/bin/openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2",
                                 "-subj", "/CN=another", "-keyout", "/dev/null"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  trust_bundle("roots", one + made.out);
  EXPECT_TRUE(eventually("the news", [&] { return count(inside(process, "/v/ca.pem"), "BEGIN CERTIFICATE") == 2; }));
  EXPECT_EQ(process_of("web"), process);
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesKinds, PodsGetKeysAndCertificatesOfTheirOwn) {
  apply(projecting("web", certificate_source("keelson.test/pods")));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  const std::string bundle = inside(process_of("web"), "/v/bundle.pem");
  EXPECT_EQ(count(bundle, "BEGIN PRIVATE KEY"), 1);
  EXPECT_EQ(count(bundle, "BEGIN CERTIFICATE"), 1);
  EXPECT_LT(bundle.find("PRIVATE KEY"), bundle.find("CERTIFICATE"));
  // The key is the certificate's, and the cluster's authority has signed it.
  const std::string file = directory + "/bundle.pem";
  ASSERT_TRUE(base::write_file(file, bundle, 0600).ok());
  const auto of_key = run_program({"/usr/bin/openssl", "pkey", "-in", file, "-pubout"});
  const auto of_certificate = run_program({"/usr/bin/openssl", "x509", "-in", file, "-noout", "-pubkey"});
  EXPECT_EQ(of_key.out, of_certificate.out);
  EXPECT_NE(of_key.out, "") << of_key.err;
  const auto verified = run_program({"/usr/bin/openssl", "verify", "-CAfile", server->file("ca.crt"), file});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  EXPECT_EQ(requests("{.items[*].spec.podName}"), "web");
  EXPECT_EQ(requests("{.items[*].spec.nodeName}"), "node");
  EXPECT_EQ(requests("{.items[*].metadata.ownerReferences[0].kind}"), "Pod");
  EXPECT_EQ(keelson->lines_with({"PRIVATE KEY"}), 0);

  // Keys are kept nowhere: another agent has another one made.
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("web"); }));
  const int process = process_of("web");
  EXPECT_TRUE(eventually("another key", [&] {
    const std::string now = inside(process, "/v/bundle.pem");
    return !now.empty() && now != bundle;
  }));
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesKinds, APodWhoseCertificateIsDeniedSaysSoAndKeepsNoOtherWaiting) {
  apply(projecting("denied", certificate_source("keelson.test/nobody")));
  apply(projecting("fine", certificate_source("keelson.test/pods")));
  EXPECT_TRUE(eventually("it to be told", [&] {
    return has_event(
        "denied", {"Warning FailedMount", "PodCertificateRequest was permanently denied", "this signer signs nothing"});
  })) << events();
  EXPECT_TRUE(eventually("the other one to be Ready", [&] { return pod_is_ready("fine"); }));
  EXPECT_FALSE(pod_is_ready("denied"));
  for (const char* name : {"denied", "fine"}) remove(name);
  EXPECT_TRUE(node_is_as_it_was());
}

// --- Generic ephemeral volumes ---

TEST_F(VolumesKinds, AnEphemeralVolumeIsTheClaimThatWasMadeForThePodAndNoOther) {
  const json source = {
      {"name", "scratch"},
      {"ephemeral",
       {{"volumeClaimTemplate",
         {{"spec", {{"accessModes", {"ReadWriteOnce"}}, {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}}}}}};
  fs::create_directories(directory + "/scratch");
  // Somebody else's claim has the name that the volume's is to have.
  bind("web-scratch", {{"local", {{"path", directory + "/scratch"}}}});
  apply(writer("web", {"scratch"}, json::array({source})));
  EXPECT_TRUE(eventually("it to be told", [&] {
    return has_event("web", {"Warning FailedMount", "failed to process volumes=[scratch]",
                             "PVC default/web-scratch was not created for pod"});
  })) << events();
  EXPECT_FALSE(pod_is_ready("web"));
  const json owner = {
      {"metadata",
       {{"ownerReferences",
         {{{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", "web"}, {"uid", uid_of("web")}, {"controller", true}}}}}}};
  ASSERT_NE(kubectl({"patch", "pvc", "web-scratch", "--type=merge", "-p", owner.dump()}), "") << last_error;
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  EXPECT_TRUE(eventually("its file", [&] { return read_text(directory + "/scratch/by") == "web\n"; }));
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

// --- Images ---

TEST_F(VolumesKinds, AnImageIsAVolumeThatIsOnlyRead) {
  const std::string version = field("node", "node", "{.status.nodeInfo.containerRuntimeVersion}");
  if (version.starts_with("containerd://1.")) GTEST_SKIP() << version << " has no image volumes";
  const json source = {{"name", "tools"}, {"image", {{"reference", kBusybox}, {"pullPolicy", "Never"}}}};
  apply(pod("web", {mounting(shell("main", kSleep), {{{"name", "tools"}, {"mountPath", "/v"}}})},
            {{"volumes", json::array({source})}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  const int process = process_of("web");
  EXPECT_NE(inside(process, "/v/bin/busybox"), "");
  EXPECT_TRUE(inside(process, "/v/bin/busybox") == inside(process, "/bin/busybox"));
  EXPECT_NE(run_program({"/usr/bin/nsenter", "-t", std::to_string(process), "-m", "/bin/busybox", "touch", "/v/new"})
                .exit_code,
            0);
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

// --- How mounts are shared ---

TEST_F(VolumesKinds, MountsOfTheHostAndOfTheContainerAreSeenAsFarAsTheyAreToBe) {
  const std::string host = directory + "/host";
  fs::create_directories(host + "/late");
  fs::create_directories(host + "/own");
  ASSERT_EQ(::mount(host.c_str(), host.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, host.c_str(), nullptr, MS_SHARED, nullptr), 0);
  remember_mounts();
  const json volume = {{"name", "host"}, {"hostPath", {{"path", host}, {"type", "Directory"}}}};
  const auto seeing = [](const std::string& name, json more) {
    more.update({{"name", "host"}, {"mountPath", "/v"}});
    return mounting(shell(name, kSleep), json::array({more}));
  };
  json mounts = seeing("mounts", {{"mountPropagation", "Bidirectional"}});
  mounts["command"][2] = "mount -t tmpfs none /v/own && echo mine > /v/own/file; " + std::string(kSleep);
  mounts["securityContext"] = {{"privileged", true}};
  apply(pod("web", {seeing("none", json::object()), seeing("sees", {{"mountPropagation", "HostToContainer"}}), mounts},
            {{"volumes", json::array({volume})}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  EXPECT_TRUE(eventually("what it mounts", [&] { return read_text(host + "/own/file") == "mine\n"; }));
  ASSERT_EQ(::mount("none", (host + "/late").c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_TRUE(base::write_file(host + "/late/file", "late", 0644).ok());
  EXPECT_EQ(inside(process_of("web", "sees"), "/v/late/file"), "late");
  EXPECT_EQ(inside(process_of("web", "sees"), "/v/own/file"), "mine\n");
  EXPECT_EQ(inside(process_of("web", "none"), "/v/late/file"), "");
  remove("web");
  ASSERT_EQ(::umount2((host + "/late").c_str(), MNT_DETACH), 0);
  ASSERT_EQ(::umount2((host + "/own").c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesKinds, AMountIsReadOnlyWithAllBelowItWhereTheRuntimeCan) {
  const std::string host = directory + "/host";
  fs::create_directories(host + "/below");
  ASSERT_EQ(::mount("none", (host + "/below").c_str(), "tmpfs", 0, nullptr), 0);
  remember_mounts();
  const json volume = {{"name", "host"}, {"hostPath", {{"path", host}, {"type", "Directory"}}}};
  const auto reader = [&](const std::string& name, const std::string& how) {
    const json mount = {{"name", "host"}, {"mountPath", "/v"}, {"readOnly", true}, {"recursiveReadOnly", how}};
    return pod(name, {mounting(shell("main", kSleep), json::array({mount}))}, {{"volumes", json::array({volume})}});
  };
  apply(reader("web", "IfPossible"));
  apply(reader("strict", "Enabled"));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  const std::string told = field("pod", "web", "{.status.containerStatuses[0].volumeMounts[0].recursiveReadOnly}");
  const bool recursive = told == "Enabled";
  EXPECT_TRUE(recursive || told == "Disabled") << told;
  const std::string process = std::to_string(process_of("web"));
  const auto writes = [&](const std::string& path) {
    return run_program({"/usr/bin/nsenter", "-t", process, "-m", "/bin/busybox", "touch", path}).exit_code == 0;
  };
  EXPECT_FALSE(writes("/v/file"));
  EXPECT_EQ(writes("/v/below/file"), !recursive);
  if (recursive) {
    EXPECT_TRUE(eventually("the strict one to be Ready", [&] { return pod_is_ready("strict"); })) << events();
  } else {
    EXPECT_TRUE(eventually("the strict one to say why", [&] {
      return waits_for("strict").find("recursive read-only") != std::string::npos;
    })) << waits_for("strict");
  }
  for (const char* name : {"web", "strict"}) remove(name);
  EXPECT_TRUE(node_is_as_it_was());
  ASSERT_EQ(::umount2((host + "/below").c_str(), MNT_DETACH), 0);
}

// --- Huge pages ---

class VolumesHugePages : public VolumesKinds {
 protected:
  static constexpr char kPages[] = "/proc/sys/vm/nr_hugepages";
  void prepare() override {
    VolumesKinds::prepare();
    before_ = std::atoi(read_text(kPages).c_str());
    std::ofstream(kPages) << *before_ + 8;
    got_ = std::atoi(read_text(kPages).c_str()) == *before_ + 8;
  }
  void TearDown() override {
    VolumesKinds::TearDown();
    if (before_) std::ofstream(kPages) << *before_;
  }
  std::optional<int> before_;  // none: nothing was changed
  bool got_ = false;
};

TEST_F(VolumesHugePages, AreAnEmptyDirOfThatMedium) {
  if (!got_) GTEST_SKIP() << "the kernel has no huge pages to give";
  json main = mounting(shell("main", kSleep), {{{"name", "huge"}, {"mountPath", "/v"}}});
  main["resources"] = {{"limits", {{"hugepages-2Mi", "4Mi"}, {"memory", "64Mi"}}}};
  const json volume = {{"name", "huge"}, {"emptyDir", {{"medium", "HugePages-2Mi"}}}};
  apply(pod("web", {main}, {{"volumes", json::array({volume})}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  const std::string table = read_text("/proc/" + std::to_string(process_of("web")) + "/mountinfo");
  const auto at = table.find(" /v ");
  ASSERT_NE(at, std::string::npos) << table;
  const std::string line = table.substr(at, table.find('\n', at) - at);
  EXPECT_NE(line.find(" hugetlbfs "), std::string::npos) << line;
  EXPECT_NE(line.find("pagesize=2M"), std::string::npos) << line;
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

// --- FlexVolume ---

TEST_F(VolumesKinds, OfAFlexVolumeDriverAreMountedByItsProgramForAUserWhoIsNotRoot) {
  const std::string calls = directory + "/flex-calls";
  const std::string disk = directory + "/disk";
  fs::create_directories(disk);
  fs::create_directories(directory + "/flex/keelson.test~disk");
  const std::string program =
      "#!/bin/sh\n"
      "echo \"$@\" >> " +
      calls +
      "\n"
      "yes() { echo '{\"status\":\"Success\"}'; exit 0; }\n"
      "no() { echo '{\"status\":\"Failure\",\"message\":\"no disk\"}'; exit 1; }\n"
      "case $1 in\n"
      "init) echo '{\"status\":\"Success\",\"capabilities\":{\"attach\":false}}';;\n"
      "mount) test -d " +
      disk + " || no; mkdir -p \"$2\" && mount --bind " + disk +
      " \"$2\" && yes || no;;\n"
      "unmount) umount \"$2\" && yes || no;;\n"
      "*) echo '{\"status\":\"Not supported\"}'; exit 1;;\n"
      "esac\n";
  ASSERT_TRUE(base::write_file(directory + "/flex/keelson.test~disk/disk", program, 0755).ok());
  const json source = {{"name", "data"},
                       {"flexVolume", {{"driver", "keelson.test/disk"}, {"options", {{"pool", "fast"}}}}}};
  apply(writer("web", {"data"}, json::array({source}),
               {{"securityContext", {{"runAsUser", 1000}, {"runAsGroup", 1000}, {"fsGroup", 4000}}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  EXPECT_TRUE(eventually("its file", [&] { return read_text(disk + "/by") == "web\n"; }));
  const std::string place = pod_directory(uid_of("web")) + "/volumes/keelson.test~disk/data";
  EXPECT_NE(read_text(calls).find("mount " + place + " {"), std::string::npos) << read_text(calls);
  EXPECT_NE(read_text(calls).find("\"pool\":\"fast\""), std::string::npos);
  EXPECT_NE(read_text(calls).find("\"kubernetes.io/pod.name\":\"web\""), std::string::npos);

  // An agent that was killed takes it up, and takes it off when the pod goes.
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("web"); }));
  EXPECT_EQ(read_text(calls).find("unmount"), std::string::npos);
  remove("web");
  EXPECT_NE(read_text(calls).find("unmount " + place), std::string::npos) << read_text(calls);
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_EQ(read_text(disk + "/by"), "web\n") << "what it wrote is nobody's to remove";

  // What the driver says of a failure reaches people; once it can, the pod runs.
  fs::rename(disk, disk + "-away");
  apply(writer("late", {"data"}, json::array({source})));
  EXPECT_TRUE(eventually("it to be told", [&] {
    return has_event("late", {"Warning FailedMount MountVolume.SetUp failed for volume \"data\" : ", "no disk"});
  })) << events();
  fs::rename(disk + "-away", disk);
  EXPECT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("late"); }));
  remove("late");
  EXPECT_TRUE(node_is_as_it_was());
}

// --- Growth ---

class VolumesGrowth : public VolumesKinds {
 protected:
  // As the resizer of a cluster does.
  void grow(const std::string& claim, const std::string& size) {
    const json pv = {{"spec", {{"capacity", {{"storage", size}}}}}};
    ASSERT_NE(kubectl({"patch", "pv", "pv-" + claim, "--type=merge", "-p", pv.dump()}), "") << last_error;
    const json status = {{"status",
                          {{"allocatedResources", {{"storage", size}}},
                           {"allocatedResourceStatuses", {{"storage", "NodeResizePending"}}},
                           {"conditions", {{{"type", "FileSystemResizePending"}, {"status", "True"}}}}}}};
    ASSERT_NE(kubectl({"patch", "pvc", claim, "--subresource=status", "--type=merge", "-p", status.dump()}), "")
        << last_error;
  }
  bool has(const std::string& claim, const std::string& size) {
    return field("pvc", claim, "{.status.capacity.storage} {.status.allocatedResourceStatuses} {.status.conditions}") ==
           size + "  ";
  }
  std::vector<json> expansions() const {
    std::vector<json> out;
    for (const auto& each : driver_->requests()) {
      if (each["method"] == "NodeExpandVolume") out.push_back(each["request"]);
    }
    return out;
  }
};

TEST_F(VolumesGrowth, AVolumeThatHasGrownIsMadeLargerWhenItIsMountedAndWhileItIs) {
  register_driver(false);
  bind("data", csi_source("vol-g"));
  grow("data", "2Gi");
  apply(writer("web", {"data"}, json::array({claim_volume("data")})));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << events();
  EXPECT_TRUE(has("data", "2Gi")) << "before its pod runs";
  ASSERT_EQ(expansions().size(), 1u);
  EXPECT_EQ(expansions()[0]["capacity_range"]["required_bytes"], std::to_string(2ll << 30));
  EXPECT_EQ(expansions()[0]["volume_path"], pod_directory(uid_of("web")) + "/volumes/kubernetes.io~csi/pv-data/mount");
  const std::string id = id_of("web", "main");

  // Its driver refuses at first.
  driver_->set_faults({{"NodeExpandVolume", {{{"code", 14}, {"message", "not now"}, {"times", 1}}}}});
  grow("data", "3Gi");
  EXPECT_TRUE(eventually("it to be told", [&] {
    return has_event("web", {"Warning VolumeResizeFailed", "failed for volume \"pv-data\"", "not now"});
  })) << events();
  EXPECT_TRUE(eventually("the claim to show its size", [&] { return has("data", "3Gi"); }));
  EXPECT_TRUE(eventually("its event", [&] {
    return has_event("web", {"Normal FileSystemResizeSuccessful", "NodeExpandVolume succeeded for volume \"pv-data\""});
  })) << events();
  EXPECT_EQ(id_of("web", "main"), id) << "the pod runs on";
  const std::size_t so_far = expansions().size();

  // An agent that was killed does not do it again.
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("web"); }));
  grow("data", "4Gi");
  EXPECT_TRUE(eventually("the claim to show its size", [&] { return has("data", "4Gi"); }));
  EXPECT_EQ(expansions().size(), so_far + 1);
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

}  // namespace
}  // namespace keelson::integration
