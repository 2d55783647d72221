// Names of log directories, log files, log links and termination message files.
//
// Pure functions, any thread; making the files is the caller's. Source: contract 02 §2 log_directory, §3 log_path and
// restart count, §3.5, §3.6.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"

namespace keelson::agent {

// LOGS/NAMESPACE_NAME_UID
std::string pod_log_directory(const std::string& logs_dir, const api::Pod& pod);
// CONTAINER/RESTARTCOUNT.log, relative to the pod's log directory.
std::string container_log_path(const std::string& container, std::uint32_t restart_count);
// File name of the link under /var/log/containers: POD_NS_CONTAINER-ID.log, cut to 255 bytes with its ".log".
std::string log_link_name(const std::string& pod, const std::string& ns, const std::string& container,
                          const std::string& container_id);
// The restart count of a container of which the runtime knows no instance: 1 + the largest N of N.log and N.log.*, else
// 0. `names` are the regular files of the container's log directory.
std::uint32_t restart_count_from_logs(const std::vector<std::string>& names);
// ROOT/pods/UID/containers/CONTAINER/xxxxxxxx; `random` makes the eight digits, a new one for each create attempt.
std::string termination_file_path(const std::string& root_dir, const std::string& pod_uid, const std::string& container,
                                  std::uint32_t random);

}  // namespace keelson::agent
