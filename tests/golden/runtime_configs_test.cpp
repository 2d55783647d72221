// From every recorded pod: what the agent sends to the runtime and leaves on the disk, made by the code that runs pods.
//
// pod_config_test.cpp gives the mapping its inputs; here the agent gathers them itself: volumes are mounted, files
// written, the sandbox's and the containers' configs made in the kubelet's order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "agent/pod_config/resources.hpp"
#include "agent/sync/pod_files.hpp"
#include "agent/sync/runtime_configs.hpp"
#include "agent/sync/user_namespaces.hpp"
#include "agent/wiring/cgroups_adapter.hpp"
#include "agent/wiring/volumes_adapter.hpp"
#include "base/file.hpp"
#include "base/tests/tasks.hpp"
#include "cri-client/debug_json.hpp"
#include "tests/golden/recordings.hpp"
#include "volume/tests/fake_mounts.hpp"

namespace keelson::golden {
namespace {

namespace fs = std::filesystem;

// What the recorded requests cannot show, since containerd 1.6 dropped it (data/README.md).
const std::vector<std::string> kDroppedByContainerd16{"/image/user_specified_image"};

// Pods of which nothing was ever asked of the runtime or the disk, or of which the recording shows less than was sent.
const std::map<std::string, const char*> kRefused{
    {"toobig", "refused by admission: no request, no file"},
    {"wronglabel", "refused by admission: no request, no file"},
};
const std::map<std::string, const char*> kContainerNotRecorded{
    {"badimage", "the image is not there: no container"},
    {"nevercreate", "the image is not there: no container"},
    {"missingvol", "a volume cannot be mounted: no sandbox"},
    {"missingcm", "the environment cannot be made: no container"},
    {"hostusers", "containerd 1.6 has no user namespaces: no sandbox"},
    {"imagevol", "containerd 1.6 has no image volumes: it refuses the empty host path, and keeps nothing"},
};

class RecordedPodObjects final : public agent::PodObjects {
 public:
  void hold(const api::PodPtr&) override {}
  void release(const std::string&) override {}
  base::Task<Result<std::shared_ptr<const agent::ObjectResolver>>> objects_of(api::PodPtr,
                                                                              api::core::Container) override {
    co_return std::shared_ptr<const agent::ObjectResolver>(&recorded_objects(), [](const auto*) {});
  }
  base::Task<Result<std::shared_ptr<const api::core::ConfigMap>>> config_map(api::PodPtr pod,
                                                                             std::string name) override {
    if (name == "kube-root-ca.crt" || name == "openshift-service-ca.crt") {
      auto ca = std::make_shared<api::core::ConfigMap>();
      (*ca->mutable_data())["ca.crt"] = "CA";
      (*ca->mutable_data())["service-ca.crt"] = "CA";
      co_return std::shared_ptr<const api::core::ConfigMap>(ca);
    }
    auto found = recorded_objects().config_map(pod->metadata().namespace_(), name);
    if (!found.ok()) co_return found.error();
    co_return std::make_shared<const api::core::ConfigMap>(**found);
  }
  base::Task<Result<std::shared_ptr<const api::core::Secret>>> secret(api::PodPtr pod, std::string name) override {
    auto found = recorded_objects().secret(pod->metadata().namespace_(), name);
    if (!found.ok()) co_return found.error();
    co_return std::make_shared<const api::core::Secret>(**found);
  }
  base::Task<Result<std::string>> token(api::PodPtr, std::string audience, std::int64_t) override {
    co_return "token for " + audience;
  }
  base::Task<Result<std::shared_ptr<const api::core::ServiceAccount>>> service_account(api::PodPtr) override {
    co_return Error(ErrorKind::not_found, "no service account is recorded");
  }
  std::vector<agent::ServiceInfo> services_for(const std::string&) const override { return recorded_services(); }
  bool services_synced() const override { return true; }
};

class Events final : public agent::EventRecorder {
 public:
  std::vector<std::string> texts;
  void record(const api::Pod&, agent::PodEvent event) override { texts.push_back(event.reason + ": " + event.message); }
};

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// Names that no two runs share: dated directories of volumes and termination message files.
std::string without_chance(const std::string& path) {
  static const std::regex dated(R"(\.\.20\d\d_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+)");
  static const std::regex message(R"((containers/[^/]+/)[0-9a-f]{8}$)");
  return std::regex_replace(std::regex_replace(path, dated, "..DATE"), message, "$1MESSAGE");
}

std::string without_messages(const std::string& text) {
  static const std::regex message(R"((/containers/[^/"]+/)[0-9a-f]{8}")");
  return std::regex_replace(text, message, "$1MESSAGE\"");
}

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%05o", static_cast<unsigned>(mode));
  return text;
}

