// Volumes that cannot be had as they are asked for: each is told as a kubelet tells it, keeps no other pod waiting, and
// is had once it can be. Source: contract 04 §5, §8, §13, §14, §18.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/book.hpp"
#include "tests/integration/volumes_node.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

class VolumesTrouble : public VolumesTest {
 protected:
  json host_volume(const std::string& path, const std::string& type) const {
    return {{"name", "host"}, {"hostPath", {{"path", path}, {"type", type}}}};
  }
  // A pod that has this volume at /v.
  static json holder(const std::string& name, const json& volume, json mount = json::object()) {
    mount.update({{"name", volume["name"]}, {"mountPath", "/v"}});
    return pod(name, {mounting(shell("main", kSleep), json::array({mount}))}, {{"volumes", json::array({volume})}});
  }
  void expect_another_runs(const std::string& name = "another") {
    apply(pod(name, {mounting(shell("main", kSleep), {{{"name", "empty"}, {"mountPath", "/v"}}})},
              {{"volumes", json::array({empty_volume("empty")})}}));
    EXPECT_TRUE(eventually("another pod to be Ready", [&] { return pod_is_ready(name); }));
  }
  void remove_all() {
    ASSERT_NE(kubectl({"delete", "pods", "--all", "--wait=false"}), "") << last_error;
    ASSERT_TRUE(eventually("all pods to be gone", [&] { return kubectl({"get", "pods", "-o", "name"}).empty(); }));
    EXPECT_TRUE(node_is_as_it_was());
  }
  // How often it was tried in vain.
  int failures(const std::string& volume) const {
    return keelson->lines_with({"A volume is not as it should be", "volume=\"" + volume + "\""});
  }
};

// The API server refuses such pods; for manifests that is ours to do, with the same words.
TEST_F(VolumesTrouble, ManifestsThatAreRefusedSayWhichMountIsWrong) {
  struct Row {
    std::string name;
    json mounts;
    std::string told;
  };
  const auto mount = [](const std::string& path, const json& more = json::object()) {
    json one = {{"name", "empty"}, {"mountPath", path}};
    one.update(more);
    return one;
  };
  const std::string at = "spec.containers[0].volumeMounts";
  const std::vector<Row> rows = {
      {"twice", {mount("/v"), mount("/v")}, at + "[1].mountPath: Invalid value: \\\"/v\\\": must be unique"},
      {"steps", json::array({mount("/v", {{"subPath", "../x"}})}),
       at + "[0].subPath: Invalid value: \\\"../x\\\": must not contain '..'"},
      {"inner-steps", json::array({mount("/v", {{"subPath", "a/../../x"}})}), "must not contain '..'"},
      {"absolute", json::array({mount("/v", {{"subPath", "/etc"}})}), "must be a relative path"},
      {"nameless", json::array({mount("")}), at + "[0].mountPath: Required value"},
  };
  for (const Row& row : rows) {
    place(pod(row.name, {mounting(shell("main", kSleep), row.mounts)},
              {{"volumes", json::array({empty_volume("empty")})}}));
  }
  for (const Row& row : rows) {
    EXPECT_TRUE(eventually("the manifest to be refused", [&] {
      return keelson->lines_with({"Static pod manifest refused", row.name + ".yaml", row.told}) == 1;
    })) << row.name;
    EXPECT_TRUE(seen(row.name).empty()) << row.name;
  }
  expect_another_runs();
  for (const Row& row : rows) withdraw(row.name + ".yaml");
  remove_all();
}

