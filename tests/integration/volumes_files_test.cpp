// What lies in volumes: mount points within volumes, and whose their files are for users who are not root. Source:
// contract 04 §8 (nested mount points), §9 (mode and owner of tokens), §11 (fsGroup).
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/volumes_node.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

class VolumesFiles : public VolumesTest {
 protected:
  static json secret_volume(const std::string& volume, const std::string& name) {
    return {{"name", volume}, {"secret", {{"secretName", name}}}};
  }
  // With a token, a ConfigMap and the pod's name.
  static json projected_volume(const std::string& volume) {
    return {
        {"name", volume},
        {"projected",
         {{"sources",
           {{{"serviceAccountToken", {{"path", "token"}, {"audience", "test"}}}},
            {{"configMap", {{"name", "words"}}}},
            {{"downwardAPI", {{"items", {{{"path", "name"}, {"fieldRef", {{"fieldPath", "metadata.name"}}}}}}}}}}}}}};
  }
  // "OWNER:GROUP MODE"
  static std::string whose(const struct stat& info) {
    char mode[16];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(info.st_mode & 07777));
    return std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid) + " " + mode;
  }
  static std::string whose(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? whose(info) : "not there";
  }
};

TEST_F(VolumesFiles, MayHaveOtherVolumesMountedWithin) {
  config_map("app", {{"app.conf", "colour=blue"}});
  secret("tls", {{"key.pem", "secret key"}});
  config_map("extra", {{"extra.conf", "extra"}});
  const std::string check =
      "cat /etc/app/app.conf /etc/app/tls/key.pem && echo kept > /etc/app/cache/file && ! touch /etc/app/tls/no && "
      "! touch /etc/app/no || exit 1; ";
  // The inner ones stand before the outer one, and one is within one that is within.
  json main = mounting(shell("main", check + kSleep), {{{"name", "tls"}, {"mountPath", "/etc/app/tls"}},
                                                       {{"name", "app"}, {"mountPath", "/etc/app"}},
                                                       {{"name", "cache"}, {"mountPath", "/etc/app/cache"}},
                                                       {{"name", "extra"}, {"mountPath", "/etc/app/cache/deep/er"}}});
  // Another container has other ones in the same volume, and a volume in memory as the outer one.
  json side = mounting(shell("side", "cat /etc/tls/cache/file /etc/app/more/key.pem || true; " + std::string(kSleep)),
                       {{{"name", "app"}, {"mountPath", "/etc/app/"}},
                        {{"name", "tls"}, {"mountPath", "/etc/app/more"}},
                        {{"name", "tls"}, {"mountPath", "/etc/tls"}},
                        {{"name", "cache"}, {"mountPath", "/etc/tls/cache"}}});
  apply(pod("web", {main, side},
            {{"volumes",
              {config_map_volume("app", "app"), secret_volume("tls", "tls"), empty_volume("cache"),
               config_map_volume("extra", "extra")}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  const int process = process_of("web", "main");
  ASSERT_TRUE(eventually("what it writes", [&] { return inside(process, "/etc/app/cache/file") == "kept\n"; }));
  EXPECT_EQ(inside(process, "/etc/app/app.conf"), "colour=blue");
  EXPECT_EQ(inside(process, "/etc/app/tls/key.pem"), "secret key");
  EXPECT_EQ(inside(process, "/etc/app/cache/deep/er/extra.conf"), "extra");
  const int beside = process_of("web", "side");
  EXPECT_EQ(inside(beside, "/etc/app/more/key.pem"), "secret key");
  EXPECT_EQ(inside(beside, "/etc/tls/cache/file"), "kept\n");
  const std::string volume = pod_directory(uid_of("web")) + "/volumes/kubernetes.io~configmap/app";
  for (const char* place : {"/tls", "/cache", "/more"}) EXPECT_EQ(whose(volume + place), "0:0 0755") << place;
  EXPECT_FALSE(exists(volume + "/cache/deep")) << "this one lies in another volume";

  // News of the outer volume leave them alone, and so does an agent that was killed.
  config_map("app", {{"app.conf", "colour=red"}});
  EXPECT_TRUE(eventually("the news", [&] { return inside(process, "/etc/app/app.conf") == "colour=red"; }));
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("web"); }));
  config_map("app", {{"app.conf", "colour=green"}});
  EXPECT_TRUE(eventually("more news", [&] { return inside(process, "/etc/app/app.conf") == "colour=green"; }));
  EXPECT_EQ(inside(process, "/etc/app/tls/key.pem"), "secret key");
  EXPECT_EQ(inside(process, "/etc/app/cache/file"), "kept\n");
  EXPECT_EQ(process_of("web", "main"), process);
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesFiles, AreForTheGroupOfAUserWhoIsNotRoot) {
  register_driver(false, {{"fsGroupPolicy", "File"}});
  // What lies in the volume already, and a link that leads out of it.
  const std::string content = driver_->content("vol-1");
  fs::create_directories(content + "/old");
  ASSERT_TRUE(base::write_file(content + "/old/file", "old", 0600).ok());
  ASSERT_TRUE(base::write_file(directory + "/outside", "outside", 0600).ok());
  fs::create_symlink(directory + "/outside", content + "/link");
  bind("data", csi_source("vol-1"));
  config_map("words", {{"greeting", "hello"}});
  const std::string script =
      "cat /v/files/token /v/files/greeting /v/files/name /v/data/old/file > /dev/null && "
      "mkdir /v/data/new && echo new > /v/data/new/file && echo more >> /v/data/old/file && "
      "echo empty > /v/empty/file && ! touch /v/files/no || exit 1; ";
  json main = mounting(shell("main", script + kSleep), {{{"name", "files"}, {"mountPath", "/v/files"}},
                                                        {{"name", "data"}, {"mountPath", "/v/data"}},
                                                        {{"name", "empty"}, {"mountPath", "/v/empty"}}});
  apply(pod("web", {main},
            {{"securityContext", {{"runAsUser", 1000}, {"runAsGroup", 1000}, {"fsGroup", 4000}}},
             {"volumes", {projected_volume("files"), claim_volume("data"), empty_volume("empty")}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  const std::string volumes = pod_directory(uid_of("web")) + "/volumes/";
  const std::string empty = volumes + "kubernetes.io~empty-dir/empty";
  ASSERT_TRUE(eventually("its files", [&] { return read_text(empty + "/file") == "empty\n"; }));
  EXPECT_EQ(whose(empty), "0:4000 2777");
  EXPECT_EQ(whose(empty + "/file"), "1000:4000 0644") << "the directory's group is handed down";
  const std::string files = volumes + "kubernetes.io~projected/files";
  EXPECT_EQ(whose(files + "/token"), "1000:4000 0640");
  EXPECT_EQ(whose(files + "/greeting"), "0:4000 0644");
  EXPECT_EQ(whose(files + "/name"), "0:4000 0644");
  EXPECT_EQ(whose(files), "0:4000 3777");
  struct stat link {};
  ASSERT_EQ(::lstat((files + "/token").c_str(), &link), 0);
  EXPECT_EQ(link.st_uid, 1000u) << "the link is its user's, too";
  EXPECT_EQ(whose(content), "0:4000 2775");
  EXPECT_EQ(whose(content + "/old"), "0:4000 2775");
  EXPECT_EQ(whose(content + "/old/file"), "0:4000 0660");
  EXPECT_EQ(whose(content + "/new/file"), "1000:4000 0644");
  EXPECT_EQ(whose(directory + "/outside"), "0:0 0600") << "no link is followed";
  EXPECT_EQ(read_text(content + "/old/file"), "oldmore\n");

  // News keep to it.
  config_map("words", {{"greeting", "news"}});
  EXPECT_TRUE(eventually("the news", [&] { return read_text(files + "/greeting") == "news"; }));
  EXPECT_EQ(whose(files + "/greeting"), "0:4000 0644");
  EXPECT_EQ(whose(files + "/token"), "1000:4000 0640");
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

// contract 04 §9: who may read a token where there is no fsGroup.
TEST_F(VolumesFiles, WithTokensAreForTheUserThatAllContainersHave) {
  config_map("words", {{"greeting", "hello"}});
  struct Row {
    std::string pod;
    json of_pod;            // its security context
    std::vector<json> own;  // of each container
    std::string token;
  };
  const std::vector<Row> rows = {
      {"of-pod", {{"runAsUser", 1000}}, {json::object(), json::object()}, "1000:0 0600"},
      {"of-containers", json::object(), {{{"runAsUser", 1000}}, {{"runAsUser", 1000}}}, "1000:0 0600"},
      {"of-two-users", {{"runAsUser", 1000}}, {json::object(), {{"runAsUser", 1001}}}, "0:0 0644"},
      {"of-some", json::object(), {{{"runAsUser", 1000}}, json::object()}, "0:0 0644"},
      {"of-group", {{"fsGroup", 4000}}, {{{"runAsUser", 1000}}, {{"runAsUser", 1001}}}, "0:4000 0640"},
  };
  for (const Row& row : rows) {
    json containers = json::array();
    for (const json& own : row.own) {
      json one =
          shell("c" + std::to_string(containers.size()), "cat /v/token > /dev/null || exit 1; " + std::string(kSleep));
      one["securityContext"] = own;
      containers.push_back(mounting(std::move(one), {{{"name", "files"}, {"mountPath", "/v"}}}));
    }
    apply(pod(row.pod, containers,
              {{"securityContext", row.of_pod}, {"volumes", json::array({projected_volume("files")})}}));
  }
  for (const Row& row : rows) {
    SCOPED_TRACE(row.pod);
    EXPECT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready(row.pod); }));
    const std::string files = pod_directory(uid_of(row.pod)) + "/volumes/kubernetes.io~projected/files";
    EXPECT_EQ(whose(files + "/token"), row.token);
    EXPECT_EQ(field("pod", row.pod, "{.status.containerStatuses[*].restartCount}"), "0 0") << "all could read it";
  }
  for (const Row& row : rows) remove(row.pod);
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesFiles, OfADriverStayAsTheyAreUnlessItsPolicyAndTheTypeSayOtherwise) {
  // ReadWriteOnceWithFSType, the default: and there is no fsType.
  register_driver(false);
  fs::create_directories(driver_->content("vol-1"));
  ASSERT_TRUE(base::write_file(driver_->content("vol-1") + "/file", "old", 0644).ok());
  bind("data", csi_source("vol-1"));
  json typed = csi_source("vol-2");
  typed["csi"]["fsType"] = "ext4";
  bind("typed", typed);
  json main = mounting(
      shell("main", "cat /v/data/file && ! touch /v/data/no && touch /v/typed/yes || exit 1; " + std::string(kSleep)),
      {{{"name", "data"}, {"mountPath", "/v/data"}}, {{"name", "typed"}, {"mountPath", "/v/typed"}}});
  apply(pod("web", {main},
            {{"securityContext", {{"runAsUser", 1000}, {"runAsGroup", 1000}, {"fsGroup", 4000}}},
             {"volumes", {claim_volume("data"), claim_volume("typed")}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  ASSERT_TRUE(eventually("its file", [&] { return exists(driver_->content("vol-2") + "/yes"); }));
  EXPECT_EQ(whose(driver_->content("vol-1")), "0:0 0755");
  EXPECT_EQ(whose(driver_->content("vol-1") + "/file"), "0:0 0644");
  EXPECT_EQ(whose(driver_->content("vol-2")), "0:4000 2775");
  EXPECT_EQ(whose(driver_->content("vol-2") + "/yes"), "1000:4000 0644");
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesFiles, OfADriverThatMountsForAGroupItselfAreLeftToIt) {
  driver_.emplace(directory + "/driver", directory + "/root/plugins_registry",
                  std::vector<std::string>{"--capabilities", "STAGE_UNSTAGE_VOLUME,VOLUME_MOUNT_GROUP"});
  register_driver(false, {{"fsGroupPolicy", "File"}});
  fs::create_directories(driver_->content("vol-1"));
  bind("data", csi_source("vol-1"));
  apply(writer("web", {"data"}, json::array({claim_volume("data")}), {{"securityContext", {{"fsGroup", 4000}}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  std::size_t told = 0;
  for (const auto& request : driver_->requests()) {
    const auto& capability = request["request"].value("volume_capability", json::object());
    told += capability.value("mount", json::object()).value("volume_mount_group", "") == "4000" ? 1 : 0;
  }
  EXPECT_EQ(told, 2u) << "at staging and at publishing";
  EXPECT_EQ(whose(driver_->content("vol-1")), "0:0 0755");
  remove("web");
  EXPECT_TRUE(node_is_as_it_was());
}

}  // namespace
}  // namespace keelson::integration
