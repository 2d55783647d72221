// PodFiles: the files of pods that the node keeps itself: directories, hosts files, termination messages, log links.
//
// The sync code asks through this interface; DiskPodFiles does it on the blocking pool, the simulation in memory.
// Thread: the loop. Every call has a deadline (a dead disk must not stop other pods) and names the path that failed.
// Source: contract 02 §2.3 userns, §3.2 fileKeyRef, §3.4 hosts, §3.5 termination message, §3.6 log link, §10 orphans,
// §19, §21.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/sync/paths.hpp"
#include "base/blocking_pool.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

// What one container needs on disk before it is created: in this order, as far as it is named.
struct ContainerFiles {
  std::string uid;
  std::string container;
  std::string log_directory;     // LOGS/NS_NAME_UID/CONTAINER; empty: none
  std::string termination_name;  // 8 hex digits; empty: none
  bool write_hosts = false;
  std::string hosts;  // content of ROOT/pods/UID/etc-hosts
};

// Whose logs stay: pods by UID, and containers, whose link under /var/log/containers may lead nowhere for a moment.
struct LogsInUse {
  std::set<std::string> pods;
  std::set<std::string> containers;
};

using PodFileTexts = std::map<std::string, Result<std::string>>;

class PodFiles {
 public:
  virtual ~PodFiles() = default;

  // ROOT/pods/UID, volumes, plugins.
  virtual base::Task<Status> make_pod_directories(std::string uid) = 0;
  virtual base::Task<Status> make_log_directory(std::string path) = 0;
  virtual base::Task<Status> prepare_container(ContainerFiles files) = 0;
  // Names in LOGS/.../CONTAINER, for the restart count; empty when it is not there.
  virtual base::Task<std::vector<std::string>> log_names(std::string directory) = 0;
  // Links LOGS/containers/... to the log file, if that exists.
  virtual base::Task<Status> link_log(std::string link, std::string target) = 0;
  // The end of the termination message file (at most 4096 bytes); empty when missing.
  virtual base::Task<std::string> termination_message(std::string path) = 0;
  // The text of the last lines of a container log in CRI format: at most 80 lines, then at most 2048 bytes.
  virtual base::Task<std::string> log_tail(std::string path) = 0;
  // The file, or not_found; for resolv.conf and the node's hosts file.
  virtual base::Task<Result<std::string>> read_host_file(std::string path) = 0;
  // A file of a volume that containers write: a path that a link leads out of the volume ends inside it.
  virtual base::Task<Result<std::string>> read_volume_file(std::string volume, std::string path) = 0;
  // ROOT/pods/UID/NAME, small and of our own: written whole or not at all, and there after a crash.
  virtual base::Task<Status> write_pod_file(std::string uid, std::string name, std::string content) = 0;
  virtual base::Task<Status> remove_pod_file(std::string uid, std::string name) = 0;
  // The content of ROOT/pods/*/NAME by UID, of those pods that have it.
  virtual base::Task<Result<PodFileTexts>> pod_files(std::string name) = 0;
  // Removes ROOT/pods/UID; fails (and keeps the volume) while something is mounted there.
  virtual base::Task<Status> remove_pod_directory(std::string uid) = 0;
  // UIDs that have a directory under ROOT/pods.
  virtual base::Task<Result<std::vector<std::string>>> pod_directories() = 0;
  // N.log* of one container instance and its link.
  virtual base::Task<Status> remove_container_logs(std::string log_path, std::string link) = 0;
  // LOGS/* directories whose UID is not in `keep`, and links that lead nowhere.
  virtual base::Task<Status> remove_orphan_logs(LogsInUse in_use) = 0;
};

class DiskPodFiles final : public PodFiles {
 public:
  DiskPodFiles(base::BlockingPool& pool, Paths paths) : pool_(pool), paths_(std::move(paths)) {}

  base::Task<Status> make_pod_directories(std::string uid) override;
  base::Task<Status> make_log_directory(std::string path) override;
  base::Task<Status> prepare_container(ContainerFiles files) override;
  base::Task<std::vector<std::string>> log_names(std::string directory) override;
  base::Task<Status> link_log(std::string link, std::string target) override;
  base::Task<std::string> termination_message(std::string path) override;
  base::Task<std::string> log_tail(std::string path) override;
  base::Task<Result<std::string>> read_host_file(std::string path) override;
  base::Task<Result<std::string>> read_volume_file(std::string volume, std::string path) override;
  base::Task<Status> write_pod_file(std::string uid, std::string name, std::string content) override;
  base::Task<Status> remove_pod_file(std::string uid, std::string name) override;
  base::Task<Result<PodFileTexts>> pod_files(std::string name) override;
  base::Task<Status> remove_pod_directory(std::string uid) override;
  base::Task<Result<std::vector<std::string>>> pod_directories() override;
  base::Task<Status> remove_container_logs(std::string log_path, std::string link) override;
  base::Task<Status> remove_orphan_logs(LogsInUse in_use) override;

 private:
  base::Task<Result<std::string>> read_end(std::string path, std::size_t bytes);
  base::Task<Result<std::vector<std::string>>> list(std::string directory);

  base::BlockingPool& pool_;
  Paths paths_;
};

// ROOT (0750), ROOT/pods, LOGS (0750), the link directory (0755): made at start.
Status make_root_directories(const Paths& paths);

// The messages of the last 80 records of CRI log text, cut to their last 2048 bytes. Pure.
std::string tail_of_cri_log(std::string_view text);

}  // namespace keelson::agent