// Paths are compared as they are written, so this passes every check, and is the runtime's business.
TEST_F(VolumesTrouble, TwoAtOnePathThatIsWrittenInTwoWaysDoNoHarm) {
  const json mounts = {{{"name", "first"}, {"mountPath", "/v"}}, {{"name", "second"}, {"mountPath", "/v/"}}};
  apply(pod("twice", {mounting(shell("main", "echo mine > /v/by; " + std::string(kSleep)), mounts)},
            {{"volumes", {empty_volume("first"), empty_volume("second")}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("twice"); }));
  const std::string volumes = pod_directory(uid_of("twice")) + "/volumes/kubernetes.io~empty-dir/";
  EXPECT_TRUE(eventually("its file", [&] { return exists(volumes + "second/by"); })) << "the later one is seen";
  EXPECT_FALSE(exists(volumes + "first/by"));
  expect_another_runs();
  remove_all();
}

TEST_F(VolumesTrouble, SubPathsThatLeadOutAreRefused) {
  fs::create_directories(directory + "/host/inner");
  ASSERT_TRUE(base::write_file(directory + "/outside", "outside", 0644).ok());
  fs::create_symlink("../outside", directory + "/host/up");
  fs::create_symlink(directory, directory + "/host/away");
  fs::create_symlink("inner", directory + "/host/in");
  struct Row {
    std::string pod;
    json mount;
    std::string told;
  };
  const std::string hidden = "failed to prepare subPath for volumeMount \"host\" of container \"main\"";
  const std::vector<Row> rows = {
      {"expression", {{"subPathExpr", "$(UP)/x"}}, "unable to provision SubPath `../x`: must not contain '..'"},
      {"root", {{"subPathExpr", "$(ROOT)/x"}}, "error SubPath `/etc/x` must not be an absolute path"},
      {"unset", {{"subPathExpr", "$(NOTHING)/x"}}, "missing value for NOTHING"},
      {"link-up", {{"subPath", "up"}}, hidden},
      {"link-away", {{"subPath", "away"}}, hidden},
      {"made-away", {{"subPath", "away/made"}}, " for volumeMount \"host\" of container \"main\""},
  };
  const json host = host_volume(directory + "/host", "Directory");
  for (const Row& row : rows) {
    json one = holder(row.pod, host, row.mount);
    one["spec"]["containers"][0]["env"] = {{{"name", "UP"}, {"value", ".."}}, {{"name", "ROOT"}, {"value", "/etc"}}};
    apply(one);
  }
  apply(holder("in", host, {{"subPath", "in/new"}}));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.pod);
    EXPECT_TRUE(eventually("it to be told", [&] { return waits_for(row.pod).find(row.told) != std::string::npos; }))
        << waits_for(row.pod);
    const std::string waiting = waits_for(row.pod);
    EXPECT_EQ(waiting.substr(0, waiting.find(':')), "CreateContainerConfigError");
    EXPECT_EQ(waiting.find(directory), std::string::npos) << "the host is nobody's business: " << waiting;
    EXPECT_TRUE(eventually("its event", [&] { return has_event(row.pod, {"Warning Failed Error: ", row.told}); }));
    EXPECT_FALSE(exists(pod_directory(uid_of(row.pod)) + "/volume-subpaths")) << "places that serve nobody go";
  }
  EXPECT_TRUE(eventually("a link that stays inside to be followed", [&] { return pod_is_ready("in"); }));
  EXPECT_TRUE(exists(directory + "/host/inner/new"));
  EXPECT_FALSE(exists(directory + "/made")) << "nothing is made outside";
  // Put right, it is had.
  fs::remove(directory + "/host/away");
  EXPECT_TRUE(eventually("the pod whose link is gone", [&] { return pod_is_ready("link-away"); }));
  remove_all();
  EXPECT_EQ(read_text(directory + "/outside"), "outside");
  EXPECT_TRUE(exists(directory + "/host/inner"));
}

