#include "tests/integration/volumes_node.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/file.hpp"

namespace keelson::integration {

namespace fs = std::filesystem;
using fakes::CsiDriverProcess;

namespace {

constexpr char kLosetup[] = "/sbin/losetup";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

json object_of(const std::string& kind, const std::string& name) {
  return {{"apiVersion", "v1"}, {"kind", kind}, {"metadata", {{"name", name}, {"namespace", "default"}}}};
}

}  // namespace

// --- LoopDisk ---

LoopDisk::LoopDisk(std::size_t bytes) {
  file_ = "/tmp/keelson-disk.XXXXXX";
  const base::UniqueFd file(::mkstemp(file_.data()));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
    why_not_ = "there is no room for a disk";
    return;
  }
  const auto made = run_program({kLosetup, "--find", "--show", file_});
  device_ = first_line(made.out);
  if (made.exit_code != 0) why_not_ = "losetup ended with " + std::to_string(made.exit_code) + ": " + made.err;
}

LoopDisk::~LoopDisk() {
  if (!device_.empty()) run_program({kLosetup, "--detach", device_});
  ::unlink(file_.c_str());
}

void LoopDisk::write(const std::string& text) const {
  const base::UniqueFd fd(::open(device_.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::pwrite(fd.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size())) << device_;
}

std::string LoopDisk::read(std::size_t bytes) const {
  const base::UniqueFd fd(::open(device_.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(bytes, '\0');
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

bool LoopDisk::is_free() const {
  return static_cast<bool>(base::UniqueFd(::open(device_.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)));
}

// --- VolumesTest ---

void VolumesTest::SetUp() {
  ClusterTest::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  before_ = mounts_here();
  driver_.emplace(directory + "/driver", directory + "/root/plugins_registry");
}

void VolumesTest::TearDown() {
  driver_.reset();
  ClusterTest::TearDown();
  for (const auto& device : loops_here()) run_program({kLosetup, "--detach", device});
}

void VolumesTest::config_map(const std::string& name, const json& data) {
  json object = object_of("ConfigMap", name);
  object["data"] = data;
  apply(object);
}

void VolumesTest::secret(const std::string& name, const json& data) {
  json object = object_of("Secret", name);
  object["stringData"] = data;
  apply(object);
}

void VolumesTest::bind(const std::string& name, const json& source, const json& more) {
  json claim = object_of("PersistentVolumeClaim", name);
  claim["spec"] = {{"accessModes", {"ReadWriteOnce"}},
                   {"volumeName", "pv-" + name},
                   {"volumeMode", more.value("volumeMode", "Filesystem")},
                   {"resources", {{"requests", {{"storage", "1Gi"}}}}}};
  apply(claim);
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

json VolumesTest::csi_source(const std::string& handle) {
  return {{"csi", {{"driver", CsiDriverProcess::name}, {"volumeHandle", handle}}}};
}

void VolumesTest::register_driver(bool attach_required, const json& more) {
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

json VolumesTest::claim_volume(const std::string& name) {
  return {{"name", name}, {"persistentVolumeClaim", {{"claimName", name}}}};
}

json VolumesTest::config_map_volume(const std::string& volume, const std::string& name) {
  return {{"name", volume}, {"configMap", {{"name", name}}}};
}

json VolumesTest::empty_volume(const std::string& volume) { return {{"name", volume}, {"emptyDir", json::object()}}; }

json VolumesTest::writer(const std::string& name, const std::vector<std::string>& volumes, const json& sources,
                         json spec) {
  json container = shell("main", "for v in /v/*; do echo " + name + " > $v/by || exit 1; done; " + kSleep);
  container["volumeMounts"] = json::array();
  for (const auto& volume : volumes) {
    container["volumeMounts"].push_back({{"name", volume}, {"mountPath", "/v/" + volume}});
  }
  spec["volumes"] = sources;
  return pod(name, {container}, spec);
}

json VolumesTest::mounting(json container, const json& mounts) {
  for (const auto& mount : mounts) container["volumeMounts"].push_back(mount);
  return container;
}

void VolumesTest::remove(const std::string& name) {
  ASSERT_NE(kubectl({"delete", "pod", name, "--wait=false"}), "") << last_error;
  ASSERT_TRUE(eventually("pod " + name + " to be gone", [&] { return is_gone("pod", name); }));
}

int VolumesTest::process_of(const std::string& pod, const std::string& container) {
  const std::string id = id_of(pod, container);
  return id.empty() ? 0 : runtime->process_of(id);
}

std::string VolumesTest::inside(int process, const std::string& path) {
  return read_text("/proc/" + std::to_string(process) + "/root" + path);
}

struct stat VolumesTest::stat_inside(int process, const std::string& path) {
  struct stat info {};
  if (::stat(("/proc/" + std::to_string(process) + "/root" + path).c_str(), &info) != 0) info = {};
  return info;
}

std::vector<std::string> VolumesTest::calls() const {
  std::vector<std::string> out = driver_->methods();
  std::erase_if(out, [](const auto& name) { return !name.starts_with("Node") || name == "NodeGetInfo"; });
  return out;
}

std::string VolumesTest::events() { return kubectl({"get", "events", "-o", "jsonpath={.items[*].message}"}); }

bool VolumesTest::has_event(const std::string& pod, const std::vector<std::string>& words) {
  std::istringstream all(
      kubectl({"get", "events", "-o",
               "jsonpath={range .items[*]}{.involvedObject.name} {.type} {.reason} {.message}{\"\\n\"}{end}"}));
  for (std::string line; std::getline(all, line);) {
    if (!line.starts_with(pod + " ")) continue;
    const auto has = [&](const auto& word) { return line.find(word) != std::string::npos; };
    if (std::all_of(words.begin(), words.end(), has)) return true;
  }
  return false;
}

std::string VolumesTest::waits_for(const std::string& pod) {
  const std::string waiting = ".status.containerStatuses[0].state.waiting";
  return field("pod", pod, "{" + waiting + ".reason}: {" + waiting + ".message}");
}

std::vector<std::string> VolumesTest::mounts_here() const {
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

std::vector<std::string> VolumesTest::mounts_of(const std::string& uid) const {
  auto out = mounts_here();
  std::erase_if(out, [&](const auto& path) { return path.find(uid) == std::string::npos; });
  return out;
}

std::vector<std::string> VolumesTest::loops_here() const {
  std::vector<std::string> out;
  if (directory.empty()) return out;  // the test was skipped
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/sys/block", ignored)) {
    const std::string backing = read_text(entry.path().string() + "/loop/backing_file");
    if (backing.starts_with(directory + "/")) out.push_back("/dev/" + entry.path().filename().string());
  }
  return out;
}

std::vector<std::string> VolumesTest::pod_directories() const {
  return base::list_directory(directory + "/root/pods").value_or({});
}

bool VolumesTest::node_is_as_it_was() {
  const bool is = eventually("the node to be as it was", [&] {
    return mounts_here() == before_ && loops_here().empty() && pod_directories().empty();
  });
  if (is) return true;
  for (const auto& left : mounts_here()) ADD_FAILURE() << "mounted: " << left;
  for (const auto& left : loops_here()) ADD_FAILURE() << "a loop device: " << left;
  for (const auto& left : pod_directories()) ADD_FAILURE() << "a pod's directory: " << left;
  return false;
}

}  // namespace keelson::integration
