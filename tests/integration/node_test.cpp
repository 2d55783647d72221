#include "tests/integration/node_test.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/file.hpp"
#include "tests/integration/runtime_gate.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

constexpr char kLinks[] = "/var/log/containers";

std::vector<std::string> mounts_below(const std::string& directory) {
  std::vector<std::string> out;
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string skipped;
    std::string target;
    fields >> skipped >> skipped >> skipped >> skipped >> target;
    if (target.rfind(directory + "/", 0) == 0) out.push_back(target);
  }
  return out;
}

std::vector<std::string> links_into(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& link : fs::directory_iterator(kLinks, error)) {
    const auto target = fs::read_symlink(link.path(), error);
    if (!error && target.string().rfind(directory + "/", 0) == 0) out.push_back(link.path());
  }
  return out;
}

// Below `root` only: another node's pods may have the same UIDs.
std::vector<std::string> cgroups_named_after(const std::string& uid, const std::string& root) {
  std::vector<std::string> out;
  std::string underscores = uid;
  std::replace(underscores.begin(), underscores.end(), '-', '_');
  std::error_code error;
  fs::recursive_directory_iterator entries("/sys/fs/cgroup", error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename();
    if (entries->path().string().find(root) == std::string::npos) continue;
    if (name.find(uid) != std::string::npos || name.find(underscores) != std::string::npos) {
      out.push_back(entries->path());
    }
  }
  return out;
}

}  // namespace

json shell(const std::string& name, const std::string& script, json more) {
  json container = {
      {"name", name}, {"image", kBusybox}, {"imagePullPolicy", "Never"}, {"command", {"sh", "-c", script}}};
  container.update(more);
  return container;
}

json pod(const std::string& name, json containers, json spec) {
  json all = {{"terminationGracePeriodSeconds", 1}, {"containers", std::move(containers)}};
  all.update(spec);
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"spec", std::move(all)}};
}

std::string read_text(const std::string& path) { return base::read_file(path, 16u << 20).value_or(""); }

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

void NodeTest::SetUp() {
  std::string why_not;
  runtime = Runtime::get(why_not);
  if (runtime == nullptr) GTEST_SKIP() << why_not;
  std::string pattern = "/tmp/keelson-node.XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  directory = pattern;
  fs::permissions(directory, fs::perms(0755));
  fs::create_directory(directory + "/manifests");
  fs::create_directory(directory + "/logs");
  const auto resolver =
      base::write_file(directory + "/resolv.conf", "nameserver 192.0.2.53\nsearch example.test\n", 0644);
  ASSERT_TRUE(resolver.ok()) << resolver.error().to_string();
  keelson = std::make_unique<KeelsonProcess>(directory);
  settings = {
      {"authentication", "{webhook: {enabled: false}, anonymous: {enabled: false}}"},
      {"authorization", "{mode: AlwaysAllow}"},
      {"enableServer", "false"},
      {"staticPodPath", directory + "/manifests"},
      {"podLogsDir", directory + "/logs"},
      {"containerRuntimeEndpoint", runtime->fixture().endpoint()},
      {"cgroupDriver", "cgroupfs"},
      {"cgroupRoot", runtime->fixture().cgroup_root()},
      {"failSwapOn", "false"},
      {"failCgroupV1", "false"},
      {"resolvConf", directory + "/resolv.conf"},
  };
}

void NodeTest::TearDown() {
  if (runtime == nullptr) return;
  if (HasFailure()) tell_state();
  keelson.reset();
  runtime->remove_all();
  auto mounts = mounts_below(directory);
  std::sort(mounts.rbegin(), mounts.rend());
  for (const auto& target : mounts) ::umount2(target.c_str(), MNT_DETACH);
  for (const auto& link : links_into(directory)) ::unlink(link.c_str());
  std::error_code ignored;
  if (mounts_below(directory).empty()) fs::remove_all(directory, ignored);
}

void NodeTest::tell_state() {
  const std::string all = keelson->log();
  std::cerr << "--- the end of Keelson's log\n"
            << (all.size() > 6000 ? all.substr(all.size() - 6000) : all) << "--- keelson ps\n"
            << keelson->ps().dump(1) << "\n";
}

std::string NodeTest::write_config() {
  std::string text = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
  for (const auto& [field, value] : settings) text += field + ": " + value + "\n";
  std::string path = directory + "/config.yaml";
  EXPECT_TRUE(base::write_file(path, text, 0644).ok()) << path;
  return path;
}

std::unique_ptr<RuntimeGate> NodeTest::gate_to_runtime() {
  const std::string socket = directory + "/cri.sock";
  settings["containerRuntimeEndpoint"] = "unix://" + socket;
  return std::make_unique<RuntimeGate>(socket, runtime->socket());
}