// The attack itself: a container of the pod lays the link.
TEST_F(VolumesTrouble, ALinkThatAContainerLaidLeadsNoOtherContainerOut) {
  json init = mounting(shell("init",
                             "ln -s /etc /v/etc; ln -s ../../../../../.. /v/top; ln -s inside /v/fine; mkdir "
                             "/v/inside; echo x > /v/inside/file"),
                       {{{"name", "empty"}, {"mountPath", "/v"}}});
  for (const char* path : {"etc", "top/etc", "fine"}) {
    const std::string name = std::string("of-") + path[0];
    json main = mounting(shell("main", kSleep), {{{"name", "empty"}, {"mountPath", "/v"}, {"subPath", path}}});
    apply(pod(name, {main},
              {{"initContainers", json::array({init})}, {"volumes", json::array({empty_volume("empty")})}}));
  }
  for (const char* name : {"of-e", "of-t"}) {
    EXPECT_TRUE(eventually("it to be told", [&] {
      return waits_for(name) ==
             "CreateContainerConfigError: failed to prepare subPath for volumeMount \"empty\" of container \"main\"";
    })) << waits_for(name);
  }
  EXPECT_TRUE(eventually("the one that stays inside", [&] { return pod_is_ready("of-f"); }));
  EXPECT_EQ(inside(process_of("of-f"), "/v/file"), "x\n");
  remove_all();
}

// The kubelet looks where links of the host lead, and only that must be inside.
TEST_F(VolumesTrouble, AnAbsoluteLinkOfTheHostThatStaysInsideIsFollowed) {
  fs::create_directories(directory + "/host/version-2");
  fs::create_symlink(directory + "/host/version-2", directory + "/host/current");
  ASSERT_TRUE(base::write_file(directory + "/host/version-2/file", "two", 0644).ok());
  apply(holder("web", host_volume(directory + "/host", "Directory"), {{"subPath", "current"}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); })) << waits_for("web");
  EXPECT_EQ(inside(process_of("web"), "/v/file"), "two");
  remove_all();
}

TEST_F(VolumesTrouble, HostPathsOfTheWrongTypeAndMissingOnesAreToldAndHadOnceTheyAreRight) {
  fs::create_directories(directory + "/is/directory");
  ASSERT_TRUE(base::write_file(directory + "/is/file", "", 0644).ok());
  struct Row {
    std::string pod;
    std::string path;
    std::string type;
    std::string is_not;
  };
  const std::string is = directory + "/is/";
  const std::vector<Row> rows = {
      {"no-directory", is + "absent", "Directory", "a directory"},
      {"file-directory", is + "file", "Directory", "a directory"},
      {"file-or-create", is + "file", "DirectoryOrCreate", "a directory"},
      {"no-file", is + "absent", "File", "a file"},
      {"directory-file", is + "directory", "File", "a file"},
      {"directory-or-create", is + "directory", "FileOrCreate", "a file"},
      {"no-socket", is + "file", "Socket", "a socket file"},
      {"no-char", is + "file", "CharDevice", "a character device"},
      {"no-block", "/dev/null", "BlockDevice", "a block device"},
  };
  for (const Row& row : rows) apply(holder(row.pod, host_volume(row.path, row.type)));
  apply(holder("made-directory", host_volume(is + "new/deep", "DirectoryOrCreate")));
  apply(holder("made-file", host_volume(is + "made", "FileOrCreate")));
  apply(holder("device", host_volume("/dev/null", "CharDevice")));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.pod);
    EXPECT_TRUE(eventually("it to be told", [&] {
      return has_event(row.pod,
                       {"Warning FailedMount MountVolume.SetUp failed for volume \"host\" : hostPath type check "
                        "failed: " +
                        row.path + " is not " + row.is_not});
    })) << events();
    EXPECT_EQ(waits_for(row.pod), "ContainerCreating: ");
  }
  for (const char* name : {"made-directory", "made-file", "device"}) {
    EXPECT_TRUE(eventually("what can be had", [&] { return pod_is_ready(name); })) << name;
  }
  struct stat info {};
  ASSERT_EQ(::stat((is + "new/deep").c_str(), &info), 0);
  EXPECT_TRUE(S_ISDIR(info.st_mode) && (info.st_mode & 07777) == 0755);
  ASSERT_EQ(::stat((is + "made").c_str(), &info), 0);
  EXPECT_TRUE(S_ISREG(info.st_mode) && (info.st_mode & 07777) == 0644);
  expect_another_runs();
  fs::create_directory(is + "absent");
  EXPECT_TRUE(eventually("what is right now", [&] { return pod_is_ready("no-directory"); }));
  EXPECT_FALSE(pod_is_ready("no-file"));
  remove_all();
  for (const char* path : {"absent", "new/deep", "made"}) EXPECT_TRUE(exists(is + path)) << path;
}