agent::NodeFacts facts_in(const std::string& top) {
  agent::NodeFacts facts;
  facts.info = recorded_node();
  facts.info.root_dir = facts.paths.root = top + "/root";
  facts.info.logs_dir = facts.paths.logs = top + "/logs";
  facts.resolv_conf = top + "/resolv.conf";
  facts.runtime_class = [](const std::string&) { return Result<std::string>(""); };
  return facts;
}

std::string temporary_directory() {
  char name[] = "/tmp/keelson-golden-XXXXXX";
  return mkdtemp(name);
}

// Host paths below `top`: the recorded ones must exist where they are checked.
api::PodPtr with_own_host_paths(api::Pod pod, const std::string& top) {
  for (auto& volume : *pod.mutable_spec()->mutable_volumes()) {
    auto& source = *volume.mutable_volumesource();
    if (source.has_hostpath()) source.mutable_hostpath()->set_path(top + source.hostpath().path());
  }
  return std::make_shared<const api::Pod>(std::move(pod));
}

// A node as the recorded one, with the parts of the agent that make configs.
struct Node {
  explicit Node(const Recording& of) : recording(of) {
    mounts->tmpfs_mode = 01777;
    EXPECT_TRUE(base::write_file(facts.resolv_conf, "nameserver 10.255.255.53\n", 0644).ok());
    volumes.start(gate);
    config::KubeletConfiguration kubelet;
    kubelet.cgroups_per_qos = true;
    auto made = agent::CgroupsAdapter::create(pool, {}, kubelet, facts.info);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    cgroups = std::move(*made);
    configs = std::make_unique<agent::RuntimeConfigs>(random, files, volumes, *cgroups, objects, user_namespaces, facts,
                                                      events, base::Logger());
  }
  ~Node() {
    EXPECT_TRUE(run(stopped()));
    fs::remove_all(top);
  }
  base::Task<bool> stopped() {
    co_await volumes.stop();
    co_await gate.stop();
    co_return true;
  }

  template <class T>
  T run(base::Task<T> task) {
    return base::testing::run_real(loop, std::move(task));
  }
  Result<agent::ResolvedVolumes> mount() {
    EXPECT_TRUE(run(files.make_pod_directories(pod->metadata().uid())).ok());
    auto mounted = mount_until_told();
    if (!mounted.ok()) return mounted;
    for (const auto& volume : pod->spec().volumes()) {
      if (!volume.volumesource().has_image()) continue;
      cri::ImageSpec image;
      image.image = "sha256:image";
      image.user_specified_image = volume.volumesource().image().reference();
      (*mounted)[volume.name()].image = image;
    }
    return mounted;
  }
  // A volume that fails is told of as an event, and waited for.
  Result<agent::ResolvedVolumes> mount_until_told() {
    using Mounted = Result<agent::ResolvedVolumes>;
    auto place = std::make_shared<std::optional<Mounted>>();
    base::spawn(gate, "mount", base::internal::keep_result<Mounted>(volumes.mount(pod), place));
    EXPECT_TRUE(base::testing::pump_until(loop, [&] { return place->has_value() || told_and_idle(); }));
    if (place->has_value()) return std::move(**place);
    const std::string& text = events.texts.back();
    return Error(ErrorKind::not_found, text.substr(text.find(": ") + 2));
  }
  bool told_and_idle() { return !events.texts.empty() && volumes.manager().under_way() == 0; }
  // The instance of a container after `attempt` earlier ones.
  Result<cri::ContainerConfig> container(const std::string& name, std::uint32_t attempt, const std::string& image) {
    auto observed = std::make_shared<agent::ObservedPod>();
    if (attempt > 0) {
      cri::ContainerStatus before;
      before.metadata = {name, attempt - 1};
      before.annotations["io.kubernetes.container.restartCount"] = std::to_string(attempt - 1);
      observed->containers.push_back(before);
    }
    agent::RuntimeConfigs::ContainerRequest request;
    request.pod = pod;
    request.ref = *agent::find_container(*pod, name);
    request.observed = observed;
    request.image.ref = image;
    request.volumes = resolved;
    request.pod_ips = recording.pod_ips();
    return run(configs->container(std::move(request)));
  }
  // Everything that the recorded kubelet did for this pod, as far as it came.
  void play() {
    auto mounted = mount();
    if (!mounted.ok()) {
      failure = mounted.error().to_string();
      return;
    }
    resolved = std::move(*mounted);
    auto config = run(configs->sandbox({pod, 0, {}, true}));
    if (!config.ok()) {
      failure = config.error().to_string();
      return;
    }
    ASSERT_TRUE(run(files.make_log_directory(config->log_directory)).ok());
    sandbox = normal(cri::debug_json(*config));
    for (const auto& name : recording.container_names()) start(name);
    const std::string phase = recording.data.at("live").at("status").value("phase", "");
    if (phase != "Succeeded" && phase != "Failed") return;
    ASSERT_TRUE(run(volumes.unmount(pod->metadata().uid())).ok());
  }
  // As often as the recording has a file for its termination message; once where it has none.
  void start(const std::string& name) {
    const bool never_had_image = recording.name == "badimage" || recording.name == "nevercreate";
    if (never_had_image) return;
    std::string image = "sha256:unknown";
    for (const auto& recorded : recording.data.at("containers")) {
      const json& config = recorded.at("config");
      if (config.at("metadata").at("name") == name) image = config.at("image").at("image");
    }
    const std::size_t files_made = recording.termination_files(name);
    for (std::uint32_t attempt = 0; attempt < std::max<std::size_t>(1, files_made); ++attempt) {
      auto config = container(name, attempt, image);
      if (!config.ok()) {
        failure = config.error().to_string();
        return;
      }
      containers[name] = normal(cri::debug_json(*config));
    }
  }
  // As the recording writes it.
  json normal(const std::string& text) const {
    std::string out = replaced(text, facts.paths.root, "<ROOT>");
    out = replaced(out, facts.paths.logs, "/var/log/pods");
    return json::parse(without_messages(replaced(out, top, "")));
  }
  std::string directory() const { return facts.paths.pod(pod->metadata().uid()) + "/"; }

