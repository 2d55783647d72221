// The process_* families: what the kernel says of this process.
//
// read_process() reads some small files of /proc, which do not block; what cannot be read is left at its zero. Thread:
// the loop. Source: contract 05 §12 (process_*), proc(5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/metrics/page.hpp"

namespace keelson::metrics {

struct ProcessFigures {
  double cpu_seconds = 0;
  double start_time = 0;  // seconds since the epoch
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double virtual_bytes_limit = 0;  // the largest number there is: none
  double open_files = 0;
  double open_files_limit = 0;
  double received_bytes = 0;
  double sent_bytes = 0;
};

// `proc` is "/proc", or a tree of a test's.
ProcessFigures read_process(const std::string& proc);
void collect(const ProcessFigures& figures, Page& page);
// The pages of probes and SLIs have this one family, with a stability, which /metrics' own does not have.
void collect_start_time(const ProcessFigures& figures, Page& page);

}  // namespace keelson::metrics