TEST_F(VolumesTrouble, ObjectsThatComeLateStartTheirPodAtOnceAndKeepNoOtherWaiting) {
  json keys = {{"name", "keys"}, {"secret", {{"secretName", "late-secret"}}}};
  json late = pod("late",
                  {mounting(shell("main", kSleep), {{{"name", "words"}, {"mountPath", "/words"}},
                                                    {{"name", "keys"}, {"mountPath", "/keys"}}})},
                  {{"volumes", {config_map_volume("words", "late"), keys}}});
  json optional = config_map_volume("words", "late");
  optional["configMap"]["optional"] = true;
  apply(late);
  apply(holder("optional", optional));
  EXPECT_TRUE(eventually("both to be told", [&] {
    return has_event("late", {"Warning FailedMount MountVolume.SetUp failed for volume \"words\" : configmap \"late\" "
                              "not found"}) &&
           has_event("late", {"Warning FailedMount MountVolume.SetUp failed for volume \"keys\" : secret "
                              "\"late-secret\" not found"});
  })) << events();
  EXPECT_TRUE(eventually("the one that can do without", [&] { return pod_is_ready("optional"); }));
  expect_another_runs();
  EXPECT_EQ(waits_for("late"), "ContainerCreating: ");
  // So long that the next try of itself would be far away: 500 ms, 1 s, 2 s, 4 s, 8 s, 16 s.
  ASSERT_TRUE(eventually("six tries", [&] { return failures("words") >= 6 && failures("keys") >= 6; }));
  config_map("late", {{"greeting", "hello"}});
  secret("late-secret", {{"key", "value"}});
  EXPECT_TRUE(eventually(
      "it to run promptly", [&] { return runs("late"); }, std::chrono::seconds(12)));
  const int process = process_of("late");
  EXPECT_EQ(inside(process, "/words/greeting"), "hello");
  EXPECT_EQ(inside(process, "/keys/key"), "value");
  const int other = process_of("optional");
  EXPECT_TRUE(eventually("the optional one to have it, too", [&] { return inside(other, "/v/greeting") == "hello"; }));

  // One that goes again takes nothing from who has it.
  ASSERT_NE(kubectl({"delete", "configmap", "late"}), "") << last_error;
  expect_another_runs("one-more");
  EXPECT_EQ(inside(process, "/words/greeting"), "hello");
  EXPECT_TRUE(runs("late"));
  remove_all();
}

TEST_F(VolumesTrouble, KeysThatLeadOutAreRefusedAndLeaveWhatThereIs) {
  // No API server takes such keys; what one says is not believed all the same.
  config_map("plain", {{"..", "wrong"}});
  config_map("dots", {{"..data", "wrong"}});
  config_map("good", {{"greeting", "hello"}});
  apply(holder("plain", config_map_volume("plain", "plain")));
  apply(holder("dots", config_map_volume("dots", "dots")));
  json missing = config_map_volume("missing", "good");
  missing["configMap"]["items"] = {{{"key", "nothing"}, {"path", "a"}}};
  apply(holder("missing", missing));
  apply(holder("good", config_map_volume("good", "good")));
  ASSERT_TRUE(eventually("the good one", [&] { return pod_is_ready("good"); }));
  const auto failed = [](const std::string& volume) {
    return "Warning FailedMount MountVolume.SetUp failed for volume \"" + volume + "\" : ";
  };
  EXPECT_TRUE(eventually("all to be told", [&] {
    return has_event("plain", {failed("plain"), "invalid path \"..\""}) &&
           has_event("dots", {failed("dots"), "invalid path \"..data\""}) &&
           has_event("missing", {failed("missing") + "configmap references non-existent config key: nothing"});
  })) << events();

  // One that runs keeps what it has until it is right again.
  const int process = process_of("good");
  config_map("good", {{"..", "wrong"}, {"greeting", "refused"}});
  EXPECT_TRUE(eventually("it to be told", [&] { return has_event("good", {failed("good")}); }));
  EXPECT_EQ(inside(process, "/v/greeting"), "hello");
  EXPECT_TRUE(runs("good"));
  config_map("good", {{"greeting", "right"}});
  EXPECT_TRUE(eventually("the news", [&] { return inside(process, "/v/greeting") == "right"; }));
  config_map("plain", {{"greeting", "right"}});
  EXPECT_TRUE(eventually("the corrected one", [&] { return pod_is_ready("plain"); }));
  remove_all();
}