  const Recording& recording;
  const std::string top = temporary_directory();
  agent::NodeFacts facts = facts_in(top);
  api::PodPtr pod = with_own_host_paths(recording.pod, top);
  base::Loop loop;
  base::RealClock clock{loop};
  base::BlockingPool pool{loop, clock, 1};  // the mount table of these tests is for one thread
  base::Random random{7};
  RecordedPodObjects objects;
  Events events;
  std::shared_ptr<volume::FakeMounts> mounts = std::make_shared<volume::FakeMounts>();
  base::Gate gate{loop};
  agent::DiskPodFiles files{pool, facts.paths};
  agent::VolumesAdapter volumes{
      agent::VolumesAdapter::Base{loop, clock, random, pool, facts, objects, events, {}, mounts}};
  agent::UserNamespaces user_namespaces{random, files, facts.id_pool, {}};
  std::unique_ptr<agent::CgroupsAdapter> cgroups;
  std::unique_ptr<agent::RuntimeConfigs> configs;

  agent::ResolvedVolumes resolved;
  json sandbox;
  std::map<std::string, json> containers;  // by name, the newest instance
  std::string failure;                     // what kept the pod from going on
};

// --- The requests ---

TEST(GoldenRequests, EqualTheRecordedOnesForEveryPod) {
  int sandboxes = 0;
  int containers = 0;
  for (const auto& recording : recordings()) {
    if (kRefused.contains(recording.name)) continue;
    SCOPED_TRACE(recording.name);
    Node node(recording);
    node.play();
    for (const auto& recorded : recording.data.at("sandboxes")) {
      EXPECT_EQ(differences(recorded.at("config"), node.sandbox, {}), "");
      ++sandboxes;
    }
    EXPECT_EQ(recording.data.at("containers").empty(), kContainerNotRecorded.contains(recording.name));
    for (const auto& recorded : recording.data.at("containers")) {
      const std::string name = recorded.at("config").at("metadata").at("name");
      SCOPED_TRACE(name);
      ASSERT_TRUE(node.containers.contains(name)) << node.failure;
      const json wanted = json::parse(without_messages(recorded.at("config").dump()));
      EXPECT_EQ(differences(wanted, node.containers.at(name), kDroppedByContainerd16), "");
      ++containers;
    }
    for (const auto& text : node.events.texts) {
      EXPECT_EQ(text, "FailedMount: " + recording.event("FailedMount"));
    }
  }
  EXPECT_EQ(sandboxes, 24);
  EXPECT_EQ(containers, 25);
}

TEST(GoldenRequests, FailTheRecordedWay) {
  const std::map<std::string, std::string> reasons{
      {"missingvol", "FailedMount"}, {"missingcm", "Failed"}, {"hostusers", "FailedCreatePodSandBox"}};
  for (const auto& [name, reason] : reasons) {
    SCOPED_TRACE(name);
    Node node(recording(name));
    node.play();
    ASSERT_NE(node.failure, "");
    EXPECT_TRUE(recording(name).event(reason).ends_with(node.failure))
        << node.failure << "\nrecorded: " << recording(name).event(reason);
    EXPECT_THAT(node.containers, testing::IsEmpty());
  }
}

