#include "agent/stats/container_rows.hpp"

#include <set>

namespace keelson::stats {
namespace {

const std::vector<Interface>* pointer_to(const std::optional<std::vector<Interface>>& network) {
  return network ? &*network : nullptr;
}

class Rows {
 public:
  explicit Rows(const Snapshot& snapshot) : snapshot_(snapshot) {}

  std::vector<ContainerRow> make() {
    ContainerRow& root = add("/", snapshot_.root, snapshot_.node.started.value_or(base::SystemTime()));
    root.network = pointer_to(snapshot_.node.network);
    root.mounts = &snapshot_.node.mounts;
    for (const SystemContainer& one : snapshot_.system) add_group(one.cgroup);
    for (const std::string& tier : snapshot_.tiers) add_group(tier);
    for (const PodSnapshot& pod : snapshot_.pods) add_pod(pod);
    return std::move(out_);
  }

 private:
  ContainerRow& add(std::string id, const CgroupReading& group, base::SystemTime created) {
    ContainerRow& row = out_.emplace_back();
    row.id = std::move(id);
    row.group = &group;
    row.created = created;
    row.disks = &snapshot_.node.disks;
    return row;
  }

  // One cgroup can be two system containers.
  void add_group(const std::string& path) {
    const auto group = snapshot_.groups.find(path);
    if (group == snapshot_.groups.end() || path == "/" || !groups_.insert(path).second) return;
    add(path, group->second, group->second.made.value_or(group->second.time));
  }

  ContainerRow& add_of_pod(const PodSnapshot& pod, std::string id, const CgroupReading& group,
                           base::SystemTime created) {
    ContainerRow& row = add(std::move(id), group, created);
    row.ns = pod.facts.ns;
    row.pod = pod.facts.name;
    return row;
  }

  ContainerRow& add_container(const PodSnapshot& pod, const ContainerFacts& facts, const ContainerReading& reading) {
    ContainerRow& row = add_of_pod(pod, pod.facts.cgroup + "/" + reading.group_name, *reading.group, facts.created);
    row.container = facts.name;
    row.image = facts.image;
    row.name = facts.id;
    return row;
  }

  void add_pod(const PodSnapshot& pod) {
    if (!pod.reading.group) return;
    const bool has_sandbox = pod.reading.sandbox.group.has_value();
    ContainerRow* shows_network = &add_of_pod(pod, pod.facts.cgroup, *pod.reading.group, pod.facts.sandbox.created);
    // A runtime can do without sandbox processes: then nobody but the pod could show it.
    if (has_sandbox) shows_network = &add_container(pod, pod.facts.sandbox, pod.reading.sandbox);
    shows_network->network = pointer_to(pod.reading.network);
    for (std::size_t i = 0; i < pod.facts.containers.size(); ++i) {
      if (pod.reading.containers[i].group) add_container(pod, pod.facts.containers[i], pod.reading.containers[i]);
    }
  }

  const Snapshot& snapshot_;
  std::set<std::string> groups_;
  std::vector<ContainerRow> out_;
};

}  // namespace

std::vector<ContainerRow> rows_of(const Snapshot& snapshot) { return Rows(snapshot).make(); }

}  // namespace keelson::stats