TEST_F(VolumesTrouble, AVolumeInMemoryThatIsFullIsFullForItsContainerOnly) {
  const Book book(directory + "/book");
  const std::string fill = "dd if=/dev/zero of=/v/fill bs=64k count=64 2> /book/error; echo dd $? >> /book/lines; ";
  const std::string after = Book::await("go") + "rm /v/fill; echo again > /v/small && echo room >> /book/lines; ";
  json main = mounting(Book::writer("main", fill + after + kSleep), {{{"name", "memory"}, {"mountPath", "/v"}}});
  json memory = {{"name", "memory"}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", "1Mi"}}}};
  apply(book.pod("web", {main}, {{"volumes", json::array({memory})}}));
  ASSERT_TRUE(eventually("it to be full", [&] { return book.count("dd 1") == 1; }));
  EXPECT_NE(read_text(directory + "/book/error").find("No space left on device"), std::string::npos);
  const std::string volume = pod_directory(uid_of("web")) + "/volumes/kubernetes.io~empty-dir/memory";
  EXPECT_EQ(fs::file_size(volume + "/fill"), 1u << 20);
  // An agent that comes to a full volume leaves it as it is.
  restart_after_kill();
  expect_another_runs();
  EXPECT_TRUE(runs("web"));
  EXPECT_EQ(fs::file_size(volume + "/fill"), 1u << 20);
  book.lay("go");
  EXPECT_TRUE(eventually("it to go on", [&] { return book.count("room") == 1; }));
  EXPECT_EQ(field("pod", "web", "{.status.containerStatuses[0].restartCount}"), "0");
  EXPECT_TRUE(pod_is_ready("web"));
  remove_all();
}

// The agent's own directory on a small disk of its own.
class VolumesFullDisk : public VolumesTrouble {
 protected:
  void prepare() override {
    const std::string root = directory + "/root";
    fs::create_directory(root);
    // NodeTest unmounts what is below its directory.
    ASSERT_EQ(::mount("tmpfs", root.c_str(), "tmpfs", 0, "size=1m,mode=750"), 0) << std::strerror(errno);
  }
  void fill() {
    const base::UniqueFd file(::open((directory + "/root/ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    const std::string block(4096, 'x');
    while (::write(file.get(), block.data(), block.size()) > 0) {
    }
    ASSERT_EQ(errno, ENOSPC);
  }
  void free_space() { ASSERT_EQ(::unlink((directory + "/root/ballast").c_str()), 0); }
};

TEST_F(VolumesFullDisk, IsToldOfEachVolumeThatCannotBeWrittenAndHeals) {
  config_map("words", {{"greeting", "one"}});
  apply(holder("before", config_map_volume("words", "words")));
  ASSERT_TRUE(eventually("the first pod to be Ready", [&] { return pod_is_ready("before"); }));
  const int process = process_of("before");
  fill();
  const std::string failed = "Warning FailedMount MountVolume.SetUp failed for volume \"words\" : ";
  config_map("words", {{"greeting", "two"}});
  EXPECT_TRUE(eventually("the news that have no room to be told", [&] {
    return has_event("before", {failed, "No space left on device"});
  })) << events();
  EXPECT_EQ(inside(process, "/v/greeting"), "one");
  apply(holder("during", config_map_volume("words", "words")));
  EXPECT_TRUE(eventually("the volume that has no room to be told", [&] {
    return has_event("during", {"No space left on device"});
  })) << events();
  EXPECT_FALSE(pod_is_ready("during"));
  EXPECT_TRUE(runs("before"));
  EXPECT_EQ(keelson->healthz().status, 200);
  EXPECT_EQ(inside(process, "/v/greeting"), "one") << "nothing of it is lost";

  free_space();
  EXPECT_TRUE(eventually("the news", [&] { return inside(process, "/v/greeting") == "two"; }));
  EXPECT_TRUE(eventually("the second pod to be Ready", [&] { return pod_is_ready("during"); }));
  EXPECT_EQ(process_of("before"), process);
  remove_all();
}

TEST_F(VolumesFullDisk, ThatCanOnlyBeReadForAWhileIsToldOfAndHeals) {
  config_map("words", {{"greeting", "one"}});
  apply(holder("before", config_map_volume("words", "words")));
  ASSERT_TRUE(eventually("the first pod to be Ready", [&] { return pod_is_ready("before"); }));
  const int process = process_of("before");
  const auto remount = [&](const std::string& how) {
    const auto done = run_program({"/bin/mount", "-o", "remount," + how, directory + "/root"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
  };
  remount("ro");
  config_map("words", {{"greeting", "two"}});
  apply(holder("during", config_map_volume("words", "words")));
  EXPECT_TRUE(eventually("both to be told", [&] {
    return has_event("during", {"ead-only file system"}) && has_event("before", {"ead-only file system"});
  })) << events();
  EXPECT_FALSE(pod_is_ready("during"));
  EXPECT_TRUE(runs("before"));
  EXPECT_EQ(keelson->healthz().status, 200);
  remount("rw");
  EXPECT_TRUE(eventually("the news", [&] { return inside(process, "/v/greeting") == "two"; }));
  EXPECT_TRUE(eventually("the second pod to be Ready", [&] { return pod_is_ready("during"); }));
  EXPECT_EQ(process_of("before"), process);
  remove_all();
}

TEST_F(VolumesTrouble, WithoutDescriptorsNothingIsLostAndItHeals) {
  config_map("words", {{"greeting", "one"}});
  apply(holder("before", config_map_volume("words", "words")));
  ASSERT_TRUE(eventually("the first pod to be Ready", [&] { return pod_is_ready("before"); }));
  const int process = process_of("before");
  // The lowest numbers are taken: no new one can be had.
  rlimit usual{};
  ASSERT_EQ(::prlimit(keelson->pid(), RLIMIT_NOFILE, nullptr, &usual), 0);
  const rlimit few{10, usual.rlim_max};
  ASSERT_EQ(::prlimit(keelson->pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  apply(holder("during", config_map_volume("words", "words")));
  EXPECT_TRUE(eventually("it to be told", [&] { return has_event("during", {"oo many open files"}); })) << events();
  EXPECT_FALSE(pod_is_ready("during"));
  ASSERT_EQ(::prlimit(keelson->pid(), RLIMIT_NOFILE, &usual, nullptr), 0);
  EXPECT_TRUE(eventually("the second pod to be Ready", [&] { return pod_is_ready("during"); })) << events();
  config_map("words", {{"greeting", "two"}});
  EXPECT_TRUE(eventually("the news", [&] { return inside(process, "/v/greeting") == "two"; }));
  EXPECT_TRUE(runs("before"));
  EXPECT_EQ(process_of("before"), process);
  EXPECT_EQ(keelson->healthz().status, 200);
  remove_all();
}

}  // namespace
}  // namespace keelson::integration
