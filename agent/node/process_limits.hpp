// The agent's own limits: its OOM score and how many files it may open.
//
// Called once at start; what the kernel refuses is told, nothing depends on it. Source: contract 01 §2.4 (oomScoreAdj,
// maxOpenFiles), proc_pid_oom_score_adj(5), setrlimit(2).
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace keelson::agent {

// -1000 .. 1000. Lowering it needs CAP_SYS_RESOURCE.
Status set_oom_score(int score);
// Soft and hard limit; when the hard limit cannot be raised, the soft one goes as far as it may.
Status set_open_files(std::int64_t count);

}  // namespace keelson::agent
