// What is done with the rotated files of one log: plan_rotation(), and the name the next one gets.
//
// Pure, any thread. Names are of files in the log's directory; a rotated file is LOG.TIME, compressed LOG.TIME.gz, and
// LOG.TIME.tmp while it is being compressed. Source: contract 02 §19, contract 05 §8.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"

namespace keelson::logs {

inline constexpr char kCompressed[] = ".gz";
inline constexpr char kUnfinished[] = ".tmp";

struct RotationPlan {
  std::vector<std::string> remove;
  std::vector<std::string> compress;  // oldest first
};

// `names`: all that is in the directory. `max_files`: with the log itself and the file it is about to become.
// `in_work`: the rotated file that is being compressed right now, or nothing.
RotationPlan plan_rotation(const std::string& log, std::vector<std::string> names, int max_files,
                           const std::string& in_work);

// LOG.YYYYMMDD-HHMMSS, local time.
std::string rotated_name(const std::string& log, base::SystemTime now);

}  // namespace keelson::logs