void NodeTest::launch() { keelson->start(write_config(), arguments); }

void NodeTest::start() {
  const int before = keelson->lines_with({"Keelson is ready"});
  launch();
  ASSERT_TRUE(eventually("Keelson to be ready", [&] { return keelson->lines_with({"Keelson is ready"}) > before; }));
}

void NodeTest::restart_after_kill() {
  keelson->kill_hard();
  start();
}

void NodeTest::place(const std::string& file, const std::string& text) {
  const std::string aside = directory + "/aside";
  ASSERT_TRUE(base::write_file(aside, text, 0644).ok());
  ASSERT_EQ(::rename(aside.c_str(), manifest_path(file).c_str()), 0);
}

void NodeTest::place(const json& pod) { place(pod["metadata"]["name"].get<std::string>() + ".yaml", pod.dump(1)); }

void NodeTest::withdraw(const std::string& file) { ASSERT_EQ(::unlink(manifest_path(file).c_str()), 0) << file; }

json NodeTest::seen(const std::string& pod) {
  json found = json::object();
  const json all = keelson->ps();
  if (!all.is_object()) return found;
  for (const auto& one : all["pods"]) {
    if (one["name"] != pod + "-node" && one["name"] != pod) continue;  // of a manifest, or of the API
    found = one;
    if (!one.contains("deletionAt")) break;
  }
  return found;
}

json NodeTest::seen(const std::string& pod, const std::string& container) {
  const json found = seen(pod);
  if (found.empty()) return json::object();
  for (const auto& one : found["containers"]) {
    if (one["name"] == container) return one;
  }
  return json::object();
}

bool NodeTest::runs(const std::string& pod) {
  const json found = seen(pod);
  if (found.empty() || found.contains("deletionAt") || found["containers"].empty()) return false;
  for (const auto& container : found["containers"]) {
    const bool finished_init = container["kind"] == "init" && container.value("exitCode", 1) == 0;
    if (container["state"] != "running" && !finished_init) return false;
  }
  return true;
}

std::string NodeTest::id_of(const std::string& pod, const std::string& container) {
  const json found = seen(pod, container);
  const std::string id = found.value("id", "");
  return id.substr(id.rfind('/') + 1);
}

std::string NodeTest::story_text(const std::string& pod) { return keelson->explain(pod + "-node").dump(1); }

std::string NodeTest::log_of(const std::string& pod, const std::string& container, int instance) {
  const json found = seen(pod);
  if (found.empty()) return "";
  return read_text(log_directory(found["name"], found["uid"]) + "/" + container + "/" + std::to_string(instance) +
                   ".log");
}

std::vector<std::string> NodeTest::remains_of(const std::string& pod, const std::string& uid) {
  std::vector<std::string> out = cgroups_named_after(uid, runtime->fixture().cgroup_root());
  if (!seen(pod).empty()) out.push_back("known to the agent");
  for (const std::string& name : {pod, pod + "-node"}) {  // of the API, or of a manifest
    for (const auto& container : runtime->containers_of(name)) out.push_back("container " + container.id);
    for (const auto& sandbox : runtime->sandboxes_of(name)) out.push_back("sandbox " + sandbox.id);
    for (const auto& link : links_into(log_directory(name, uid))) out.push_back(link);
    if (exists(log_directory(name, uid))) out.push_back(log_directory(name, uid));
  }
  for (const auto& mount : mounts_below(pod_directory(uid))) out.push_back("mount " + mount);
  if (exists(pod_directory(uid))) out.push_back(pod_directory(uid));
  return out;
}

bool NodeTest::comes_to_nothing(const std::string& pod, const std::string& uid) {
  std::vector<std::string> remains;
  const auto nothing_remains = [&] {
    remains = remains_of(pod, uid);
    return remains.empty();
  };
  // What could not be removed is tried again by the collection of the next minute.
  const bool gone = eventually("nothing to be left of " + pod, nothing_remains, std::chrono::seconds(90));
  for (const auto& one : remains) ADD_FAILURE() << pod << " has left " << one;
  return gone;
}

bool NodeTest::eventually(const std::string& what, const std::function<bool()>& predicate, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!predicate()) {
    if (!keelson->runs()) {
      ADD_FAILURE() << "Keelson ended with " << keelson->exit_code() << " while waiting for: " << what;
      return false;
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      ADD_FAILURE() << "waited " << limit.count() << " s in vain for: " << what;
      return false;
    }
    ::poll(nullptr, 0, 50);
  }
  return true;
}

}  // namespace keelson::integration
