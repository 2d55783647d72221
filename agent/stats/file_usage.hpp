// How much disk the files of a pod's logs use, as du counts it.
//
// Blocking, on the pool: a pod has a few log files for each container. Links are not followed and other file systems
// not entered. What fails is nothing: what is not there, or vanishes, is not counted. Source: contract 05 §10 (logs,
// ephemeral-storage), contract 03 §15 (disk use).
#pragma once

#include <string>
#include <vector>

#include "agent/stats/reading.hpp"

namespace keelson::stats {

struct LogOrder {
  std::string directory;  // of the pod: LOGS/NS_NAME_UID
  std::vector<std::string> containers;
  std::string hosts_file;  // empty: none
};
// `time` is left to the caller.
LogReading read_log_usage(const LogOrder& order);

}  // namespace keelson::stats
