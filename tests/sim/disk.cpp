#include "tests/sim/disk.hpp"

namespace keelson::sim {

using base::Task;

namespace {
constexpr std::int64_t kMemoryInUse = 64 << 10;  // of each container: limits may be lowered
}  // namespace

fakes::FakeFault* Disk::match(fakes::FakeFault::Kind kind, const std::string& call, const std::string& about) {
  for (fakes::FakeFault& fault : faults) {
    if (fault.kind != kind || fault.times == 0) continue;
    if (!fault.call.empty() && fault.call != call) continue;
    if (about.find(fault.about) == std::string::npos) continue;
    if (fault.times > 0) --fault.times;
    return &fault;
  }
  return nullptr;
}

Task<Status> FilesWire::make_pod_directories(std::string uid) {
  return wire_.call(disk_.visit("make_pod_directories", uid, disk_.files.make_pod_directories(uid)));
}
Task<Status> FilesWire::make_log_directory(std::string path) {
  return wire_.call(disk_.visit("make_log_directory", path, disk_.files.make_log_directory(path)));
}
Task<Status> FilesWire::prepare_container(agent::ContainerFiles files) {
  const std::string about = files.uid + "/" + files.container;
  return wire_.call(disk_.visit("prepare_container", about, disk_.files.prepare_container(std::move(files))));
}
Task<std::vector<std::string>> FilesWire::log_names(std::string directory) {
  return wire_.call(disk_.visit("log_names", directory, disk_.files.log_names(directory)));
}
Task<Status> FilesWire::link_log(std::string link, std::string target) {
  return wire_.call(disk_.visit("link_log", link, disk_.files.link_log(link, std::move(target))));
}
Task<std::string> FilesWire::termination_message(std::string path) {
  return wire_.call(disk_.visit("termination_message", path, disk_.files.termination_message(path)));
}
Task<std::string> FilesWire::log_tail(std::string path) {
  return wire_.call(disk_.visit("log_tail", path, disk_.files.log_tail(path)));
}
Task<Result<std::string>> FilesWire::read_host_file(std::string path) {
  return wire_.call(disk_.visit("read_host_file", path, disk_.files.read_host_file(path)));
}
Task<Result<std::string>> FilesWire::read_volume_file(std::string volume, std::string path) {
  const std::string about = volume + "/" + path;
  return wire_.call(disk_.visit("read_volume_file", about, disk_.files.read_volume_file(volume, path)));
}
Task<Status> FilesWire::write_pod_file(std::string uid, std::string name, std::string content) {
  return wire_.call(disk_.visit("write_pod_file", uid, disk_.files.write_pod_file(uid, name, std::move(content))));
}
Task<Status> FilesWire::remove_pod_file(std::string uid, std::string name) {
  return wire_.call(disk_.visit("remove_pod_file", uid, disk_.files.remove_pod_file(uid, name)));
}
Task<Result<agent::PodFileTexts>> FilesWire::pod_files(std::string name) {
  return wire_.call(disk_.visit("pod_files", name, disk_.files.pod_files(name)));
}
Task<Status> FilesWire::remove_pod_directory(std::string uid) {
  return wire_.call(disk_.visit("remove_pod_directory", uid, disk_.files.remove_pod_directory(uid)));
}
Task<Result<std::vector<std::string>>> FilesWire::pod_directories() {
  return wire_.call(disk_.visit("pod_directories", "", disk_.files.pod_directories()));
}
Task<Status> FilesWire::remove_container_logs(std::string log_path, std::string link) {
  return wire_.call(disk_.visit("remove_container_logs", log_path, disk_.files.remove_container_logs(log_path, link)));
}
Task<Status> FilesWire::remove_orphan_logs(agent::LogsInUse in_use) {
  return wire_.call(disk_.visit("remove_orphan_logs", "", disk_.files.remove_orphan_logs(std::move(in_use))));
}

Task<bool> CgroupsWire::exists(api::PodPtr pod) {
  return wire_.call(disk_.visit("cgroup_exists", pod->metadata().uid(), disk_.cgroups.exists(pod)));
}
Task<Status> CgroupsWire::set(api::PodPtr pod, agent::PodCgroupValues values) {
  return wire_.call(disk_.visit("set_cgroup", pod->metadata().uid(), disk_.cgroups.set(pod, values)));
}
Task<Result<agent::PodMemoryUsage>> CgroupsWire::memory_usage(api::PodPtr pod, std::vector<std::string> ids) {
  disk_.cgroups.usage.containers.clear();
  for (const std::string& id : ids) disk_.cgroups.usage.containers[id] = kMemoryInUse;
  return wire_.call(
      disk_.visit("memory_usage", pod->metadata().uid(), disk_.cgroups.memory_usage(pod, std::move(ids))));
}
Task<Status> CgroupsWire::ensure(api::PodPtr pod) {
  return wire_.call(disk_.visit("ensure_cgroup", pod->metadata().uid(), disk_.cgroups.ensure(pod)));
}
Task<Status> CgroupsWire::remove(std::string uid) {
  return wire_.call(disk_.visit("remove_cgroup", uid, disk_.cgroups.remove(uid)));
}
Task<Status> CgroupsWire::lower(std::string uid) {
  return wire_.call(disk_.visit("lower_cgroup", uid, disk_.cgroups.lower(uid)));
}
Task<std::optional<agent::PodCgroupValues>> CgroupsWire::values(api::PodPtr pod) {
  return wire_.call(disk_.visit("read_cgroup", pod->metadata().uid(), disk_.cgroups.values(pod)));
}
Task<Result<std::vector<std::string>>> CgroupsWire::list() {
  return wire_.call(disk_.visit("list_cgroups", "", disk_.cgroups.list()));
}

Task<Status> AllocationsWire::save(std::string name, std::string text) {
  return wire_.call(disk_.visit("save_checkpoint", name, disk_.allocations.save(name, std::move(text))));
}

Task<Result<std::string>> ImageFilesWire::read(std::string path) {
  return wire_.call(disk_.visit("read_image_file", path, disk_.images.read(path)));
}
Task<Result<std::vector<agent::ImageFiles::Entry>>> ImageFilesWire::read_all(std::string directory) {
  return wire_.call(disk_.visit("read_image_file", directory, disk_.images.read_all(directory)));
}
Task<Status> ImageFilesWire::write(std::string path, std::string content) {
  return wire_.call(disk_.visit("write_image_file", path, disk_.images.write(path, std::move(content))));
}
Task<Status> ImageFilesWire::remove(std::string path) {
  return wire_.call(disk_.visit("remove_image_file", path, disk_.images.remove(path)));
}

}  // namespace keelson::sim
