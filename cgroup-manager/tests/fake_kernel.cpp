#include "cgroup-manager/tests/fake_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace keelson::cgroups {
namespace {

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

const std::map<std::string, std::map<std::string, std::string>>& v1_files() {
  static const std::map<std::string, std::map<std::string, std::string>> files{
      {"cpu", {{"cpu.shares", "1024"}, {"cpu.cfs_quota_us", "-1"}, {"cpu.cfs_period_us", "100000"}}},
      {"cpuset", {{"cpuset.cpus", ""}, {"cpuset.mems", ""}}},
      {"memory", {{"memory.limit_in_bytes", "9223372036854771712"}}},
      {"pids", {{"pids.max", "max"}}},
      {"hugetlb", {{"hugetlb.2MB.limit_in_bytes", "9223372036854771712"}}},
      {"systemd", {}}};
  return files;
}

const std::map<std::string, std::map<std::string, std::string>>& v2_files() {
  static const std::map<std::string, std::map<std::string, std::string>> files{
      {"cpu", {{"cpu.weight", "100"}, {"cpu.max", "max 100000"}}},
      {"cpuset", {{"cpuset.cpus", ""}, {"cpuset.mems", ""}}},
      {"memory", {{"memory.max", "max"}, {"memory.low", "0"}, {"memory.min", "0"}, {"memory.swap.max", "max"}}},
      {"pids", {{"pids.max", "max"}}},
      {"hugetlb", {{"hugetlb.2MB.max", "max"}, {"hugetlb.2MB.rsvd.max", "max"}}}};
  return files;
}

}  // namespace

FakeKernel FakeKernel::v1() {
  FakeKernel kernel;
  kernel.layout.version = Version::v1;
  for (const auto& [controller, files] : v1_files()) {
    const std::string mount = "/cg/" + controller;
    kernel.groups.insert(mount);
    kernel.layout.controllers[controller == "systemd" ? "name=systemd" : controller] = mount;
    kernel.populate_v1(mount);
  }
  kernel.layout.controllers["cpuacct"] = "/cg/cpu";
  kernel.files["/cg/cpuset/cpuset.cpus"] = "0-1";
  kernel.files["/cg/cpuset/cpuset.mems"] = "0";
  return kernel;
}

FakeKernel FakeKernel::v2(const std::string& controllers) {
  FakeKernel kernel;
  kernel.layout = {Version::v2, "/cg", {}};
  kernel.groups.insert("/cg");
  kernel.files["/cg/cgroup.controllers"] = controllers;
  kernel.files["/cg/cgroup.subtree_control"] = "";
  kernel.files["/cg/cgroup.procs"] = "";
  return kernel;
}

void FakeKernel::populate_v1(const std::string& path) {
  files[path + "/cgroup.procs"] = "";
  const std::string controller = path.substr(4, path.find('/', 4) - 4);
  for (const auto& [file, content] : v1_files().at(controller)) files[path + "/" + file] = content;
}

void FakeKernel::populate_v2(const std::string& path) {
  const std::string controllers = files[parent_of(path) + "/cgroup.subtree_control"];
  files[path + "/cgroup.controllers"] = controllers;
  files[path + "/cgroup.subtree_control"] = "";
  files[path + "/cgroup.procs"] = "";
  files[path + "/cgroup.type"] = "domain";
  std::istringstream words(controllers);
  for (std::string controller; words >> controller;) {
    const auto it = v2_files().find(controller);
    if (it == v2_files().end()) continue;
    for (const auto& [file, content] : it->second) files[path + "/" + file] = content;
  }
}

Status FakeKernel::make_directory(const std::string& path) {
  if (groups.contains(path)) return {};
  if (!groups.contains(parent_of(path))) return errno_error("mkdir " + path, ENOENT);
  log.push_back("mkdir " + path);
  groups.insert(path);
  if (layout.version == Version::v1) {
    populate_v1(path);
  } else {
    populate_v2(path);
  }
  return {};
}

Status FakeKernel::remove_directory(const std::string& path) {
  if (!groups.contains(path)) return {};
  const auto children = directories(path);
  const bool in_use = !children.value().empty() || !files[path + "/cgroup.procs"].empty();
  if (in_use || busy[path]-- > 0) return errno_error("rmdir " + path, EBUSY);
  log.push_back("rmdir " + path);
  groups.erase(path);
  std::erase_if(files, [&](const auto& file) { return parent_of(file.first) == path; });
  return {};
}

Result<std::vector<std::string>> FakeKernel::directories(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& group : groups) {
    if (parent_of(group) == path) names.push_back(group.substr(path.size() + 1));
  }
  return names;
}

Result<std::string> FakeKernel::read(const std::string& path) {
  const auto it = files.find(path);
  if (it == files.end()) return errno_error("open " + path, ENOENT);
  return it->second;
}

Status FakeKernel::write(const std::string& path, std::string_view text) {
  if (!files.contains(path)) return errno_error("open " + path, ENOENT);
  for (auto& refusal : refusals) {
    if (refusal.path == path && refusal.text == text && refusal.times-- > 0) {
      return errno_error("write " + path, refusal.error);
    }
  }
  log.push_back(std::string(text) + " > " + path);
  if (!path.ends_with("/cgroup.subtree_control")) {
    files[path] = text;
    return {};
  }
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    std::string& now = files[path];
    if ((" " + now + " ").find(" " + word.substr(1) + " ") == std::string::npos) {
      now += (now.empty() ? "" : " ") + word.substr(1);
    }
  }
  return {};
}

Status FakeKernel::kill_process(pid_t pid) {
  log.push_back("kill " + std::to_string(pid));
  if (immortal.contains(pid)) return {};
  for (auto& [path, content] : files) {
    if (!path.ends_with("/cgroup.procs")) continue;
    std::istringstream lines(content);
    std::string left;
    for (std::string line; lines >> line;) {
      if (line != std::to_string(pid)) left += line + "\n";
    }
    content = left;
  }
  return {};
}

}  // namespace keelson::cgroups