TEST(GoldenRequests, AnImageVolumeIsMountedByTheRuntime) {
  Node node(recording("imagevol"));
  node.play();
  ASSERT_TRUE(node.containers.contains("main")) << node.failure;
  const json& mount = node.containers.at("main").at("mounts").at(0);
  EXPECT_EQ(mount.at("container_path"), "/i");
  EXPECT_FALSE(mount.contains("host_path"));
  EXPECT_EQ(mount.at("image").at("image"), "sha256:image");
  EXPECT_EQ(mount.at("image").at("user_specified_image"), "registry.k8s.io/e2e-test-images/agnhost:2.63.0");
  EXPECT_EQ(mount.at("image").at("annotations").at("kubernetes.io/config.source"), "api");
  EXPECT_EQ(mount.at("readonly"), true);
}

// --- The disk ---

// "dir 0750 0", "link 0777 0 ..data/k" by path; names of chance made equal, so that each entry may stand for several.
std::multimap<std::string, std::string> on_disk(const Node& node) {
  std::multimap<std::string, std::string> found;
  if (!fs::exists(node.directory())) return found;
  for (const auto& entry : fs::recursive_directory_iterator(node.directory())) {
    struct stat info {};
    // A sub-path shows what is bound there.
    const auto bound = node.mounts->bound.find(entry.path().string());
    EXPECT_EQ(
        bound == node.mounts->bound.end() ? lstat(entry.path().c_str(), &info) : stat(bound->second.c_str(), &info), 0)
        << entry.path();
    const std::string path = without_chance(entry.path().string().substr(node.directory().size()));
    std::string text = S_ISDIR(info.st_mode) ? "dir " : S_ISLNK(info.st_mode) ? "link " : "file ";
    text += octal(info.st_mode & 07777) + " " + std::to_string(info.st_gid);
    if (S_ISLNK(info.st_mode)) text += " " + without_chance(fs::read_symlink(entry.path()).string());
    found.emplace(path, text);
  }
  return found;
}

std::multimap<std::string, std::string> recorded_on_disk(const Recording& recording) {
  std::multimap<std::string, std::string> wanted;
  for (const json& entry : recording.data.at("pod_dir")) {
    const std::string mode = entry.at("mode").get<std::string>().substr(2);
    std::string text = entry.at("type").get<std::string>() + " " + std::string(5 - mode.size(), '0') + mode + " " +
                       std::to_string(entry.at("gid").get<int>());
    if (entry.contains("to")) text += " " + without_chance(entry.at("to"));
    wanted.emplace(without_chance(entry.at("path")), text);
  }
  return wanted;
}

TEST(GoldenDisk, EveryPodsDirectoryHasTheRecordedFilesWithTheirModes) {
  if (getuid() != 0) GTEST_SKIP() << "groups are given by root only";
  for (const auto& recording : recordings()) {
    if (kRefused.contains(recording.name)) continue;
    SCOPED_TRACE(recording.name);
    Node node(recording);
    node.play();
    EXPECT_EQ(on_disk(node), recorded_on_disk(recording));
  }
}

TEST(GoldenDisk, HostsFilesAndVolumesHaveTheRecordedContents) {
  int files = 0;
  for (const auto& recording : recordings()) {
    if (kRefused.contains(recording.name)) continue;
    SCOPED_TRACE(recording.name);
    Node node(recording);
    node.play();
    EXPECT_EQ(base::read_file(node.directory() + "etc-hosts").value_or(""), recording.data.value("etc_hosts", ""));
    std::map<std::string, std::string> contents;
    for (const auto& entry : fs::recursive_directory_iterator(node.directory())) {
      if (!fs::is_regular_file(entry.path())) continue;
      const std::string path = without_chance(entry.path().string().substr(node.directory().size()));
      contents[path] = base::read_file(fs::canonical(entry.path())).value_or("cannot be read");
    }
    for (const auto& [path, wanted] : recording.data.at("volume_files").items()) {
      EXPECT_EQ(contents[without_chance(path)], wanted.get<std::string>()) << path;
      ++files;
    }
  }
  EXPECT_EQ(files, 25);
}

TEST(GoldenDisk, LogDirectoriesAreWhereAndAsTheRecordedOnesAre) {
  for (const auto& recording : recordings()) {
    if (kRefused.contains(recording.name)) continue;
    SCOPED_TRACE(recording.name);
    Node node(recording);
    node.play();
    const std::string logs = node.facts.paths.pod_logs(*node.pod) + "/";
    std::set<std::string> ours;
    std::set<std::string> wanted;
    if (fs::exists(logs)) {
      for (const auto& entry : fs::directory_iterator(logs)) {
        struct stat info {};
        EXPECT_EQ(lstat(entry.path().c_str(), &info), 0);
        ours.insert(entry.path().filename().string() + " " + octal(info.st_mode & 07777));
      }
    }
    for (const json& entry : recording.data.at("log_dir")) {
      if (entry.at("type") != "dir") continue;
      wanted.insert(entry.at("path").get<std::string>() + " 00" + entry.at("mode").get<std::string>().substr(2));
    }
    EXPECT_EQ(ours, wanted);
  }
}

}  // namespace
}  // namespace keelson::golden
